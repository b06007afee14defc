// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package routes keeps the kernel routes of this node: Open a [Manager], Apply what calc wants, Learn what BGP heard, and Apply again
// with a nil delta whenever Events is signalled.
//
// It owns the routes of the main table that carry own.RouteProtocol (computed here: local workloads, blackholes) or
// own.RouteProtocolBGP (learned), and looks at others only to find the way to a next hop. A computed route hides a learned one with
// the same destination. Routes learned by an earlier run stay in force until the speaker says that it has heard everything again.
package routes

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
)

// Kernel reads and changes routes; [netlink.RouteConn] is the real one, netlinktest.FIB the fake.
type Kernel interface {
	List(protocol uint8) ([]netlink.Route, error)
	Change([]netlink.RouteChange) (map[int]error, error)
	Lookup([]netip.Addr) ([]netlink.Found, error)
	LinkStates(names []string) (map[string]netlink.LinkState, error)
	Close() error
}

// Monitor tells what others changed; [netlink.Monitor] is the real one.
type Monitor interface {
	Next() ([]netlink.Event, error)
	Close() error
}

// Manager owns the routes. It is safe for concurrent use; changes take turns.
type Manager struct {
	kernel  Kernel
	monitor Monitor
	log     *slog.Logger
	events  chan struct{}
	watcher sync.WaitGroup

	mu      sync.Mutex
	local   map[netip.Prefix]desired.Route
	learned map[netip.Prefix][]netip.Addr
	// complete says that learned is all there is: until then the kernel's learned routes of an earlier run are kept.
	complete bool
	// viewed says that local is all there is: a view was applied.
	viewed bool
	// loaded says that present mirrors our routes in the kernel; a failed exchange with the kernel unsets it.
	loaded  bool
	present map[netip.Prefix]netlink.Route
	// mtus are the ways narrower than their links; nil: not known yet, so that routes of an earlier run keep their MTU.
	mtus map[Way]int
	// problem holds why a wanted route is not in force.
	problem map[netip.Prefix]error
	// links and hops are the facts that the present routes were made from; an event that contradicts them is worth a repair.
	links map[string]netlink.LinkState
	hops  hopTable
}

// Open starts a manager for the network namespace ns; nil means that of the calling thread. It changes nothing before the first Apply.
func Open(ns *netns.NS, log *slog.Logger) (*Manager, error) {
	kernel, err := netlink.OpenRoutes(ns)
	if err != nil {
		return nil, err
	}
	return Over(kernel, ns, log)
}

// Over is Open with a connection to ns, which others may use too: what they have it hold goes in front of routes. The manager closes it in the end, and
// where it cannot be opened.
func Over(kernel *netlink.RouteConn, ns *netns.NS, log *slog.Logger) (*Manager, error) {
	monitor, err := netlink.OpenMonitor(ns, kernel)
	if err != nil {
		return nil, errors.Join(err, kernel.Close())
	}
	return New(kernel, monitor, log), nil
}

// New starts a manager on a kernel and a monitor, which it closes in the end.
func New(kernel Kernel, monitor Monitor, log *slog.Logger) *Manager {
	m := &Manager{
		kernel: kernel, monitor: monitor, log: log,
		events:  make(chan struct{}, 1),
		local:   map[netip.Prefix]desired.Route{},
		learned: map[netip.Prefix][]netip.Addr{},
		present: map[netip.Prefix]netlink.Route{},
		problem: map[netip.Prefix]error{},
		links:   map[string]netlink.LinkState{},
		hops:    newHopTable(),
	}
	m.watcher.Go(m.watch)
	return m
}

// Close ends the manager and leaves the routes in the kernel.
func (m *Manager) Close() error {
	err := errors.Join(m.monitor.Close(), m.kernel.Close())
	m.watcher.Wait()
	return err
}

// Events is signalled when a route of ours was changed by somebody else, or a link or route that one depends on changed: call Apply
// with a nil delta.
func (m *Manager) Events() <-chan struct{} { return m.events }

// signal never blocks: one pending signal says it all.
func (m *Manager) signal() {
	select {
	case m.events <- struct{}{}:
	default:
	}
}

// watch reads the monitor until it is closed.
func (m *Manager) watch() {
	for {
		events, err := m.monitor.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			// Events may be missing now, and may be so at each read: say it, and look at the kernel.
			m.log.Warn("watch routes", "error", err)
			m.signal()
			continue
		}
		if m.matter(events) {
			m.signal()
		}
	}
}

// broken forgets what the kernel holds, so that the next Apply reads it again.
func (m *Manager) broken(err error) error {
	m.loaded = false
	m.signal()
	return fmt.Errorf("kernel routes: %w", err)
}
