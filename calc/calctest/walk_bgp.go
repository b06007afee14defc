// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

func (w walk) node() api.Object {
	n := Node(pick(w, Me, "n2", "n3"), Labels{"rack": pick(w, "x", "y")}, "", "")
	if w.chance(80) {
		n.Spec.BGP.IPv4Address = fmt.Sprintf("192.0.2.%d/24", pick(w, 9, 10, 11))
	}
	if w.chance(50) {
		n.Spec.BGP.IPv6Address = fmt.Sprintf("2001:db8::%d/64", w.IntN(4))
	}
	if w.chance(20) {
		n.Spec.BGP.RouteReflectorClusterID = pick(w, "224.0.0.1", "224.0.0.2")
	}
	if w.chance(10) {
		n.Labels[corev1.LabelNodeExcludeBalancers] = ""
	}
	if w.chance(20) {
		n.Spec.BGP.ASNumber = as(65001)
	}
	if w.chance(60) {
		n.Spec.BGP.IPv4IPIPTunnelAddr = fmt.Sprintf("10.65.0.%d", pick(w, 20, 40, 41))
	}
	if w.chance(5) {
		n.Spec.BGP = nil
	}
	if w.chance(70) {
		n.Spec.IPv4VXLANTunnelAddr = fmt.Sprintf("10.65.0.%d", pick(w, 20, 21, 22))
	}
	if w.chance(50) {
		n.Spec.IPv6VXLANTunnelAddr = fmt.Sprintf("fd00:65::%d", pick(w, 20, 21))
	}
	if w.chance(20) {
		n.Spec.VXLANTunnelMACAddr = fmt.Sprintf("66:00:00:00:00:%02x", w.IntN(2))
	}
	w.encrypted(n)
	return n
}

// encrypted gives a node addresses and keys of WireGuard, seldom one that is no key.
func (w walk) encrypted(n *v3.Node) {
	if w.chance(70) {
		n.Spec.Wireguard = &v3.NodeWireguard{InterfaceIPv4Address: fmt.Sprintf("10.65.0.%d", pick(w, 60, 61, 20))}
	}
	if w.chance(50) {
		n.Spec.Wireguard = &v3.NodeWireguard{InterfaceIPv4Address: "10.65.0.60", InterfaceIPv6Address: fmt.Sprintf("fd00:65::%d", pick(w, 60, 61, 20))}
	}
	if w.chance(70) {
		n.Status = &v3.NodeStatus{WireguardPublicKey: PublicKey(w.IntN(3)), WireguardPublicKeyV6: PublicKey(3 + w.IntN(3))}
	}
	if w.chance(3) {
		n.Status = &v3.NodeStatus{WireguardPublicKey: pick(w, "rot13", "AAAA")}
	}
}

// PublicKey is some key of WireGuard.
func PublicKey(n int) string { return desired.Key{0: 1, 1: byte(n)}.String() }

func (w walk) tunnels() *desired.TunnelAddrs {
	var out desired.TunnelAddrs
	out[desired.VXLAN4] = pick(w, netip.Addr{}, netip.MustParseAddr("10.65.0.20"), netip.MustParseAddr("10.65.0.30"))
	out[desired.IPIP] = pick(w, netip.Addr{}, netip.MustParseAddr("10.65.0.50"))
	out[desired.WireGuard4] = pick(w, netip.Addr{}, netip.MustParseAddr("10.65.0.51"))
	out[desired.WireGuard6] = pick(w, netip.Addr{}, netip.MustParseAddr("fd00:65::51"))
	out[desired.VXLAN6] = pick(w, netip.Addr{}, netip.MustParseAddr("fd00:65::30"))
	return &out
}

func (w walk) bgpConfig() api.Object {
	return BGPConfig(pick(w, "default", "default", "node."+Me, "node.n2"), func(s *v3.BGPConfigurationSpec) {
		mesh, port := w.chance(70), 1790
		s.NodeToNodeMeshEnabled = pick(w, nil, &mesh)
		s.ListenPort = pick(w, nil, &port)
		s.ASNumber = pick(w, nil, as(65001))
		s.BindMode = pick(w, "", "None", "NodeIP")
		if w.chance(50) {
			s.ServiceClusterIPs = pick(w, nil, CIDRs("10.96.0.0/16", "fd00:96::/112"))
			s.ServiceExternalIPs = pick(w, nil, CIDRs("192.0.2.0/24"))
			s.ServiceLoadBalancerIPs = pick(w, nil, CIDRs("203.0.113.0/28"), CIDRs("203.0.113.1/32", "2001:db8:9::/64"))
			s.ServiceLoadBalancerAggregation = pick(w, "", "Enabled", "Disabled")
		}
	})
}

func (w walk) bgpPeer() api.Object {
	return BGPPeer(pick(w, "a", "b", "c"), func(s *v3.BGPPeerSpec) {
		nodes := func() string { return pick(w, "all()", "rack == 'x'", "rack != 'x'", "rack =") }
		switch w.IntN(3) {
		case 0:
			s.Node = pick(w, Me, "n2")
		case 1:
			s.NodeSelector = nodes()
		}
		if w.chance(50) {
			s.PeerSelector = nodes()
		} else {
			s.PeerIP, s.ASNumber = pick(w, "192.0.2.9", "192.0.2.254:1179", "2001:db8::1"), as(pick[uint32](w, 64512, 65001))
		}
		yes := true
		s.KeepOriginalNextHop = pick(w, nil, &yes)
		s.ReversePeering = pick(w, "", "Auto", "Manual")
		s.SourceAddress = pick(w, "", "UseNodeIP", "None")
		s.LocalASNumber = pick(w, nil, nil, as(65002))
	})
}

func (w walk) affinity() api.Object {
	a := Affinity(pick(w, Me, Me, "n2", "n3"), pick(w, "10.65.0.0/30", "10.65.1.0/30", "10.65.0.2/32", "fd00:65::/126"))
	a.Spec.State = pick(w, "confirmed", "confirmed", "pending", "pendingDeletion")
	return a
}

func (w walk) pool() api.Object {
	p := Pool(pick(w, "p", "q"), pick(w, "10.65.0.0/24", "10.65.1.0/24", "fd00:65::/112"))
	hidden := w.chance(50)
	p.Spec.DisableBGPExport = pick(w, nil, &hidden)
	p.Spec.VXLANMode = pick(w, "", v3.EncapNever, v3.EncapAlways, v3.EncapAlways, v3.EncapCrossSubnet)
	if w.chance(40) {
		p.Spec.VXLANMode, p.Spec.IPIPMode = "", pick(w, v3.EncapNever, v3.EncapAlways, v3.EncapAlways, v3.EncapCrossSubnet)
	}
	size := p.Spec.BlockSize
	if small := map[string]int{"10.65.0.0/24": 30, "10.65.1.0/24": 30, "fd00:65::/112": 126}[p.Spec.CIDR]; w.chance(80) {
		size = &small
	}
	p.Spec.BlockSize = size
	nat := w.chance(70)
	p.Spec.NATOutgoing = pick(w, nil, &nat)
	return p
}
