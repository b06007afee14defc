// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

func contentionStates() []State {
	ns := []api.Object{Namespace("prod", nil), ServiceAccount("prod/default", nil), Affinity(Me, "10.65.0.0/26")}
	on := func(name, link string, addrs ...string) []api.Object {
		w := Endpoint(name, Me, nil, addrs...)
		w.Spec.InterfaceName = link
		return []api.Object{w}
	}
	first := on("prod/a", "cali1", "10.65.0.1")
	return []State{
		state("one", ns, first),
		state("same interface", ns, first, on("prod/b", "cali1", "10.65.0.2")),
		state("same address", ns, first, on("prod/c", "cali2", "10.65.0.1", "10.65.9.9")),
		state("both", ns, first, on("prod/b", "cali1", "10.65.0.1"), on("prod/c", "cali2", "10.65.0.1")),
		state("no interface", ns, first, on("prod/d", "", "10.65.0.4")),
	}
}

func blockStates() []State {
	me := []api.Object{Node(Me, nil, "192.0.2.1/24", "2001:db8::1/64")}
	pods := []api.Object{Endpoint("prod/a", Me, nil, "10.65.0.1", "fd00:65::1"), Endpoint("prod/b", Me, nil, "10.65.7.7")}
	changed := func(edit func(*v3.BlockAffinitySpec)) []api.Object {
		a := Affinity(Me, "10.65.0.0/26")
		edit(&a.Spec)
		return []api.Object{a}
	}
	hidden := Pool("hidden", "10.66.0.0/16")
	yes := true
	hidden.Spec.DisableBGPExport = &yes
	return []State{
		state("no block", me, pods),
		state("blocks", me, pods, []api.Object{Affinity(Me, "10.65.0.0/26"), Affinity(Me, "fd00:65::/122"), Affinity("n2", "10.65.7.0/26")}),
		state("one block claimed twice, one of one address", me, pods, []api.Object{
			Affinity(Me, "10.65.0.0/26"), &v3.BlockAffinity{ObjectMeta: meta("other", nil), Spec: Affinity(Me, "10.65.0.0/26").Spec}, Affinity(Me, "10.65.7.7/32"), Affinity(Me, "10.65.8.8/32"),
		}),
		state("pending", me, pods, changed(func(s *v3.BlockAffinitySpec) { s.State = "pending" })),
		state("deleted", me, pods, changed(func(s *v3.BlockAffinitySpec) { s.Deleted = true })),
		state("virtual", me, pods, changed(func(s *v3.BlockAffinitySpec) { s.Type = "virtual" })),
		state("pools", me, pods, []api.Object{Pool("p", "10.65.0.0/16"), hidden}),
		state("a block and a borrowed address of a pool that is not exported", me, pods, []api.Object{
			hidden, Affinity(Me, "10.66.0.0/26"), Affinity(Me, "10.65.0.0/26"), Endpoint("prod/c", Me, nil, "10.66.9.9"),
		}),
		state("no BGP", pods, changed(func(*v3.BlockAffinitySpec) {})),
	}
}

// nodes are this node and two more, one of them on IPv4 only.
func nodes() []api.Object {
	return []api.Object{
		Node(Me, Labels{"rack": "a"}, "192.0.2.10/24", "2001:db8::1/64"),
		Node("n2", Labels{"rack": "a"}, "192.0.2.9/24", "2001:db8::2/64"),
		Node("n3", Labels{"rack": "b"}, "198.51.100.1/24", ""),
	}
}

