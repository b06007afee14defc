// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"sync"
	"time"
)

// The pace of a run.
const (
	// giveUp is when a flow that ought to be allowed counts as denied. It costs time only when something is wrong, and on a busy machine an
	// answer may take seconds.
	giveUp = 6 * time.Second
	// giveUpControl is when a receiver counts as broken. No policy is in the way from an endpoint to itself, and an emulated machine may
	// stand still for longer than giveUp.
	giveUpControl = 2 * giveUp
	// retryEvery is the pause between attempts at flows without an answer.
	retryEvery = 150 * time.Millisecond
	// The quiet time after the last attempt in which nothing may arrive, before the rest counts as denied: slowFactor times the slowest
	// answer so far, within these bounds. A busy machine slows answers and thus lengthens it.
	minQuiet, maxQuiet = 100 * time.Millisecond, time.Second
	slowFactor         = 5
	// minAttempts are made at every flow, so that one lost packet does not look like policy.
	minAttempts = 2
)

// run is one call of Prober.Run. Receivers mark flows while wait watches.
type run struct {
	id     uint32
	flows  []Flow
	want   []Verdict
	giveUp time.Duration // waiting for answers to flows that ought to be allowed
	tries  sync.WaitGroup
	// changed holds a value when a mark was set since wait last looked.
	changed chan struct{}

	mu    sync.Mutex
	marks []mark
}

// mark is what is known of one flow. Zero times: not yet.
type mark struct {
	first, last    time.Time // sent
	seen, answered time.Time
	err            error
}

func (r *run) token(i int) token { return token{run: r.id, index: uint32(i)} }

// mark changes what is known of flow i and wakes wait.
func (r *run) mark(i int, change func(*mark)) {
	r.mu.Lock()
	change(&r.marks[i])
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *run) sent(i int) {
	r.mark(i, func(m *mark) { m.first, m.last = orNow(m.first), time.Now() })
}

func (r *run) failed(i int, err error) { r.mark(i, func(m *mark) { m.err = err }) }

// unanswered returns the flows to try again.
func (r *run) unanswered() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	for i, m := range r.marks {
		if m.answered.IsZero() {
			out = append(out, i)
		}
	}
	return out
}

// wait calls attempt until the outcome is clear.
func (r *run) wait(ctx context.Context, attempt func()) error {
	begin := time.Now()
	var last time.Time
	for attempts := 0; ; {
		now := time.Now()
		missing, quiet := r.progress()
		switch {
		case missing == 0 && r.complete():
			return nil
		case attempts >= minAttempts && now.Sub(last) >= quiet && (missing == 0 || now.Sub(begin) >= r.giveUp):
			return nil
		case attempts == 0 || now.Sub(last) >= retryEvery && (missing > 0 && now.Sub(begin) < r.giveUp || attempts < minAttempts):
			attempt()
			attempts++
			last = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.changed:
		case <-time.After(minQuiet / 10):
		}
	}
}

// progress returns how many flows that ought to be allowed have no answer, and the quiet time that the answers so far suggest.
func (r *run) progress() (missing int, quiet time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var slowest time.Duration
	for i, m := range r.marks {
		if m.answered.IsZero() {
			if r.want[i] == Allowed {
				missing++
			}
			continue
		}
		slowest = max(slowest, m.rtt())
	}
	return missing, min(max(slowFactor*slowest, minQuiet), maxQuiet)
}

// complete says whether every flow has its answer.
func (r *run) complete() bool { return len(r.unanswered()) == 0 }

func (r *run) results() []Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Result, len(r.flows))
	for i, m := range r.marks {
		out[i] = Result{Flow: r.flows[i], Seen: !m.seen.IsZero(), Answered: !m.answered.IsZero(), RTT: m.rtt()}
		if m.err != nil && m.answered.IsZero() {
			out[i].Error = reason(m.err)
		}
	}
	return out
}

// rtt is counted from the first attempt: an answer to the second one may be late for the first.
func (m mark) rtt() time.Duration {
	if m.answered.IsZero() {
		return 0
	}
	return m.answered.Sub(m.first)
}

// orNow returns t, or the present time when t is zero.
func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
