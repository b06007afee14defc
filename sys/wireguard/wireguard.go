// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package wireguard makes and configures the WireGuard devices of one network namespace: Open a Conn, Attach or Add a device, then Configure it
// and SetPeers.
//
// The kernel's own WireGuard is used where there is one. Where there is none, the same protocol runs in this process behind a tun device. That
// device is persistent: when the process ends it stays, with its addresses and routes, and drops what it is given until a successor attaches to it.
package wireguard

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
)

// Peer is another end as a device holds it.
type Peer struct {
	Endpoint  netip.AddrPort
	Allowed   []netip.Prefix // sources that are taken from it, and destinations that are sent to it
	Keepalive time.Duration  // whole seconds; 0: none
	Handshake time.Time      // the last one; zero: there was none
	Received  uint64         // bytes, of packets that were the peer's beyond doubt
}

// Device is what a device holds.
type Device struct {
	PrivateKey Key
	Port       uint16 // UDP
	Mark       uint32 // on the packets that it sends
	Peers      map[Key]Peer
}

// Change is what is to be different about one peer, which is made if it is not there. What is Allowed is so besides what was before, and to this peer
// alone.
type Change struct {
	Key    Key // of the peer
	Remove bool
	Peer   // without Handshake and Received
}

// Withdraw returns the changes that take prefixes away from the peers that have them. They go over to a peer with whom nobody can speak, for no private key
// belongs to the key of zeros, and end with it: what is for them is dropped, and nothing else waits. To replace all that a peer is allowed is to leave it
// without for a moment, in the kernel as in this process.
func Withdraw(prefixes []netip.Prefix) []Change {
	if len(prefixes) == 0 {
		return nil
	}
	return []Change{{Peer: Peer{Allowed: prefixes}}, {Remove: true}}
}

// device is one of the two kinds.
type device interface {
	read() (Device, error)
	configure(private Key, port uint16, mark uint32) error
	setPeers([]Change) error
	close() error
}

// Conn is a door to the devices of one network namespace. It is safe for concurrent use. Close it after use.
type Conn struct {
	ns    *netns.NS
	links *netlink.Conn

	mu      sync.Mutex
	client  *wgctrl.Client // opened at the first use: the kernel has its family only then
	devices map[string]device
}

// Open opens a door to ns; nil means the namespace of the calling thread.
func Open(ns *netns.NS) (*Conn, error) {
	links, err := netlink.Open(ns)
	if err != nil {
		return nil, err
	}
	return &Conn{ns: ns, links: links, devices: map[string]device{}}, nil
}

// Close lets go of the devices. Those of this process stop carrying packets, the kernel's go on.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, d := range c.devices {
		errs = append(errs, d.close())
	}
	clear(c.devices)
	if c.client != nil {
		errs = append(errs, c.client.Close())
	}
	c.links.Close()
	return errors.Join(errs...)
}

// Kind is the netlink.Link.Kind of the kernel's devices, TunKind that of those of this process.
const (
	Kind    = "wireguard"
	TunKind = "tuntap"
)

// ErrNoTun says that the kernel has neither WireGuard nor what it takes to run it in a process.
var ErrNoTun = errors.New("this kernel has neither WireGuard (module wireguard, CONFIG_WIREGUARD) nor tun devices for running it in the agent (module tun); load one of them")

// Add makes a device, in the kernel if that has WireGuard, else in this process. It is down.
func (c *Conn) Add(spec netlink.LinkSpec) (netlink.Link, error) {
	link, err := c.links.AddWireGuard(spec)
	switch {
	case err == nil:
		_, err = c.Attach(link)
		return link, err
	case !errors.Is(err, errors.ErrUnsupported):
		return link, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, err := c.openTun(spec)
	if err != nil {
		return link, err
	}
	c.devices[spec.Name] = d
	return c.links.Link(spec.Name)
}

// Attach takes a device in hand that is there already; one that has been is left as it is. It tells whether the device has forgotten what it held,
// because the process is gone that ran it.
func (c *Conn) Attach(link netlink.Link) (forgotten bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.devices[link.Name] != nil {
		return false, nil
	}
	switch link.Kind {
	case Kind:
		if err := c.openClient(); err != nil {
			return false, err
		}
		c.devices[link.Name] = kernelDevice{link.Name, c.client}
		return false, nil
	case TunKind:
		d, err := c.openTun(netlink.LinkSpec{Name: link.Name, MTU: link.MTU, Group: link.Group})
		if err != nil {
			return false, err
		}
		c.devices[link.Name] = d
		return true, nil
	}
	return false, fmt.Errorf("link %s is a %s device, not WireGuard", link.Name, link.Kind)
}

// Userspace tells whether a device runs in this process.
func (c *Conn) Userspace(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, userspace := c.devices[name].(*tunDevice)
	return userspace
}

func (c *Conn) openClient() error {
	if c.client != nil {
		return nil
	}
	return c.enter(func() (err error) {
		c.client, err = wgctrl.New()
		if err != nil {
			err = fmt.Errorf("open WireGuard's netlink family: %w", err)
		}
		return err
	})
}

// enter runs f in the namespace.
func (c *Conn) enter(f func() error) error {
	if c.ns == nil {
		return f()
	}
	return c.ns.Do(f)
}

// Forget lets go of a device that is about to be deleted, or is gone.
func (c *Conn) Forget(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[name]
	delete(c.devices, name)
	if d == nil {
		return nil
	}
	return d.close()
}

// Read returns what a device holds.
func (c *Conn) Read(name string) (Device, error) {
	d, err := c.device(name)
	if err != nil {
		return Device{}, err
	}
	return d.read()
}

// Configure sets a device's private key and UDP port, and the mark of the packets that it sends; 0: none.
func (c *Conn) Configure(name string, private Key, port uint16, mark uint32) error {
	d, err := c.device(name)
	if err != nil {
		return err
	}
	return d.configure(private, port, mark)
}

// SetPeers changes peers.
func (c *Conn) SetPeers(name string, changes ...Change) error {
	d, err := c.device(name)
	if err != nil || len(changes) == 0 {
		return err
	}
	return d.setPeers(changes)
}

func (c *Conn) device(name string) (device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.devices[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("WireGuard device %s: %w", name, fs.ErrNotExist)
}
