// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlinktest

import (
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netlink"
)

// AddLink adds a link that is up, with addresses whose prefixes are routed to it, and returns its index.
func (f *FIB) AddLink(name string, addrs ...netip.Prefix) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.links[name] = netlink.LinkState{Index: f.last, Name: name, Up: true}
	f.addrs[f.last] = addrs
	f.monitor.send(netlink.Event{Kind: netlink.EventLink, Link: f.links[name]})
	f.connect(f.last)
	return f.last
}

// connect adds the routes to the prefixes of a link's addresses, as the kernel does.
func (f *FIB) connect(index int) {
	for _, p := range f.addrs[index] {
		r := netlink.Route{
			Dst: p.Masked(), Type: netlink.RouteUnicast, Protocol: unix.RTPROT_KERNEL, NextHops: []netlink.NextHop{{Link: index}},
		}
		f.routes[place{r.Dst, 0}] = r
		f.monitor.send(netlink.Event{Kind: netlink.EventRoute, Route: r})
	}
}

// SetUp sets the state of a link. Down takes its routes away, without an event of their own.
func (f *FIB) SetUp(name string, up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.links[name]
	if !ok || l.Up == up {
		return
	}
	l.Up = up
	f.links[name] = l
	f.monitor.send(netlink.Event{Kind: netlink.EventLink, Link: l})
	if up {
		f.connect(l.Index)
	} else {
		f.flush(l.Index)
	}
}

// DeleteLink deletes a link and its routes.
func (f *FIB) DeleteLink(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.links[name]
	if !ok {
		return
	}
	delete(f.links, name)
	delete(f.addrs, l.Index)
	f.flush(l.Index)
	f.monitor.send(netlink.Event{Kind: netlink.EventLink, Deleted: true, Link: l})
}

func (f *FIB) flush(index int) {
	for at, r := range f.routes {
		r.NextHops = slices.DeleteFunc(slices.Clone(r.NextHops), func(n netlink.NextHop) bool { return n.Link == index })
		switch {
		case r.Type == netlink.RouteBlackhole:
		case len(r.NextHops) == 0:
			delete(f.routes, at)
		default:
			f.routes[at] = r
		}
	}
}

// Meddle makes a change as another program would: with an event.
func (f *FIB) Meddle(c netlink.RouteChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.apply(c) == nil {
		f.monitor.send(netlink.Event{Kind: netlink.EventRoute, Deleted: c.Op == netlink.RouteDelete, Route: c.Route})
	}
}

// Lose drops the pending events and says so, as the kernel does when its buffer is full.
func (f *FIB) Lose() { f.monitor.lose() }

// Monitor is the queue of events.
type Monitor struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []netlink.Event
	taken  bool // Next has returned events that may still be looked at
	held   bool
	closed bool
}

func newMonitor() *Monitor {
	m := &Monitor{}
	m.more = sync.NewCond(&m.mu)
	return m
}

func (m *Monitor) send(ev netlink.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = append(m.queue, ev)
	m.more.Broadcast()
}

func (m *Monitor) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = []netlink.Event{{Kind: netlink.EventLost}}
	m.more.Broadcast()
}

// Next is netlink.Monitor.Next.
func (m *Monitor) Next() ([]netlink.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = false
	m.more.Broadcast()
	for (len(m.queue) == 0 || m.held) && !m.closed {
		m.more.Wait()
	}
	if m.closed {
		return nil, os.ErrClosed
	}
	events := m.queue
	m.queue, m.taken = nil, true
	return events, nil
}

// Hold keeps events back until release is called: a reader that is late.
func (m *Monitor) Hold() (release func()) {
	m.hold(true)
	return func() { m.hold(false) }
}

func (m *Monitor) hold(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = on
	m.more.Broadcast()
}

// Idle waits until the reader has dealt with every event.
func (m *Monitor) Idle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for (len(m.queue) > 0 || m.taken) && !m.closed {
		m.more.Wait()
	}
}

// Close ends Next and Idle.
func (m *Monitor) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.more.Broadcast()
	return nil
}
