// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// walk makes random steps on a rig. Destinations are few, so that computed, learned and foreign routes meet.
type walk struct {
	*rig
	rng *rand.Rand
}

var (
	walkDsts  = []string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.0/26", "10.0.1.0/26", "198.51.100.7/32"}
	walkLinks = []string{"cali1", "cali2", "eth0", "eth1"}
	walkHops  = []string{"192.0.2.2", "192.0.2.3", "198.51.100.7", "203.0.113.9"}
	walkAddrs = map[string]string{"eth0": "192.0.2.1/24", "eth1": "198.51.100.1/24"}
)

func pick[T any](w *walk, list []T) T { return list[w.rng.IntN(len(list))] }

func (w *walk) step() {
	dst, link := pick(w, walkDsts), pick(w, walkLinks)
	switch w.rng.IntN(12) {
	case 0:
		w.set(local(dst, pick(w, walkLinks[:2])))
	case 1:
		w.set(blackhole(dst))
	case 2, 3:
		prefix := netip.MustParsePrefix(dst)
		delete(w.want, prefix)
		w.apply(&desired.Delta{RoutesRemoved: []netip.Prefix{prefix}})
	case 4, 5:
		w.learnRandom(dst)
	case 6:
		w.fib.DeleteLink(link)
	case 7:
		w.addLink(link)
	case 8:
		w.fib.SetUp(link, w.rng.IntN(2) == 0)
	case 9:
		w.meddle(dst)
	case 10:
		w.underlay()
	case 11:
		if w.signalled() {
			w.apply(nil)
		}
	}
}

func (w *walk) addLink(name string) {
	w.fib.DeleteLink(name)
	if addr, ok := walkAddrs[name]; ok {
		w.fib.AddLink(name, netip.MustParsePrefix(addr))
	} else {
		w.fib.AddLink(name)
	}
}

func (w *walk) learnRandom(dst string) {
	hops := walkHops[:0:0]
	for _, h := range walkHops {
		if w.rng.IntN(3) == 0 {
			hops = append(hops, h)
		}
	}
	prefix := netip.MustParsePrefix(dst)
	delete(w.learned, prefix)
	for _, h := range hops {
		w.learned[prefix] = append(w.learned[prefix], netip.MustParseAddr(h))
	}
	w.learn(dst, true, hops...)
}

// meddle deletes a route of ours, or takes or frees its place.
func (w *walk) meddle(dst string) {
	r := netlink.Route{Dst: netip.MustParsePrefix(dst), Type: netlink.RouteBlackhole, Metric: routes.Metric(netip.MustParsePrefix(dst))}
	r.Protocol = pick(w, []uint8{own.RouteProtocol, own.RouteProtocolBGP, 4})
	w.fib.Meddle(netlink.RouteChange{Op: pick(w, []netlink.RouteOp{netlink.RouteDelete, netlink.RouteDelete, netlink.RouteAdd}), Route: r})
	// Whoever takes our place leaves it again: the oracle does not know foreign routes.
	r.Protocol = 4
	w.fib.Meddle(netlink.RouteChange{Op: netlink.RouteDelete, Route: r})
}

// underlay moves the static route to the far next hop.
func (w *walk) underlay() {
	state, err := w.fib.LinkStates([]string{"eth0"})
	check(w.t, err)
	w.fib.Meddle(netlink.RouteChange{Op: pick(w, []netlink.RouteOp{netlink.RouteReplace, netlink.RouteDelete}), Route: netlink.Route{
		Dst: netip.MustParsePrefix("203.0.113.0/24"), Type: netlink.RouteUnicast, Protocol: 4,
		NextHops: []netlink.NextHop{{Gateway: netip.MustParseAddr(pick(w, []string{"192.0.2.253", "192.0.2.254"})), Link: state["eth0"].Index}},
	}})
}

// oracle says from scratch what the kernel ought to hold.
func (w *walk) oracle() []string {
	states, err := w.fib.LinkStates(walkLinks)
	check(w.t, err)
	table, err := w.fib.List(0)
	check(w.t, err)
	var out []string
	for dst, r := range w.want {
		link, ok := states[r.Interface]
		switch {
		case r.Kind == desired.RouteBlackhole:
			out = append(out, fmt.Sprintf("blackhole %s proto 119", dst))
		case ok && link.Up:
			out = append(out, fmt.Sprintf("%s link %d proto 119", dst, link.Index))
		}
	}
	for dst, addrs := range w.learned {
		if _, hidden := w.want[dst]; hidden {
			continue
		}
		ways := map[netlink.NextHop]bool{}
		for _, addr := range addrs {
			for _, hop := range slowLookup(table, addr) {
				ways[hop] = true
			}
		}
		if len(ways) > 0 {
			out = append(out, dst.String()+render(ways)+" proto 120")
		}
	}
	return out
}

func render(ways map[netlink.NextHop]bool) string {
	var b strings.Builder
	for _, hop := range slices.SortedFunc(maps.Keys(ways), netlink.NextHop.Compare) {
		fmt.Fprintf(&b, " via %s link %d", hop.Gateway, hop.Link)
	}
	return b.String()
}

// slowLookup tries every prefix length from the longest on.
func slowLookup(table []netlink.Route, addr netip.Addr) []netlink.NextHop {
	for bits := addr.BitLen(); bits >= 0; bits-- {
		for _, r := range table {
			if r.Protocol == own.RouteProtocolBGP || r.Dst.Bits() != bits || !r.Dst.Contains(addr) {
				continue
			}
			hops := slices.Clone(r.NextHops)
			for i := range hops {
				if !hops[i].Gateway.IsValid() {
					hops[i].Gateway = addr
				}
			}
			return hops
		}
	}
	return nil
}
