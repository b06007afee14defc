// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package tunnel keeps the tunnel devices of a node as desired: Open a Manager, Apply what the calculation wants, and again when Events is
// signalled.
//
// A device carries no more than what is known: the peers' neighbour and forwarding entries are written, nothing is learned and nothing is
// flooded. A device that is no longer wanted lingers for a while, because other nodes may still send through it while a mode changes.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/wireguard"
)

// DefaultLinger is how long a device that is no longer wanted goes on receiving.
const DefaultLinger = time.Minute

// Options are what a Manager may be told.
type Options struct {
	// NS is the network namespace; nil means that of the calling thread.
	NS *netns.NS
	// Kernel is a connection to it that others use too: what Begin leaves for Settle travels with their next change. The caller closes it.
	// nil: one of the manager's own.
	Kernel *netlink.RouteConn
	// Linger is how long an unwanted device stays; 0 means DefaultLinger.
	Linger time.Duration
	// Patience is how long a WireGuard peer may take to answer; 0 means DefaultPatience.
	Patience time.Duration
	// KeyDir is where the private keys of WireGuard are kept. It is to outlast a reboot.
	KeyDir string
	Log    *slog.Logger
}

// Report is the result of one Apply.
type Report struct {
	// Failed holds by name of the device why it, or some of its peers, are not in force; nil: everything is.
	Failed map[string]error
	// Repaired counts what of ours somebody else had changed or deleted.
	Repaired int
}

// Manager owns the tunnel devices of one network namespace. Apply, Remove and Close are for one caller at a time.
type Manager struct {
	log     *slog.Logger
	ns      *netns.NS
	links   *netlink.Conn
	kernel  *netlink.RouteConn
	shared  bool // kernel is the caller's
	monitor *netlink.Monitor
	wg      *wireguard.Conn
	keyDir  string
	linger  time.Duration
	// patience is how long a peer may take to answer.
	patience time.Duration
	events   chan struct{}
	// meetings is signalled when a peer has been met.
	meetings chan struct{}
	watcher  sync.WaitGroup

	mu      sync.Mutex
	devices map[string]*device   // as in force
	leaving map[string]departure // ours and not wanted any more
	settled bool                 // a reconciliation is done
	met     map[desired.TunnelPeerID]meeting
	parting map[parting]time.Time // when they go
	looking *time.Timer           // until the next look at who has answered
	pause   time.Duration
	ways    hostWays // as in force
	begun   *begun   // nil: nothing
}

// device is a tunnel with what the kernel holds of it.
type device struct {
	want     desired.Tunnel
	index    int
	underlay int                           // index of the link that has want.Local, 0: the MTU does not depend on it
	peers    map[string]desired.TunnelPeer // by node
	macs     map[desired.MAC]string        // which node has a forwarding entry
	addrs    map[netip.Addr]string         // which node has a neighbour entry
	err      error                         // why it, or some peer, is not in force
	hostErr  error                         // why it does not carry what the nodes send each other

	public    wireguard.Key  // WireGuard: this node's
	next      wireguard.Key  // and the one that is to take its place when the Node states it; zero: none
	inherited bool           // an earlier process ran it
	lost      []netip.Prefix // what its peers were allowed, until withdraw has looked who is so still
}

// departure is when a device goes.
type departure struct {
	at    time.Time
	timer *time.Timer
}

// Open opens a manager. It changes nothing. Close it after use.
func Open(o Options) (*Manager, error) {
	m := &Manager{
		log: o.Log, ns: o.NS, ways: newHostWays(), linger: o.Linger, patience: o.Patience, keyDir: o.KeyDir, events: make(chan struct{}, 1), meetings: make(chan struct{}, 1),
		devices: map[string]*device{}, leaving: map[string]departure{}, met: map[desired.TunnelPeerID]meeting{}, parting: map[parting]time.Time{},
	}
	if m.linger == 0 {
		m.linger = DefaultLinger
	}
	if m.patience == 0 {
		m.patience = DefaultPatience
	}
	var err error
	if m.links, err = netlink.Open(o.NS); err != nil {
		return nil, fmt.Errorf("tunnels: %w", err)
	}
	if m.kernel, m.shared = o.Kernel, o.Kernel != nil; !m.shared {
		m.kernel, err = netlink.OpenRoutes(o.NS)
	}
	if err != nil {
		m.links.Close()
		return nil, fmt.Errorf("tunnels: %w", err)
	}
	if m.wg, err = wireguard.Open(o.NS); err != nil {
		m.links.Close()
		return nil, errors.Join(fmt.Errorf("tunnels: %w", err), m.closeKernel())
	}
	if m.monitor, err = netlink.OpenTunnelMonitor(o.NS, m.kernel); err != nil {
		m.links.Close()
		return nil, errors.Join(fmt.Errorf("tunnels: %w", err), m.wg.Close(), m.closeKernel())
	}
	m.looking = time.AfterFunc(time.Hour, m.look)
	m.looking.Stop()
	m.watcher.Go(m.watch)
	return m, nil
}

