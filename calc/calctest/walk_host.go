// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
)

func (w walk) links() []calc.Link {
	out := Links()
	if w.chance(30) {
		out[0].Addrs, out[1].Addrs = out[1].Addrs, out[0].Addrs
	}
	return out[w.IntN(len(out)+1):]
}

func (w walk) hints() []string {
	if w.chance(20) {
		return []string{v3.AssumeNeededOnEveryNode}
	}
	return nil
}

func (w walk) felixConfig() api.Object {
	text := func(values ...string) *string {
		if w.chance(50) {
			return nil
		}
		return new(pick(w, values...))
	}
	return FelixConfig(pick(w, "default", "default", "node."+Me, "node.n2"), func(s *v3.FelixConfigurationSpec) {
		s.DefaultEndpointToHostAction = text("Drop", "accept", "RETURN", "Drop", "Open")
		s.ExistingConnections = text("Keep", "Reevaluate")
		s.NFTablesMode, s.IPTablesBackend = text("Enabled", "Disabled", "Auto"), text("Auto", "NFT", "legacy")
		s.NFTablesFilterDenyAction, s.IPTablesFilterDenyAction = text("Reject", "Drop"), text("Reject", "Drop")
		s.WorkloadSourceSpoofing = text("Any", "any", "Disabled")
		yes := w.chance(50)
		s.DisableConntrackInvalidCheck = pick(w, nil, &yes)
		allow, port := w.chance(50), 8472
		s.AllowVXLANPacketsFromWorkloads, s.AllowIPIPPacketsFromWorkloads = pick(w, nil, &allow), pick(w, nil, &allow)
		s.VXLANPort, s.VXLANEnabled = pick(w, nil, &port), pick(w, nil, nil, nil, &allow)
		s.IPIPEnabled = pick(w, nil, nil, nil, &allow)
		s.WireguardEnabled, s.WireguardEnabledV6 = pick(w, nil, &allow), pick(w, nil, &allow)
		s.WireguardListeningPort, s.WireguardInterfaceNameV6 = pick(w, nil, nil, &port), pick(w, nil, nil, nil, new("wg6"))
		s.ExternalNodesList = pick(w, nil, nil, []string{}, []string{"192.0.2.9", "198.51.100.0/24"}, []string{"198.51.100.7/24", "2001:db8::/32"}, []string{"nowhere"})
		s.FloatingIPs, s.NATOutgoingExclusions = text("Enabled", "Disabled", "Enabled"), text("IPPoolsOnly", "IPPoolsAndHostIPs")
		s.NATOutgoingAddress, s.IPTablesNATOutgoingInterfaceFilter = text("192.0.2.200", "2001:db8::1"), text("eth0", "eth+")
		ports := pick(w, intstr.FromInt32(0), intstr.FromInt32(1024), intstr.FromString("1024:2047"), intstr.FromString("0"))
		s.NATPortRange = pick(w, nil, nil, &ports)
		s.FailsafeInboundHostPorts = pick(w, nil, nil, []v3.ProtoPort{}, []v3.ProtoPort{{Port: 22}, {Protocol: "udp", Port: 53, Net: "10.0.0.0/8"}})
	})
}
