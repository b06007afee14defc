// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Mode is how packets travel between the nodes of a cluster.
type Mode string

// The modes. The cross modes wrap packets between subnets only. In the last two, packets are encrypted between all nodes; what has no key
// to be encrypted with would go plainly in one, and in VXLAN in the other.
const (
	Direct             Mode = "direct"
	IPIP               Mode = "ipip"
	IPIPCross          Mode = "ipip-cross"
	VXLAN              Mode = "vxlan"
	VXLANCross         Mode = "vxlan-cross"
	WireGuard          Mode = "wireguard"
	WireGuardOverVXLAN Mode = "wireguard-vxlan"
)

// Scenario is one way to run a cluster.
type Scenario struct {
	Mode     Mode
	Families Families
	Driver   string // nftablesMode: "nftables" or "iptables"
}

// Scenarios lists every mode with every choice of families and every driver, those that cannot run among them: Impossible says why.
func Scenarios() []Scenario {
	var out []Scenario
	for _, mode := range []Mode{Direct, IPIP, IPIPCross, VXLAN, VXLANCross, WireGuard, WireGuardOverVXLAN} {
		for _, families := range []Families{IPv4, IPv6, Dual} {
			for _, driver := range []string{"nftables", "iptables"} {
				out = append(out, Scenario{mode, families, driver})
			}
		}
	}
	return out
}

// String returns "vxlan/dual/nftables".
func (s Scenario) String() string { return string(s.Mode) + "/" + string(s.Families) + "/" + s.Driver }

// Impossible says why there can be no such cluster; empty: there can.
func (s Scenario) Impossible() string {
	if s.Families == IPv6 && (s.Mode == IPIP || s.Mode == IPIPCross) {
		return "IP-in-IP carries IPv4 alone: ipipMode of an IPv6 pool must be Never"
	}
	return ""
}

// Encrypts tells whether packets between nodes are encrypted.
func (s Scenario) Encrypts() bool { return s.Mode == WireGuard || s.Mode == WireGuardOverVXLAN }

// Configure writes down what a FelixConfiguration has to say for the scenario.
func (s Scenario) Configure(spec *v3.FelixConfigurationSpec) {
	yes, mode := true, "Enabled"
	if s.Driver == "iptables" {
		mode, spec.IPTablesBackend = "Disabled", new("NFT")
	}
	spec.NFTablesMode = &mode
	if s.Encrypts() {
		spec.WireguardEnabled, spec.WireguardEnabledV6 = &yes, &yes
	}
}

// Wraps tells whether pools of a family have a tunnel, and whether it is for all nodes or those of other subnets.
func (s Scenario) Wraps(a netip.Addr) v3.EncapMode {
	switch s.Mode {
	case VXLAN, WireGuardOverVXLAN:
		return v3.EncapAlways
	case VXLANCross:
		return v3.EncapCrossSubnet
	case IPIP:
		if a.Is4() {
			return v3.EncapAlways
		}
	case IPIPCross:
		if a.Is4() {
			return v3.EncapCrossSubnet
		}
	}
	return v3.EncapNever
}

// Pools returns the IP pools of a lab with the given CIDRs as the scenario has them.
func (s Scenario) Pools(cidrs []string) []api.Object {
	var out []api.Object
	for i, cidr := range cidrs {
		mode := s.Wraps(netip.MustParsePrefix(cidr).Addr())
		p := object(api.IPPools, poolName(i), func(o *v3.IPPool) {
			o.Spec.CIDR, o.Spec.IPIPMode, o.Spec.VXLANMode = cidr, v3.EncapNever, mode
			if s.Mode == IPIP || s.Mode == IPIPCross {
				o.Spec.IPIPMode, o.Spec.VXLANMode = mode, v3.EncapNever
			}
		})
		out = append(out, p)
	}
	return out
}

// poolName is the name of the pool with the nth CIDR, from 0.
func poolName(n int) string { return fmt.Sprintf("pool-%d", n+1) }

// Others returns the scenarios that a cluster can change to from this one: each other mode, with the same families and driver.
func (s Scenario) Others() []Scenario {
	var out []Scenario
	for _, o := range Scenarios() {
		if o.Mode != s.Mode && o.Families == s.Families && o.Driver == s.Driver && o.Impossible() == "" {
			out = append(out, o)
		}
	}
	return out
}
