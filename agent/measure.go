// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/routing/mtu"
	"github.com/weftnet/weft/sys/pathmtu"
)

// The pace of measuring. One packet a path is enough as long as it arrives.
const (
	measureEvery  = 5 * time.Minute
	measureAtOnce = 8 // paths
	// A node that gives no answer is asked again soon, then ever more rarely: it may just be starting.
	silentFirst = time.Second
)

// measurement is what is known of the path to an address.
type measurement struct {
	most   int // size that was asked for
	result pathmtu.Result
	err    error // of the last attempt; result is that of an earlier one
	at     time.Time
	pause  time.Duration // until it is measured again
}

// tell adds to a row what was measured.
func (m *measurement) tell(row *agentapi.PathMTU, layer mtu.Encap) {
	row.Measured = m.at
	if m.result.MTU > 0 {
		row.Probed = mtu.Inside(m.result.MTU, layer)
	}
	if m.result.Hop.IsValid() {
		row.LimitingHop = m.result.Hop.String()
	}
	if m.err != nil {
		row.Error = m.err.Error()
	}
}

// question is a path to measure.
type question struct {
	from, to netip.Addr
	most     int
}

// measure measures what is due until ctx ends, and answers other nodes meanwhile.
func (s *sizer) measure(ctx context.Context) {
	answering := &answers{sizer: s}
	defer answering.stop()
	for {
		list, wait := s.questions(time.Now())
		if len(list) > 0 {
			s.ask(ctx, list)
			s.change()
			continue
		}
		select {
		case <-s.due:
			answering.settle()
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// questions lists what is due, or says when something will be.
func (s *sizer) questions(now time.Time) (due []question, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = measureEvery
	for _, p := range s.paths {
		if p.link == "" || p.tunnel != "" { // tunnels run on the plain paths
			continue
		}
		m := s.measured[p.remote]
		if m == nil || m.most != p.most || !now.Before(m.at.Add(m.pause)) {
			due = append(due, question{s.own[family(p.remote)], p.remote, p.most})
			continue
		}
		wait = min(wait, m.at.Add(m.pause).Sub(now))
	}
	return due, wait
}

// ask measures some paths at once.
func (s *sizer) ask(ctx context.Context, list []question) {
	var group errgroup.Group
	group.SetLimit(measureAtOnce)
	for _, q := range list {
		group.Go(func() error {
			result, err := s.kernel.Measure(ctx, q.from, q.to, q.most)
			s.learn(q, result, err, time.Now())
			return nil
		})
	}
	_ = group.Wait() // there are no errors
}

// learn takes a result. Silence says nothing about the path: what was measured before holds.
func (s *sizer) learn(q question, result pathmtu.Result, err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.measured[q.to]
	if m == nil {
		m = &measurement{}
		s.measured[q.to] = m
	}
	if m.err = err; err != nil {
		m.pause = min(max(2*m.pause, silentFirst), measureEvery)
		if m.most != q.most {
			m.pause = silentFirst
		}
	} else {
		if result.MTU < q.most && result.MTU != m.result.MTU {
			s.log.Warn("the path to a node is narrower than its link", "address", q.to, "mtu", result.MTU, "link", q.most, "hop", result.Hop)
		}
		m.result, m.pause = result, measureEvery
	}
	m.most, m.at = q.most, now
}

// answers lets other nodes measure the paths here.
type answers struct {
	sizer *sizer
	at    [2]netip.Addr
	stops [2]func() error
}

// settle answers at this node's present addresses.
func (a *answers) settle() {
	s := a.sizer
	s.mu.Lock()
	own := s.own
	s.mu.Unlock()
	for f, addr := range own {
		if addr == a.at[f] {
			continue
		}
		a.end(f)
		if !addr.IsValid() {
			continue
		}
		stop, err := s.kernel.Answer(addr, s.isNode)
		if err != nil {
			s.log.Warn("other nodes cannot measure the path to this one", "error", err)
			continue
		}
		a.at[f], a.stops[f] = addr, stop
	}
}

func (a *answers) end(f int) {
	if a.stops[f] != nil {
		if err := a.stops[f](); err != nil {
			a.sizer.log.Warn("path MTU answers", "error", err)
		}
	}
	a.at[f], a.stops[f] = netip.Addr{}, nil
}

func (a *answers) stop() {
	for f := range a.stops {
		a.end(f)
	}
}

// isNode tells whether an address is another node's.
func (s *sizer) isNode(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[addr]
}
