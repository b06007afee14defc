// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

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