func meshStates() []State {
	all := nodes()
	config := func(edit func(*v3.BGPConfigurationSpec)) []api.Object {
		return []api.Object{BGPConfig("default", edit)}
	}
	no, port := false, 1790
	own := Node("n2", nil, "192.0.2.9/24", "2001:db8::2/64")
	own.Spec.BGP.ASNumber = as(65001)
	return []State{
		state("mesh", all),
		state("off", all, config(func(s *v3.BGPConfigurationSpec) { s.NodeToNodeMeshEnabled = &no })),
		state("settings", all, config(func(s *v3.BGPConfigurationSpec) {
			s.ASNumber, s.ListenPort, s.BindMode, s.NodeMeshMaxRestartTime = as(64999), &port, "NodeIP", &metav1.Duration{Duration: 90 * time.Second}
		})),
		state("one listens elsewhere, one has its own AS", all[:1], all[2:], []api.Object{own, BGPConfig("node.n3", func(s *v3.BGPConfigurationSpec) { s.ListenPort = &port })}),
		state("password", all, config(func(s *v3.BGPConfigurationSpec) {
			s.NodeMeshPassword = &v3.BGPPassword{SecretKeyRef: &corev1.SecretKeySelector{Key: "k", LocalObjectReference: corev1.LocalObjectReference{Name: "s"}}}
		})),
		state("two with my address", all, []api.Object{Node("n4", nil, "192.0.2.10/24", ""), Node("n5", nil, "198.51.100.1/24", "")}),
		state("IPv6 only", []api.Object{Node(Me, nil, "", "2001:db8::1/64")}, all[1:]),
		state("not me", all[1:]),
		state("I take no part", []api.Object{&v3.Node{ObjectMeta: meta(Me, nil)}}, all[1:]),
	}
}

func peerStates() []State {
	all := nodes()
	tor := func(name string, edit func(*v3.BGPPeerSpec)) []api.Object {
		return []api.Object{BGPPeer(name, func(s *v3.BGPPeerSpec) {
			s.PeerIP, s.ASNumber = "192.0.2.254", as(65100)
			edit(s)
		})}
	}
	yes, ttl, allow := true, uint8(2), int32(1)
	return []State{
		state("global", all, tor("tor", func(*v3.BGPPeerSpec) {})),
		state("by node", all, tor("tor", func(s *v3.BGPPeerSpec) { s.Node = Me })),
		state("another node's", all, tor("tor", func(s *v3.BGPPeerSpec) { s.Node = "n2" })),
		state("by rack, with port", all, tor("tor", func(s *v3.BGPPeerSpec) { s.NodeSelector, s.PeerIP = "rack == 'a'", "[2001:db8::fe]:1179" })),
		state("settings", all, tor("tor", func(s *v3.BGPPeerSpec) {
			s.KeepOriginalNextHop, s.SourceAddress, s.TTLSecurity, s.NumAllowedLocalASNumbers, s.LocalASNumber = &yes, "None", &ttl, &allow, as(65200)
			s.MaxRestartTime, s.KeepaliveTime = &metav1.Duration{Duration: 1500 * time.Millisecond}, &metav1.Duration{Duration: 5 * time.Second}
		})),
		state("twice", all, tor("a", func(s *v3.BGPPeerSpec) { s.NextHopMode = "Self" }), tor("b", func(s *v3.BGPPeerSpec) { s.Node = Me })),
		state("a node of the mesh", all, tor("n2", func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber = "192.0.2.9", as(64512) })),
		state("password", all, tor("tor", func(s *v3.BGPPeerSpec) {
			s.Password = &v3.BGPPassword{SecretKeyRef: &corev1.SecretKeySelector{Key: "k", LocalObjectReference: corev1.LocalObjectReference{Name: "s"}}}
		})),
	}
}

