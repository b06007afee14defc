// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// torConfig writes the configuration of BIRD 2 as the top-of-rack router: one passive eBGP listener for each subnet and family, which
// any node may call; it announces the network behind it, takes the nodes' blocks and puts them into its kernel table.
func torConfig(p plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "log stderr all;\nrouter id %s;\n\nprotocol device { }\n", routerID(p.subnets[0].gateways, hostRouter))
	for _, f := range familiesOf(p.external.gateways) {
		channel := channelOf(f)
		fmt.Fprintf(&b, "\nprotocol direct stub%d { %s; interface %q; }\n", f, channel, p.external.bridge)
		fmt.Fprintf(&b, "protocol kernel kernel%d { %s { import none; export where source = RTS_BGP; }; }\n", f, channel)
	}
	for _, s := range p.subnets {
		for i, gw := range s.gateways {
			f := familyOf(gw.Addr())
			fmt.Fprintf(&b, `
protocol bgp %s_v%d {
  local %s as %d;
  neighbor range %s as %d;
  dynamic name "%s_v%d_";
  passive on;
  hold time 30;
  error wait time 1, 4;
  %s {
    import where net !~ [ %s ];
    export where proto = "stub%d";
    next hop self;
  };
}
`, s.bridge, f, gw.Addr(), ToRAS, s.prefixes[i], NodeAS, s.bridge, f, channelOf(f), underlayPattern(p, f), f)
		}
	}
	return b.String()
}

// underlayPattern is the set of prefixes that no node may announce: the default route, the underlay and the network behind the router.
func underlayPattern(p plan, family int) string {
	set := map[int][]string{4: {"0.0.0.0/0"}, 6: {"::/0"}}[family]
	for _, s := range append(p.subnets, subnetPlan{prefixes: p.external.addrs}) {
		for _, prefix := range s.prefixes {
			if familyOf(prefix.Addr()) == family {
				set = append(set, prefix.Masked().String()+"+")
			}
		}
	}
	return strings.Join(set, ", ")
}

// reflectorConfig writes the configuration of GoBGP as an external route reflector: it waits to be called by the nodes, its clients, and
// keeps the routes of one that restarts (RFC 4724).
func reflectorConfig(p plan) string {
	id := routerID(p.reflector.addrs, hostReflector)
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", NodeAS, id)
	for _, n := range p.nodes {
		for _, addr := range n.addrs {
			fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = %q
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 120
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "%s-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`, addr.Addr(), NodeAS, id, channelOf(familyOf(addr.Addr())))
		}
	}
	return b.String()
}

// routerID is the first IPv4 address, or in an IPv6-only lab a made-up one: an ID is 32 bits in both families (RFC 6286).
func routerID(addrs []netip.Prefix, host byte) netip.Addr {
	for _, a := range addrs {
		if a.Addr().Is4() {
			return a.Addr()
		}
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, host})
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// channelOf is what both BGP programs call a family.
func channelOf(family int) string { return fmt.Sprintf("ipv%d", family) }

func familiesOf(addrs []netip.Prefix) []int {
	var out []int
	for _, a := range addrs {
		out = append(out, familyOf(a.Addr()))
	}
	return out
}
