// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
)

// Links are the interfaces of Me when a run starts.
func Links() []calc.Link {
	addrs := func(texts ...string) (out []netip.Addr) {
		for _, t := range texts {
			out = append(out, netip.MustParseAddr(t))
		}
		return out
	}
	return []calc.Link{{Name: "eth1", Addrs: addrs("198.51.100.1", "2001:db8::1")}, {Name: "eth0", Addrs: addrs("192.0.2.1")}, {Name: "dummy0"}}
}

func hostStates() []State {
	yes := true
	friend := Labels{"role": "host"}
	base := append(cluster(), Profile("open", Labels{"extra": "1"}))
	on := func(name, link string, addrs ...string) []api.Object {
		h := HostEndpoint(name, Me, friend, addrs...)
		h.Spec.InterfaceName, h.Spec.Profiles = link, []string{"open", "missing"}
		return []api.Object{h}
	}
	policy := func(edit func(*v3.GlobalNetworkPolicySpec)) []api.Object {
		return []api.Object{GlobalPolicy("hosts", func(s *v3.GlobalNetworkPolicySpec) {
			s.Ingress = []v3.Rule{From(v3.Allow, "app == 'web'")}
			edit(s)
		})}
	}
	plain := policy(func(*v3.GlobalNetworkPolicySpec) {})
	eth0 := on("h", "eth0", "192.0.2.1")
	return []State{
		state("named", base, eth0),
		state("with policy", base, eth0, plain),
		state("forward", base, eth0, policy(func(s *v3.GlobalNetworkPolicySpec) { s.ApplyOnForward, s.Egress = &yes, []v3.Rule{From(v3.Deny, "")} })),
		state("untracked", base, eth0, policy(func(s *v3.GlobalNetworkPolicySpec) { s.ApplyOnForward, s.DoNotTrack = &yes, &yes })),
		state("before NAT", base, eth0, policy(func(s *v3.GlobalNetworkPolicySpec) { s.ApplyOnForward, s.PreDNAT = &yes, &yes })),
		state("workloads only", base, eth0, policy(func(s *v3.GlobalNetworkPolicySpec) { s.NamespaceSelector = "all()" })),
		state("all interfaces", base, on("all", "*"), policy(func(s *v3.GlobalNetworkPolicySpec) { s.ApplyOnForward, s.DoNotTrack = &yes, &yes })),
		state("by address", base, on("h", "", "198.51.100.1"), plain),
		state("by addresses of two", base, on("h", "", "198.51.100.1", "192.0.2.1"), plain),
		state("one of two taken", base, on("h", "", "198.51.100.1", "192.0.2.1"), on("z", "eth1"), plain),
		state("two with one name", base, eth0, on("g", "eth0"), plain),
		state("address of nobody", base, on("h", "", "203.0.113.1"), plain),
		state("another node's", base, []api.Object{HostEndpoint("h", "n2", friend, "192.0.2.1")}, plain),
		state("needed on every node", base[:2], []api.Object{Policy("prod/p", func(s *v3.NetworkPolicySpec) {
			s.PerformanceHints, s.Ingress = []string{v3.AssumeNeededOnEveryNode}, []v3.Rule{From(v3.Allow, "app == 'web'")}
		})}, base[3:]),
		state("needed nowhere else", base[:2], []api.Object{Policy("prod/p", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{From(v3.Allow, "app == 'web'")} })}, base[3:]),
	}
}

func settingStates() []State {
	all := func(edit func(*v3.FelixConfigurationSpec)) []api.Object {
		return []api.Object{FelixConfig("default", edit)}
	}
	mine := func(edit func(*v3.FelixConfigurationSpec)) []api.Object {
		return []api.Object{FelixConfig("node."+Me, edit)}
	}
	accept, yes, keep, nft, legacy, enabled, disabled, reject := "ACCEPT", true, "Keep", "NFT", "Legacy", "Enabled", "Disabled", "Reject"
	return []State{
		state("defaults", nil),
		state("default object", all(func(s *v3.FelixConfigurationSpec) {
			s.DefaultEndpointToHostAction, s.DisableConntrackInvalidCheck, s.ExistingConnections = &accept, &yes, &keep
		})),
		state("own wins", all(func(s *v3.FelixConfigurationSpec) { s.NFTablesMode, s.IPTablesBackend = &enabled, &nft }),
			mine(func(s *v3.FelixConfigurationSpec) {
				s.NFTablesMode, s.FailsafeInboundHostPorts = &disabled, []v3.ProtoPort{}
			})),
		state("another node's", []api.Object{FelixConfig("node.n2", func(s *v3.FelixConfigurationSpec) { s.NFTablesMode = &disabled })}),
		state("for selected nodes", []api.Object{FelixConfig("racks", func(s *v3.FelixConfigurationSpec) {
			all := "all()"
			s.NodeSelector, s.NFTablesMode = &all, &disabled
		})}),
		state("iptables of either kind", all(func(s *v3.FelixConfigurationSpec) { s.NFTablesMode, s.NFTablesFilterDenyAction = &disabled, &reject })),
		state("legacy iptables", all(func(s *v3.FelixConfigurationSpec) { s.IPTablesBackend, s.IPTablesFilterDenyAction = &legacy, &reject })),
		state("failsafe ports", all(func(s *v3.FelixConfigurationSpec) {
			s.FailsafeInboundHostPorts = []v3.ProtoPort{{Protocol: "udp", Port: 53}, {Port: 22, Net: "10.0.0.0/8"}, {Port: 22}, {Protocol: "TCP", Port: 22}}
		}), mine(func(s *v3.FelixConfigurationSpec) { s.FailsafeOutboundHostPorts = []v3.ProtoPort{} })),
		state("bad action", all(func(s *v3.FelixConfigurationSpec) { s.DefaultEndpointToHostAction = &keep })),
	}
}
