// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// encryptionStates are of three nodes with WireGuard, of which n2 has been met and n3 has not.
func encryptionStates() []State {
	keyed := func(edit func(me, n2, n3 *v3.Node)) []api.Object {
		all := nodes()
		for i, o := range all {
			n := o.(*v3.Node)
			n.Spec.Wireguard = &v3.NodeWireguard{InterfaceIPv4Address: []string{"10.65.0.60", "10.65.1.60", "10.65.2.60"}[i]}
			n.Spec.IPv4VXLANTunnelAddr = []string{"10.65.0.61", "10.65.1.61", "10.65.2.61"}[i]
			n.Status = &v3.NodeStatus{WireguardPublicKey: PublicKey(i)}
			if n.Spec.BGP.IPv6Address != "" {
				n.Spec.Wireguard.InterfaceIPv6Address = []string{"fd00:65::60", "fd00:65::1:3c", "fd00:65::2:3c"}[i]
				n.Status.WireguardPublicKeyV6 = PublicKey(3 + i)
			}
		}
		edit(all[0].(*v3.Node), all[1].(*v3.Node), all[2].(*v3.Node))
		return all
	}
	nodes := keyed(func(_, _, _ *v3.Node) {})
	blocks := []api.Object{
		Affinity(Me, "10.65.0.0/26"), Affinity("n2", "10.65.1.0/26"), Affinity("n3", "10.65.2.0/26"), Affinity("n2", "fd00:65::1:0/122"), Affinity("n3", "fd00:65::2:0/122"),
		Endpoint("prod/own", Me, nil, "10.65.0.1"), Endpoint("prod/borrows-mine", "n2", nil, "10.65.0.2"), Endpoint("prod/borrows-n3s", "n2", nil, "10.65.2.2"),
		Endpoint("prod/plain", "n3", nil, "10.65.2.1", "fd00:65::2:1"),
	}
	pools := []api.Object{Pool("p", "10.65.0.0/16"), Pool("q", "fd00:65::/64")}
	vxlan := Pool("p", "10.65.0.0/16")
	vxlan.Spec.VXLANMode = v3.EncapAlways
	yes, port, mtu := true, 51999, 1400
	both := func(s *v3.FelixConfigurationSpec) { s.WireguardEnabled, s.WireguardEnabledV6 = &yes, &yes }
	felix := func(edits ...func(*v3.FelixConfigurationSpec)) []api.Object {
		return []api.Object{FelixConfig("default", func(s *v3.FelixConfigurationSpec) {
			for _, edit := range edits {
				edit(s)
			}
		})}
	}
	return []State{
		state("off", nodes, blocks, pools),
		state("on", nodes, blocks, pools, felix(both)),
		state("IPv4 alone", nodes, blocks, pools, felix(func(s *v3.FelixConfigurationSpec) { s.WireguardEnabled = &yes })),
		state("in front of VXLAN", nodes, blocks, []api.Object{vxlan}, felix(both)),
		state("without pools", nodes, blocks, felix(both)),
		state("other settings", nodes, blocks, pools, felix(both, func(s *v3.FelixConfigurationSpec) {
			s.WireguardListeningPort, s.WireguardMTUV6, s.WireguardKeepAlive = &port, &mtu, &metav1.Duration{Duration: 25 * time.Second}
			s.WireguardInterfaceName = new("wg0")
		})),
		state("other settings, of the other family each", nodes, blocks, pools, felix(both, func(s *v3.FelixConfigurationSpec) {
			s.WireguardListeningPortV6, s.WireguardMTU, s.WireguardInterfaceNameV6 = &port, &mtu, new("wg1")
		})),
		state("hosts, too", nodes, blocks, pools, felix(both, func(s *v3.FelixConfigurationSpec) {
			s.WireguardHostEncryptionEnabled, s.WireguardThreadingEnabled = &yes, &yes
		})),
		state("hosts, with other settings", nodes, blocks, pools, felix(both, func(s *v3.FelixConfigurationSpec) {
			s.WireguardHostEncryptionEnabled, s.WireguardRoutingRulePriority, s.RouteTableRanges = &yes, new(50), []v3.RouteTableRange{{Min: 300, Max: 310}}
		}), []api.Object{FelixConfig("node."+Me, func(s *v3.FelixConfigurationSpec) { s.WireguardRoutingRulePriority = new(51) })}),
		state("two share an address of their own", keyed(func(_, n2, n3 *v3.Node) { n3.Spec.BGP.IPv4Address = n2.Spec.BGP.IPv4Address }), blocks, pools, felix(both)),
		state("a peer's own address is another's workload", keyed(func(_, n2, _ *v3.Node) { n2.Spec.BGP.IPv4Address = "10.65.2.1/16" }), blocks, pools, felix(both)),
		state("a peer has no key", keyed(func(_, n2, _ *v3.Node) { n2.Status = nil }), blocks, pools, felix(both)),
		state("a peer has another key", keyed(func(_, n2, _ *v3.Node) { n2.Status.WireguardPublicKey = PublicKey(9) }), blocks, pools, felix(both)),
		state("a peer's key is none", keyed(func(_, n2, _ *v3.Node) { n2.Status.WireguardPublicKey = "hunter2" }), blocks, pools, felix(both)),
		state("two share a key", keyed(func(_, n2, n3 *v3.Node) { n3.Status = n2.Status }), blocks, pools, felix(both)),
		state("this node has no address", keyed(func(me, _, _ *v3.Node) { me.Spec.Wireguard = nil }), blocks, pools, felix(both)),
		state("a peer's address is another's workload", keyed(func(_, n2, _ *v3.Node) { n2.Spec.Wireguard.InterfaceIPv4Address = "10.65.2.1" }), blocks, pools, felix(both)),
	}
}
