// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/routing/mtu"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/pathmtu"
)

// pathKernel is what the sizes of packets are found by.
type pathKernel interface {
	// Links lists the host's links, without those of workloads.
	Links() ([]mtu.Link, error)
	// Towards tells the name of the link that leads to each address, "" for none.
	Towards(addrs []netip.Addr) ([]string, error)
	// Answer lets other nodes measure the path to an address of this one; allow says which.
	Answer(addr netip.Addr, allow func(netip.Addr) bool) (stop func() error, err error)
	// Measure measures the path from an address of this node to another node's, up to a size.
	Measure(ctx context.Context, from, to netip.Addr, most int) (pathmtu.Result, error)
}

// kernelPaths is the real one.
type kernelPaths struct{}

// Links implements pathKernel.
func (kernelPaths) Links() ([]mtu.Link, error) {
	conn, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := conn.Addrs(0)
	if err != nil {
		return nil, err
	}
	var out []mtu.Link
	for _, l := range links {
		link := mtu.Link{Name: l.Name, MTU: l.MTU}
		for _, a := range addrs {
			if a.Link == l.Index {
				link.Addrs = append(link.Addrs, a.Prefix.Addr())
			}
		}
		if l.Up {
			out = append(out, link)
		}
	}
	return out, nil
}

// Towards implements pathKernel.
func (kernelPaths) Towards(addrs []netip.Addr) (names []string, err error) {
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	found, err := conn.Lookup(addrs)
	if err != nil {
		return nil, err
	}
	links, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer links.Close()
	all, err := links.Links()
	names = make([]string, len(addrs))
	for i, f := range found {
		if len(f.Route.NextHops) == 0 {
			continue
		}
		if at := slices.IndexFunc(all, func(l netlink.Link) bool { return l.Index == f.Route.NextHops[0].Link }); at >= 0 {
			names[i] = all[at].Name
		}
	}
	return names, err
}

// Answer implements pathKernel.
func (kernelPaths) Answer(addr netip.Addr, allow func(netip.Addr) bool) (func() error, error) {
	s, err := pathmtu.Listen(addr, allow)
	if err != nil {
		return nil, err
	}
	return s.Close, nil
}

// Measure implements pathKernel.
func (kernelPaths) Measure(ctx context.Context, from, to netip.Addr, most int) (pathmtu.Result, error) {
	return pathmtu.Measure(ctx, from, to, most)
}

// path is a way to another node.
type path struct {
	node   string
	tunnel string     // name of the device; "": plainly
	layer  mtu.Encap  // of the tunnel
	via    netip.Addr // as routes name it
	remote netip.Addr // the other node's address
	link   string     // that leads there, "" for none
	size   mtu.Size
	most   int // what the device, or the link, takes
}

// sort orders paths for people.
func sortPaths(list []path) {
	slices.SortFunc(list, func(a, b path) int {
		return cmp.Or(cmp.Compare(a.node, b.node), a.remote.Compare(b.remote), cmp.Compare(a.tunnel, b.tunnel))
	})
}
