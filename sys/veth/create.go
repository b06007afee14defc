// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/sysctl"
)

// Interface is a workload's interface that has been created. Close it after use; that leaves the interface in place.
type Interface struct {
	spec   Spec
	links  *Links
	host   int                // index of the host side link
	inside int                // index of the workload's side
	conn   *netlink.RouteConn // to the workload's namespace
}

// Create makes an interface that lacks nothing but its addresses: both ends are up, with routes and neighbours, and packets pass. A left-over
// host side link of the same name and owner is replaced; one of another owner, or a taken name on the workload's side, is an error that
// Is fs.ErrExist. After an error call Delete: there may be half an interface.
func (l *Links) Create(s Spec) (*Interface, error) {
	link, err := l.make(s)
	if err != nil {
		return nil, fmt.Errorf("make veth %s with %s in %s: %w", s.HostName, s.IfName, s.NS.Path(), err)
	}
	if err := errors.Join(l.host.SetAlias(link.Index, s.Owner), tune(s.HostName), l.batch.Batch(netlink.LinkUp(link.Index))); err != nil {
		return nil, err
	}
	i := &Interface{spec: s, links: l, host: link.Index, inside: link.Peer}
	if err = i.furnish(); err == nil {
		err = i.awaitCarrier()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s in %s: %w", s.IfName, s.NS.Path(), err), i.Close())
	}
	return i, nil
}

// Close closes the socket in the workload's namespace.
func (i *Interface) Close() error {
	if i.conn == nil {
		return nil
	}
	return i.conn.Close()
}

// make makes the pair: the workload's end is born in its namespace. Both ends are down at first. A link that is up without a carrier when it is
// asked for makes the kernel wait until no CPU sends through it (dev_deactivate in net/sched/sch_generic.c), some milliseconds in which
// nobody else on the host can change a link.
func (l *Links) make(s Spec) (netlink.Link, error) {
	link, err := l.add(s)
	if !errors.Is(err, fs.ErrExist) {
		return link, err
	}
	if err := l.clear(s); err != nil {
		return netlink.Link{}, err
	}
	return l.add(s)
}

func (l *Links) add(s Spec) (netlink.Link, error) {
	return l.host.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: s.HostName, MAC: HostMAC, MTU: s.MTU, Group: own.LinkGroup},
		Peer:     netlink.LinkSpec{Name: s.IfName, MAC: s.MAC, MTU: s.MTU},
		PeerNS:   s.NS,
	})
}

// clear finds out which of the two names is taken and removes a left-over of the same owner.
func (l *Links) clear(s Spec) error {
	old, err := l.host.Link(s.HostName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("link %s in %s: %w", s.IfName, s.NS.Path(), fs.ErrExist)
	case err != nil:
		return err
	case !ours(old, s.Owner):
		return fmt.Errorf("link %s: %w: %s; delete it first", s.HostName, fs.ErrExist, describe(old))
	}
	return l.remove(old)
}

// hostSysctls are set on every host side link; those of a family that the kernel lacks are skipped. They are in force before the workload's
// end is set up, and so before the kernel gives the host side its IPv6 link-local address.
var hostSysctls = [][2]string{
	{"net/ipv4/conf/%s/route_localnet", "1"},
	{"net/ipv4/neigh/%s/proxy_delay", "0"},
	{"net/ipv4/conf/%s/proxy_arp", "1"},
	{"net/ipv4/conf/%s/forwarding", "1"},
	{"net/ipv6/conf/%s/disable_ipv6", "0"},
	{"net/ipv6/conf/%s/accept_dad", "0"},
	{"net/ipv6/conf/%s/accept_ra", "0"},
	{"net/ipv6/conf/%s/forwarding", "1"},
}

func tune(name string) error {
	for _, kv := range hostSysctls {
		if err := sysctl.Set(fmt.Sprintf(kv[0], name), kv[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