func reflectorStates() []State {
	all := nodes()
	reflector := func(name, v4, id string) *v3.Node {
		n := Node(name, Labels{"rr": "yes"}, v4, "")
		n.Spec.BGP.RouteReflectorClusterID = id
		return n
	}
	clients := func(edit func(*v3.BGPPeerSpec)) []api.Object {
		return []api.Object{BGPPeer("to-rr", func(s *v3.BGPPeerSpec) {
			s.NodeSelector, s.PeerSelector = "!has(rr)", "rr == 'yes'"
			edit(s)
		})}
	}
	between := []api.Object{BGPPeer("between", func(s *v3.BGPPeerSpec) { s.NodeSelector, s.PeerSelector = "has(rr)", "has(rr)" })}
	rr := []api.Object{reflector("r1", "192.0.2.101/24", "224.0.0.1"), reflector("r2", "192.0.2.102/24", "224.0.0.1")}
	meRR := []api.Object{reflector(Me, "192.0.2.10/24", "224.0.0.1")}
	return []State{
		state("client", all, rr, clients(func(*v3.BGPPeerSpec) {}), between),
		state("manual", all, rr, clients(func(s *v3.BGPPeerSpec) { s.ReversePeering = "Manual" })),
		state("reflector", meRR, all[1:], rr, clients(func(*v3.BGPPeerSpec) {}), between),
		state("reflector, manual", meRR, all[1:], rr, clients(func(s *v3.BGPPeerSpec) { s.ReversePeering = "Manual" })),
		state("reflector of another cluster", []api.Object{reflector(Me, "192.0.2.10/24", "224.0.0.2")}, all[1:], rr, between),
		state("everybody to reflectors", meRR, all[1:], rr, []api.Object{BGPPeer("all", func(s *v3.BGPPeerSpec) { s.PeerSelector = "has(rr)" })}),
		state("reflector with plain peer", meRR, all[1:], []api.Object{BGPPeer("ext", func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber = "192.0.2.9", as(64512) })}),
	}
}

func badStates() []State {
	base := cluster()
	good := protectDB(func(*v3.NetworkPolicySpec) {})
	bad := Endpoint("prod/web", "n2", Labels{"app": "web"})
	bad.Spec.IPNetworks = []string{"10.65.1.0/24"}
	return []State{
		state("good", base, good),
		state("selector with a typo", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Selector = "app = 'db'" })),
		state("bad rule", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Ingress[0].Action = "Permit" })),
		state("bad endpoint", base[:3], []api.Object{bad}, good),
		state("good again", base, good),
		state("AS number 0", base, []api.Object{BGPConfig("default", func(s *v3.BGPConfigurationSpec) { s.ASNumber = as(0) }), nodes()[0]}),
	}
}

