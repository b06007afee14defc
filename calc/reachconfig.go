// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// tunnelConfig is how the tunnels of this node are made and guarded. The zero value of enabled leaves it to the pools.
type tunnelConfig struct {
	enabled  [desired.TunnelKinds]*bool
	vni      uint32
	port     uint16
	mtu      [desired.TunnelKinds]int // 0: detected
	pattern  string                   // mtuIfacePattern
	external []netip.Prefix           // hosts besides the nodes whose packets are taken
	// WireGuard: whether what goes to other nodes is encrypted and the UDP port, by family, and the time between keepalives.
	encrypt   [2]bool
	wgPort    [2]uint16
	keepalive time.Duration
	hosts     desired.HostRouting // of what the nodes send each other themselves
	threaded  bool
	names     [desired.TunnelKinds]string // of the devices
	// allowVXLAN and allowIPIP: workloads may send such packets.
	allowVXLAN, allowIPIP bool
}

// tunnelConfigs joins what the FelixConfigurations say of tunnels for this node. Of what both state, the node's own wins over the one named
// default.
type tunnelConfigs struct {
	own    string
	byName map[string]statedConfig
	now    tunnelConfig // what all of them come to
}

// statedConfig is what one FelixConfiguration states.
type statedConfig struct {
	v3.FelixVXLAN
	v3.FelixIPIP
	v3.FelixTunnels
	v3.FelixMTU
	v3.FelixWireguard
	tables   *v3.RouteTableRange // the first of those that may be used
	external []netip.Prefix      // ExternalNodesList
}

func newTunnelConfigs(self string) tunnelConfigs {
	c := tunnelConfigs{own: "node." + self, byName: map[string]statedConfig{}}
	c.now = c.joined()
	return c
}

// joined is what the configurations come to; only a change of one makes it worth asking.
func (c *tunnelConfigs) joined() tunnelConfig {
	own, all := c.byName[c.own], c.byName["default"]
	number := func(own, all *int, fallback int) int {
		if p := cmp.Or(own, all); p != nil {
			return *p
		}
		return fallback
	}
	yes := func(own, all *bool) bool {
		p := cmp.Or(own, all)
		return p != nil && *p
	}
	vxlan := cmp.Or(own.VXLANEnabled, all.VXLANEnabled)
	name := func(own, all *string, fallback string) string {
		if p := cmp.Or(own, all); p != nil {
			return *p
		}
		return fallback
	}
	var keepalive time.Duration
	if p := cmp.Or(own.WireguardKeepAlive, all.WireguardKeepAlive); p != nil {
		keepalive = p.Duration
	}
	external := all.external
	if own.ExternalNodesList != nil {
		external = own.external
	}
	return tunnelConfig{
		enabled:  [desired.TunnelKinds]*bool{desired.VXLAN4: vxlan, desired.VXLAN6: vxlan, desired.IPIP: cmp.Or(own.IPIPEnabled, all.IPIPEnabled)},
		vni:      uint32(number(own.VXLANVNI, all.VXLANVNI, 4096)),
		port:     uint16(number(own.VXLANPort, all.VXLANPort, 4789)),
		external: external,
		pattern:  *cmp.Or(own.MTUIfacePattern, all.MTUIfacePattern, new(string)),
		mtu: [desired.TunnelKinds]int{
			desired.VXLAN4: number(own.VXLANMTU, all.VXLANMTU, 0), desired.VXLAN6: number(own.VXLANMTUV6, all.VXLANMTUV6, 0),
			desired.IPIP:       number(own.IPIPMTU, all.IPIPMTU, 0),
			desired.WireGuard4: number(own.WireguardMTU, all.WireguardMTU, 0), desired.WireGuard6: number(own.WireguardMTUV6, all.WireguardMTUV6, 0),
		},
		encrypt: [2]bool{yes(own.WireguardEnabled, all.WireguardEnabled), yes(own.WireguardEnabledV6, all.WireguardEnabledV6)},
		wgPort: [2]uint16{
			uint16(number(own.WireguardListeningPort, all.WireguardListeningPort, 51820)),
			uint16(number(own.WireguardListeningPortV6, all.WireguardListeningPortV6, 51821)),
		},
		keepalive: keepalive,
		hosts:     hostRouting(own, all),
		threaded:  yes(own.WireguardThreadingEnabled, all.WireguardThreadingEnabled),
		names: [desired.TunnelKinds]string{
			desired.VXLAN4: "vxlan.calico", desired.VXLAN6: "vxlan-v6.calico", desired.IPIP: "tunl0",
			desired.WireGuard4: name(own.WireguardInterfaceName, all.WireguardInterfaceName, "wireguard.cali"),
			desired.WireGuard6: name(own.WireguardInterfaceNameV6, all.WireguardInterfaceNameV6, "wg-v6.cali"),
		},

		allowVXLAN: yes(own.AllowVXLANPacketsFromWorkloads, all.AllowVXLANPacketsFromWorkloads),
		allowIPIP:  yes(own.AllowIPIPPacketsFromWorkloads, all.AllowIPIPPacketsFromWorkloads),
	}
}

// hostRouting says how what the nodes send each other is led through WireGuard; the zero value: it is not.
func hostRouting(own, all statedConfig) desired.HostRouting {
	if on := cmp.Or(own.WireguardHostEncryptionEnabled, all.WireguardHostEncryptionEnabled); on == nil || !*on {
		return desired.HostRouting{}
	}
	r := desired.HostRouting{Table: 1, Priority: 99}
	if tables := cmp.Or(own.tables, all.tables); tables != nil {
		r.Table = uint32(tables.Min)
	}
	if p := cmp.Or(own.WireguardRoutingRulePriority, all.WireguardRoutingRulePriority); p != nil {
		r.Priority = uint32(*p)
	}
	return r
}

// firstTables returns the tables that a FelixConfiguration lets the agent use first; nil: it does not say.
func firstTables(s *v3.FelixRoutes) *v3.RouteTableRange {
	if len(s.RouteTableRanges) > 0 {
		return &s.RouteTableRanges[0]
	}
	return s.RouteTableRange
}

func newStatedConfig(spec *v3.FelixConfigurationSpec) (statedConfig, api.FieldErrors) {
	stated := statedConfig{FelixVXLAN: spec.FelixVXLAN, FelixIPIP: spec.FelixIPIP, FelixTunnels: spec.FelixTunnels, FelixWireguard: spec.FelixWireguard, FelixMTU: spec.FelixMTU}
	stated.tables = firstTables(&spec.FelixRoutes)
	var wrong faults
	for i, text := range spec.ExternalNodesList {
		net, err := v3.ParseCIDR(text)
		wrong.add(fmt.Sprintf("spec.externalNodesList[%d]", i), err)
		stated.external = append(stated.external, net)
	}
	return stated, wrong.list
}

func (r *reach) putConfig(key api.Key, stated statedConfig) {
	r.configs.byName[key.Name] = stated
	r.configs.now = r.configs.joined()
	r.all = true
	r.underlay++
}

func (r *reach) removeConfig(key api.Key) {
	delete(r.configs.byName, key.Name)
	r.configs.now = r.configs.joined()
	r.all = true
	r.underlay++
}
