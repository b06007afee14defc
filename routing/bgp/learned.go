// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"net/netip"
	"slices"
	"sync"
)

// Learned collects changes of best paths until somebody takes them: however fast they come, a slow taker sees each prefix once,
// in its latest state. Make one with [NewLearned].
type Learned struct {
	changed chan struct{}

	mu    sync.Mutex
	paths map[netip.Prefix][]announcement
	dirty map[netip.Prefix]struct{}
	// stale are prefixes that the taker knows from before a restart of the engine and that nobody announced again yet.
	stale    map[netip.Prefix]struct{}
	complete bool
}

// announcement is one peer's path.
type announcement struct {
	peer, hop netip.Addr
}

// NewLearned returns an empty stream.
func NewLearned() *Learned {
	return &Learned{
		changed: make(chan struct{}, 1),
		paths:   map[netip.Prefix][]announcement{},
		dirty:   map[netip.Prefix]struct{}{},
		stale:   map[netip.Prefix]struct{}{},
	}
}

// Changed is signalled when there is something to Take.
func (l *Learned) Changed() <-chan struct{} { return l.changed }

// Take returns what changed since it was last called; the first call everything.
func (l *Learned) Take() Update {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := Update{Paths: make(map[netip.Prefix]Path, len(l.dirty)), Complete: l.complete}
	for dst := range l.dirty {
		u.Paths[dst] = pathOf(l.paths[dst])
	}
	l.dirty = map[netip.Prefix]struct{}{} // not clear: a large burst must not keep its memory
	return u
}

func pathOf(list []announcement) Path {
	if len(list) == 0 {
		return Path{}
	}
	p := Path{NextHops: make([]netip.Addr, 0, len(list)), Peers: make([]netip.Addr, 0, len(list))}
	for _, a := range list {
		p.NextHops = append(p.NextHops, a.hop)
		p.Peers = append(p.Peers, a.peer)
	}
	slices.SortFunc(p.NextHops, netip.Addr.Compare)
	slices.SortFunc(p.Peers, netip.Addr.Compare)
	p.NextHops = slices.Compact(p.NextHops)
	return p
}

// Announce records that a peer's path is among the best, in place of the peer's earlier one.
func (l *Learned) Announce(dst netip.Prefix, peer, hop netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.stale, dst)
	list := l.paths[dst]
	i := slices.IndexFunc(list, func(a announcement) bool { return a.peer == peer })
	switch {
	case i < 0:
		l.paths[dst] = append(list, announcement{peer, hop})
	case list[i].hop == hop:
		return
	default:
		list[i].hop = hop
	}
	l.mark(dst)
}

// Withdraw records that a peer's path is no longer among the best.
func (l *Learned) Withdraw(dst netip.Prefix, peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.paths[dst]
	i := slices.IndexFunc(list, func(a announcement) bool { return a.peer == peer })
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(l.paths, dst)
	} else {
		l.paths[dst] = list
	}
	l.mark(dst)
}

// Complete records that everything was heard.
func (l *Learned) Complete() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.complete {
		return
	}
	l.complete = true
	for dst := range l.stale {
		l.mark(dst)
	}
	l.stale = map[netip.Prefix]struct{}{}
	l.signal()
}

// Restart forgets all paths; the taker is told only when Complete, of those that did not come again.
func (l *Learned) Restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complete = false
	for dst := range l.paths {
		l.stale[dst] = struct{}{}
	}
	l.paths = map[netip.Prefix][]announcement{}
}

// IsComplete says whether everything was heard.
func (l *Learned) IsComplete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete
}

func (l *Learned) mark(dst netip.Prefix) {
	l.dirty[dst] = struct{}{}
	l.signal()
}

func (l *Learned) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