func overlayStates() []State {
	tunnels := func() []api.Object {
		all := nodes()
		for i, o := range all {
			n := o.(*v3.Node)
			n.Spec.BGP.IPv4IPIPTunnelAddr = []string{"10.65.100.11", "10.65.100.12", "10.65.100.13"}[i]
			n.Spec.IPv4VXLANTunnelAddr = []string{"10.65.100.1", "10.65.100.2", "10.65.100.3"}[i]
			if n.Spec.BGP.IPv6Address != "" {
				n.Spec.IPv6VXLANTunnelAddr = []string{"fd00:65::100:1", "fd00:65::100:2", ""}[i]
			}
		}
		return all
	}
	edited := func(edit func(me, n2, n3 *v3.NodeSpec)) []api.Object {
		all := tunnels()
		edit(&all[0].(*v3.Node).Spec, &all[1].(*v3.Node).Spec, &all[2].(*v3.Node).Spec)
		return all
	}
	pool := func(name, cidr string, mode v3.EncapMode) api.Object {
		p := Pool(name, cidr)
		p.Spec.VXLANMode = mode
		return p
	}
	blocks := []api.Object{
		Affinity(Me, "10.65.0.0/26"), Affinity("n2", "10.65.1.0/26"), Affinity("n3", "10.65.2.0/26"), Affinity("n2", "fd00:65::1:0/122"), Affinity("n3", "fd00:65::2:0/122"),
		Endpoint("prod/own", Me, nil, "10.65.0.1"), Endpoint("prod/borrows-mine", "n2", nil, "10.65.0.2"), Endpoint("prod/borrows-n3s", "n2", nil, "10.65.2.2"),
		Endpoint("prod/plain", "n3", nil, "10.65.2.1", "fd00:65::2:1"),
	}
	ipip := func(name, cidr string, mode v3.EncapMode) api.Object {
		p := Pool(name, cidr)
		p.Spec.IPIPMode = mode
		return p
	}
	v4, v6 := pool("p", "10.65.0.0/16", v3.EncapAlways), pool("q", "fd00:65::/64", v3.EncapAlways)
	off, vni, port, mtu := false, 7, 8472, 1400
	floating := func(name, node string, external ...string) api.Object {
		internal := map[string]string{"n2": "10.65.1.7", "n3": "10.65.2.7"}[node]
		e := Endpoint(name, node, nil, internal)
		for _, addr := range external {
			e.Spec.IPNATs = append(e.Spec.IPNATs, v3.IPNAT{InternalIP: internal, ExternalIP: addr})
		}
		return e
	}
	floats := []api.Object{floating("prod/f2", "n2", "10.65.200.2", "10.65.0.9", "10.65.1.9", "198.51.100.2"), floating("prod/f3", "n3", "10.65.200.2", "10.65.2.1")}
	on := FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.FloatingIPs = new("Enabled") })
	notOn := func(node string) api.Object {
		return FelixConfig("node."+node, func(s *v3.FelixConfigurationSpec) { s.FloatingIPs = new("Disabled") })
	}
	return []State{
		state("never", tunnels(), blocks, []api.Object{pool("p", "10.65.0.0/16", v3.EncapNever)}),
		state("always", tunnels(), blocks, []api.Object{v4, v6}),
		state("across subnets", tunnels(), blocks, []api.Object{pool("p", "10.65.0.0/16", v3.EncapCrossSubnet), pool("q", "fd00:65::/64", v3.EncapCrossSubnet)}),
		state("IP-in-IP", tunnels(), blocks, []api.Object{ipip("p", "10.65.0.0/16", v3.EncapAlways), v6}),
		state("IP-in-IP across subnets", tunnels(), blocks, []api.Object{ipip("p", "10.65.0.0/16", v3.EncapCrossSubnet)}),
		state("IP-in-IP switched off", tunnels(), blocks, []api.Object{ipip("p", "10.65.0.0/16", v3.EncapAlways),
			FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.IPIPEnabled = &off })}),
		state("both", tunnels(), blocks, []api.Object{pool("p", "10.65.0.0/24", v3.EncapAlways), ipip("r", "10.65.1.0/24", v3.EncapAlways),
			FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.IPIPMTU = &mtu })}),
		state("a later pool overlaps", tunnels(), blocks, []api.Object{v4, pool("r", "10.65.1.0/24", v3.EncapNever)}),
		state("switched off", tunnels(), blocks, []api.Object{v4, FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.VXLANEnabled = &off })}),
		state("settings", tunnels(), blocks, []api.Object{v4, FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.VXLANVNI, s.VXLANPort = &vni, &port }),
			FelixConfig("node."+Me, func(s *v3.FelixConfigurationSpec) { s.VXLANMTU = &mtu })}),
		state("this node has no tunnel address", edited(func(me, _, _ *v3.NodeSpec) { me.IPv4VXLANTunnelAddr = "" }), blocks, []api.Object{v4, v6}),
		state("another has none", edited(func(_, n2, _ *v3.NodeSpec) { n2.IPv4VXLANTunnelAddr = "" }), blocks, []api.Object{v4, v6}),
		state("two share an address", edited(func(_, n2, n3 *v3.NodeSpec) { n3.IPv4VXLANTunnelAddr = n2.IPv4VXLANTunnelAddr }), blocks, []api.Object{v4}),
		state("two share a MAC address", edited(func(_, n2, n3 *v3.NodeSpec) {
			n2.VXLANTunnelMACAddr, n3.VXLANTunnelMACAddr = "66:01:01:01:01:01", "66:01:01:01:01:01"
		}), blocks, []api.Object{v4}),
		state("subnets of two lengths", edited(func(_, n2, _ *v3.NodeSpec) { n2.BGP.IPv4Address = "192.0.2.9/30" }), blocks, []api.Object{pool("p", "10.65.0.0/16", v3.EncapCrossSubnet)}),
		state("floating addresses", tunnels(), blocks, floats, []api.Object{v4, on}),
		state("floating addresses but on one node", tunnels(), blocks, floats, []api.Object{v4, on, notOn("n3")}),
		state("floating addresses across subnets", tunnels(), blocks, floats, []api.Object{pool("p", "10.65.0.0/16", v3.EncapCrossSubnet), on}),
		state("floating addresses but on this node", tunnels(), blocks, floats, []api.Object{v4, on, notOn(Me)}),
		state("a node without address", edited(func(_, n2, _ *v3.NodeSpec) { n2.BGP = nil }), blocks, []api.Object{v4}),
	}
}

