// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package connections ends established connections that policy no longer allows: make a Reviewer, let it Run, and tell it of every change
// with Note.
//
// A data plane lets packets of established connections pass without asking policy again. So after a change the connections that it may
// concern are judged anew with policy/eval, as the packets that opened them would be now, and those that are denied get own.EndedMark,
// by which the data plane drops their packets in both directions. The mark goes away when policy allows the connection again. The state of
// a connection thus follows from the policy in force alone, and not from its history; deleting entries would not do, because the next
// packet of either side brings them back, by an answer turned round and judged by the wrong policies.
//
// What a change may concern is read off the Delta: connections of changed endpoints, of endpoints with a changed policy, and with addresses
// that came to an IP set or left it. Connections that were led to a workload by a port of the host or a floating IP, which leads elsewhere now, are
// forgotten: their next packets are led anew. All this happens beside the programming of policy, in bounded portions, a moment after the change. Those
// that are known to carry the mark are judged at once, without a look into the kernel's table: what is allowed again goes on promptly.
package connections

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/conntrack"
)

// Table is the kernel's table of connections: a conntrack.Conn.
type Table interface {
	Count() (int, error)
	List(conntrack.Filter, func(conntrack.Flow)) error
	SetMark(flow conntrack.Flow, value, mask uint32) error
	Delete(conntrack.Flow) error
}

// Config is what a Reviewer works with.
type Config struct {
	Table Table
	// Links returns for each address the name of the link by which packets to it leave the node, "" for the node's own addresses.
	Links func([]netip.Addr) ([]string, error)
	// Ask runs f while the desired state stands still, and returns false when ctx ends first.
	Ask func(ctx context.Context, f func(desired.View)) bool
	Log *slog.Logger
}

const (
	// settle passes between a change and the review: packets that the old rules have let through become connections meanwhile, and changes
	// that come together are reviewed together.
	settle = 50 * time.Millisecond
	// share bounds the time that reviews take: after each one, so many times as long as it took passes without.
	share = 9
	// longestRest bounds what share makes of a review that took long, as on a machine without a processor to spare: what is denied now must not
	// go on for much longer.
	longestRest = 2 * time.Second
	// retry is the pause after a review that failed.
	retry = time.Second
)

// Reviewer judges connections again. Note may be called from one goroutine, the others from any.
type Reviewer struct {
	config Config
	wake   chan struct{}

	mu     sync.Mutex
	due    scope
	locals locals
	ended  map[uint32]conntrack.Flow // by ID: those that carry the mark, rememberMost of them at most
	atWork bool                      // a review is under way
	status Status
}

// Status is what a Reviewer has done since the start.
type Status struct {
	Ended   int   // connections that policy has ended
	Pending bool  // a review is due or under way: some may still pass, or not, as policy was before the last change
	Err     error // why the last review failed, nil if it did not
}

// New returns a Reviewer that has nothing to do yet.
func New(config Config) *Reviewer {
	return &Reviewer{config: config, wake: make(chan struct{}, 1), locals: newLocals(), due: newScope(), ended: map[uint32]conntrack.Flow{}}
}

// Note tells of a change that has been programmed. It only takes notes.
func (r *Reviewer) Note(delta *desired.Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range delta.EndpointsRemoved {
		before, freed := r.locals.remove(id)
		r.due.left(before, freed)
		r.due.moved(r.locals.lead(before, nil))
	}
	for _, e := range delta.Endpoints {
		before, freed := r.locals.put(e)
		r.due.left(before, freed)
		r.due.moved(r.locals.lead(before, e))
	}
	r.due.changed(delta)
	r.signal()
}

// All has every connection reviewed.
func (r *Reviewer) All() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due.all = true
	r.signal()
}

// signal wakes Run when there is something to do.
func (r *Reviewer) signal() {
	if r.due.empty() {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Status tells what has been done.
func (r *Reviewer) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Pending = r.atWork || !r.due.empty()
	return s
}

// Run reviews until ctx ends.
func (r *Reviewer) Run(ctx context.Context) {
	relent, review := &task{run: r.relent}, &task{run: r.Review, settle: settle}
	for {
		select {
		case <-r.wake:
			relent.plan()
			review.plan()
		case <-relent.at:
			relent.do(ctx)
		case <-review.at:
			review.do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// task is something that changes ask for, and that takes a bounded share of the time.
type task struct {
	run    func(context.Context) error
	settle time.Duration    // from a change on
	at     <-chan time.Time // nil: not asked for
	rested time.Time        // not before
}

// plan has the task done as soon as it may be.
func (t *task) plan() {
	if t.at == nil {
		t.at = time.After(max(t.settle, time.Until(t.rested)))
	}
}

func (t *task) do(ctx context.Context) {
	begun, rest := time.Now(), retry
	if err := t.run(ctx); err == nil {
		rest = min(share*time.Since(begun), longestRest)
	}
	t.at, t.rested = nil, time.Now().Add(rest)
}

// Review does what is due now. What could not be done stays due.
func (r *Reviewer) Review(ctx context.Context) error {
	r.mu.Lock()
	due := r.due
	r.due, r.atWork = newScope(), !due.empty()
	r.mu.Unlock()
	if due.empty() {
		return nil
	}
	ended, err := r.review(ctx, &due)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("established connections are not judged again: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.status.Err == nil && ctx.Err() == nil {
			r.config.Log.Error("retrying", "error", err)
		}
		r.due.merge(&due)
		r.signal()
	}
	r.atWork = false
	r.status.Ended += ended
	r.status.Err = err
	return err
}
