// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package bgptest has a speaker without a network: see what it was Set to, and let it hear what you like through Learned.
package bgptest

import (
	"context"
	"sync"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/bgp"
)

// Speaker is a bgp.Speaker that only remembers. Feed Learned with Announce, Withdraw and Complete. Make one with [New].
type Speaker struct {
	learned *bgp.Learned

	mu     sync.Mutex
	want   *desired.BGP
	sets   int
	status bgp.Status
	err    error
}

var _ bgp.Speaker = (*Speaker)(nil)

// New returns a speaker that was not set yet.
func New() *Speaker { return &Speaker{learned: bgp.NewLearned()} }

// Set implements bgp.Speaker. As the real one does, it completes what was learned when it is told to stop.
func (s *Speaker) Set(_ context.Context, want *desired.BGP) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = want
	s.sets++
	if want == nil {
		s.learned.Restart()
		s.learned.Complete()
	}
	return s.err
}

// Status implements bgp.Speaker: it returns what SetStatus left.
func (s *Speaker) Status() (bgp.Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.want != nil
}

// Learned implements bgp.Speaker.
func (s *Speaker) Learned() *bgp.Learned { return s.learned }

// Close implements bgp.Speaker.
func (*Speaker) Close() error { return nil }

// Want returns what the speaker was set to last, and how often it was.
func (s *Speaker) Want() (want *desired.BGP, sets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want, s.sets
}

// SetStatus sets what Status returns.
func (s *Speaker) SetStatus(st bgp.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = st
}

// FailWith makes every Set return err from now on.
func (s *Speaker) FailWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
