// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"net/netip"
	"sync"
	"time"
)

// silentGrace is how long a peer that does not mark the end of its routes has to send them.
const silentGrace = 5 * time.Second

// hearing waits, after a start, until every peer has said all that it knows, or until the time is over. Then it calls done, once.
type hearing struct {
	done  func()
	timer *time.Timer

	mu    sync.Mutex
	state map[netip.Addr]bool // of configured peers, whether they were heard
	over  bool
}

// newHearing starts the clock. configure must follow.
func newHearing(limit time.Duration, done func()) *hearing {
	h := &hearing{done: done, state: map[netip.Addr]bool{}}
	h.mu.Lock() // a limit of 0 fires at once, before the timer would be set
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(limit, h.finish)
	return h
}

// stop ends the wait without calling done.
func (h *hearing) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.timer.Stop()
}

// configure says whom to wait for.
func (h *hearing) configure(p *plan) {
	h.mu.Lock()
	for addr := range h.state {
		if _, ok := p.peers[addr]; !ok {
			delete(h.state, addr)
		}
	}
	for addr := range p.peers {
		if _, ok := h.state[addr]; !ok {
			h.state[addr] = false
		}
	}
	h.mu.Unlock()
	h.check()
}

// heard records that a peer has said all.
func (h *hearing) heard(peer netip.Addr) {
	h.mu.Lock()
	if _, ok := h.state[peer]; ok {
		h.state[peer] = true
	}
	h.mu.Unlock()
	h.check()
}

// heardLater is for a peer that will not say when it has.
func (h *hearing) heardLater(peer netip.Addr) {
	time.AfterFunc(silentGrace, func() { h.heard(peer) })
}

func (h *hearing) check() {
	h.mu.Lock()
	all := true
	for _, heard := range h.state {
		all = all && heard
	}
	h.mu.Unlock()
	if all {
		h.finish()
	}
}

func (h *hearing) finish() {
	h.mu.Lock()
	first := !h.over
	h.over = true
	h.timer.Stop()
	h.mu.Unlock()
	if first {
		h.done()
	}
}