// advertStates are about what is announced of services.
func advertStates() []State {
	me := []api.Object{Node(Me, nil, "192.0.2.1/24", "2001:db8::1/64"), Affinity(Me, "10.65.0.0/26")}
	ranges := func(edit func(*v3.BGPConfigurationSpec)) []api.Object {
		return []api.Object{BGPConfig("default", func(s *v3.BGPConfigurationSpec) {
			s.ServiceClusterIPs, s.ServiceExternalIPs, s.ServiceLoadBalancerIPs = CIDRs("10.96.0.0/16", "fd00:96::/112"), CIDRs("198.51.100.0/24"), CIDRs("203.0.113.0/24")
			edit(s)
		})}
	}
	all := ranges(func(*v3.BGPConfigurationSpec) {})
	single := ranges(func(s *v3.BGPConfigurationSpec) { s.ServiceLoadBalancerAggregation = "Disabled" })
	service := func(local bool) []api.Object {
		s := Service("prod/web", "10.96.0.1", "fd00:96::1")
		s.Spec.Type, s.Spec.ExternalIPs = corev1.ServiceTypeLoadBalancer, []string{"198.51.100.1", "192.0.2.200"}
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.1"}, {Hostname: "example.org"}}
		if local {
			s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		}
		return []api.Object{s}
	}
	slice := func(node string, ready bool, addr string) []api.Object {
		s := Slice("prod/web-1", "prod/web", 80, addr)
		s.Endpoints[0].NodeName, s.Endpoints[0].Conditions = &node, discoveryv1.EndpointConditions{Ready: &ready}
		return []api.Object{s}
	}
	excluded := []api.Object{Node(Me, Labels{corev1.LabelNodeExcludeBalancers: ""}, "192.0.2.1/24", "2001:db8::1/64"), me[1]}
	headless := Service("prod/web", corev1.ClusterIPNone)
	headless.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	return []State{
		state("no ranges", me, service(true), slice(Me, true, "10.65.0.1")),
		state("ranges alone", me, all),
		state("traffic to any node", me, all, service(false), slice(Me, true, "10.65.0.1")),
		state("each address of a load balancer", me, single, service(false), slice("n2", true, "10.65.1.1")),
		state("traffic stays, endpoint here", me, all, service(true), slice(Me, true, "10.65.0.1")),
		state("of the other family", me, all, service(true), slice(Me, true, "fd00:65::1")),
		state("not ready", me, all, service(true), slice(Me, false, "10.65.0.1")),
		state("elsewhere", me, single, service(true), slice("n2", true, "10.65.1.1")),
		state("service gone", me, single, slice(Me, true, "10.65.0.1")),
		state("headless", me, all, []api.Object{headless}, slice(Me, true, "10.65.0.1")),
		state("node kept from it", excluded, single, service(true), slice(Me, true, "10.65.0.1")),
		state("node without IPv6", []api.Object{Node(Me, nil, "192.0.2.1/24", "")}, all, service(true), slice(Me, true, "10.65.0.1")),
		state("one address as the range", me, ranges(func(s *v3.BGPConfigurationSpec) { s.ServiceLoadBalancerIPs = CIDRs("203.0.113.1/32") }), service(false)),
	}
}