// Close stops watching. The devices stay; those of WireGuard in this process carry nothing until the next one takes them in hand.
func (m *Manager) Close() error {
	err := m.monitor.Close()
	m.watcher.Wait()
	m.links.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.leaving {
		d.timer.Stop()
	}
	m.looking.Stop()
	clear(m.devices)
	return errors.Join(err, m.wg.Close(), m.closeKernel())
}

func (m *Manager) closeKernel() error {
	if m.shared {
		return nil
	}
	return m.kernel.Close()
}

// Events is signalled when someone else changed what is ours, or a device has lingered long enough: call Apply with a nil delta.
func (m *Manager) Events() <-chan struct{} { return m.events }

func (m *Manager) signal() {
	select {
	case m.events <- struct{}{}:
	default:
	}
}

// Apply brings the kernel to view. A delta limits the work to what changed; nil means compare with what the kernel really holds. The error
// joins the report's failures: Apply with a nil delta tries them again.
func (m *Manager) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (Report, error) {
	report, settled, err := m.Begin(ctx, view, delta)
	if settled {
		return report, err
	}
	return m.Settle()
}

// InForce returns this node's addresses on the devices that, with all their peers, are as wanted.
func (m *Manager) InForce() (addrs desired.TunnelAddrs) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.devices {
		if d.err == nil {
			addrs[d.want.Kind] = d.want.Addr
		}
	}
	return addrs
}

// report sums up; err is about what the nodes send each other themselves.
func (m *Manager) report(repaired int, err error) (Report, error) {
	r := Report{Repaired: repaired}
	for name, d := range m.devices {
		why := errors.Join(d.err, d.hostErr)
		if why == nil {
			continue
		}
		if r.Failed == nil {
			r.Failed = map[string]error{}
		}
		r.Failed[name] = why
		err = errors.Join(err, why)
	}
	return r, err
}

// fail notes an error, in words that name the device.
func (d *device) fail(err error) {
	if err != nil {
		d.err = errors.Join(d.err, fmt.Errorf("tunnel %s: %w", d.want.Name, err))
	}
}

// Remove deletes the devices, and with them their entries and the routes through them, and the rules that lead there.
func (m *Manager) Remove(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tunnels: %w", err)
	}
	links, err := m.ours()
	if err != nil {
		return err
	}
	errs := []error{m.removeWays()}
	for name, link := range links {
		errs = append(errs, m.delete(name, link.Index))
	}
	return errors.Join(errs...)
}

// ours returns the devices that carry our mark, by name.
func (m *Manager) ours() (map[string]netlink.Link, error) {
	links, err := m.links.Links()
	if err != nil {
		return nil, fmt.Errorf("tunnels: %w", err)
	}
	out := map[string]netlink.Link{}
	for _, l := range links {
		if l.Group == own.TunnelGroup {
			out[l.Name] = l
		}
	}
	return out, nil
}

func (m *Manager) delete(name string, index int) error {
	m.stay(name)
	delete(m.devices, name)
	maps.DeleteFunc(m.parting, func(p parting, _ time.Time) bool { return p.device == name })
	if err := m.wg.Forget(name); err != nil {
		return fmt.Errorf("tunnel %s: %w", name, err)
	}
	err := m.links.DeleteLink(index)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = m.leaveFallback(index) // the kernel's own device outlives its deletion
	}
	if err != nil {
		return fmt.Errorf("tunnel %s: %w", name, err)
	}
	m.log.Info("tunnel removed", "device", name)
	return nil
}
