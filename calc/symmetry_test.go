// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
)

// TestTwoNodesAgree: of random pairs of nodes each sends to the other in the form in which the other answers, whatever their addresses, the lengths of
// their subnets, the pools and the keys.
func TestTwoNodesAgree(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{}
	for i := range 2000 {
		objects, blocks := twoNodes(r)
		ways := [2]string{wayTo(objects, "n1", "n2", blocks[1]), wayTo(objects, "n2", "n1", blocks[0])}
		if ways[0] != ways[1] {
			t.Fatalf("seed %d, pair %d: n1 sends to n2 %s, n2 to n1 %s; objects %+v", seed, i, ways[0], ways[1], objects)
		}
		seen[ways[0]]++
	}
	for _, way := range []string{"as BGP says", "plainly", "by tunl0", "by vxlan.calico", "by vxlan-v6.calico", "by wireguard.cali", "by wg-v6.cali"} {
		if seen[way] == 0 {
			t.Errorf("no pair of 2000 sends %s: the test shows nothing of it; %v", way, seen)
		}
	}
}

// twoNodes are n1 and n2 with a block each, of a pool of one family.
func twoNodes(r *rand.Rand) (objects []api.Object, blocks [2]netip.Prefix) {
	modes := []v3.EncapMode{v3.EncapNever, v3.EncapCrossSubnet, v3.EncapAlways}
	six, encrypts := r.IntN(2) == 0, r.IntN(3) == 0
	pool := ct.Pool("p", map[bool]string{false: "10.65.0.0/16", true: "fd65::/64"}[six])
	if mode := modes[r.IntN(3)]; six || r.IntN(2) == 0 {
		pool.Spec.VXLANMode = mode
	} else {
		pool.Spec.IPIPMode = mode
	}
	felix := ct.FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.WireguardEnabled, s.WireguardEnabledV6 = &encrypts, &encrypts })
	objects = []api.Object{pool, felix}
	hosts := r.Perm(16)
	for i := range blocks {
		n := ct.Node(fmt.Sprint("n", i+1), nil,
			fmt.Sprintf("192.0.2.%d/%d", 16*(hosts[i]+1)-1-r.IntN(2), 22+r.IntN(8)), fmt.Sprintf("2001:db8::%x/%d", 16*(hosts[i]+1)-1-r.IntN(2), 118+r.IntN(8)))
		own := fmt.Sprintf("10.65.%d.", i)
		n.Spec.BGP.IPv4IPIPTunnelAddr, n.Spec.IPv4VXLANTunnelAddr, n.Spec.IPv6VXLANTunnelAddr = own+"1", own+"2", fmt.Sprintf("fd65::%d:2", i)
		if r.IntN(4) > 0 {
			n.Spec.Wireguard = &v3.NodeWireguard{InterfaceIPv4Address: own + "3", InterfaceIPv6Address: fmt.Sprintf("fd65::%d:3", i)}
			n.Status = &v3.NodeStatus{WireguardPublicKey: ct.PublicKey(i), WireguardPublicKeyV6: ct.PublicKey(2 + i)}
		}
		blocks[i] = netip.MustParsePrefix(own + "0/26")
		if six {
			blocks[i] = netip.MustParsePrefix(fmt.Sprintf("fd65::%d:0/122", i))
		}
		objects = append(objects, n, ct.Affinity(n.Name, blocks[i].String()))
	}
	return objects, blocks
}

// wayTo says how a node that has met its peers sends to a block of another.
func wayTo(objects []api.Object, node, other string, block netip.Prefix) string {
	g := calcFor(node, objects...)
	met := map[desired.TunnelPeerID]struct{}{}
	for p := range g.View().TunnelPeers() {
		met[p.ID] = struct{}{}
	}
	g.SetMet(met)
	g.Flush()
	for route := range g.View().Routes() {
		switch {
		case route.Dst != block:
		case route.Kind == desired.RouteNode:
			return "plainly"
		default:
			peers := slices.Collect(g.View().TunnelPeers())
			known := slices.ContainsFunc(peers, func(p desired.TunnelPeer) bool {
				return p.ID == desired.TunnelPeerID{Tunnel: route.Interface, Node: other}
			})
			if !known {
				return "by " + route.Interface + ", which does not know " + other
			}
			return "by " + route.Interface
		}
	}
	return "as BGP says"
}
