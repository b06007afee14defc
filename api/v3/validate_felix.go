// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"math/bits"
	"strings"
)

const (
	maxRouteTable = 250 // the tables above are local, main and default
	leastMTU6     = 1280
)

func validateFelixConfiguration(o *FelixConfiguration, r report) {
	s := &o.Spec
	layered := o.Name == "default" || strings.HasPrefix(o.Name, "node.")
	switch {
	case layered && s.NodeSelector != nil:
		r.at("nodeSelector").add("has no use in a FelixConfiguration named %s; remove it, or choose another name", o.Name)
	case !layered && s.NodeSelector == nil:
		report{path: "metadata.name", all: r.all}.add("is %q; write default for all nodes, node.<name> for one, or any name with spec.nodeSelector", o.Name)
	}
	validateDevices(s, r)
	if mask := s.IPTablesMarkMask; mask != nil && bits.OnesCount32(*mask) < 8 {
		r.at("iptablesMarkMask").add("%#x has %d bits set; at least 8 are needed", *mask, bits.OnesCount32(*mask))
	}
	if s.RouteTableRange != nil {
		if s.RouteTableRanges != nil {
			r.at("routeTableRange").add("stands beside routeTableRanges, which replaces it; remove it")
		}
		validateTables(*s.RouteTableRange, maxRouteTable, r.at("routeTableRange"))
	}
	for field, mtu := range map[string]*int{"vxlanMTUV6": s.VXLANMTUV6, "wireguardMTUV6": s.WireguardMTUV6} {
		if mtu != nil && *mtu > 0 && *mtu < leastMTU6 {
			r.at(field).add("%d is too small: IPv6 needs at least %d (RFC 8200); write %[2]d or more, or 0 for the detected one", *mtu, leastMTU6)
		}
	}
	for i, tables := range s.RouteTableRanges {
		validateTables(tables, 1<<32-1, r.at("routeTableRanges").item(i))
	}
}

// device is a tunnel device with what it needs for itself.
type device struct {
	name, nameField string
	port            int // UDP
	portField       string
}

// validateDevices refuses tunnel devices that are in each other's way: one UDP port, or one name, for two.
func validateDevices(s *FelixConfigurationSpec, r report) {
	devices := []device{{name: vxlanDevices[0]}, {name: vxlanDevices[1]}, {name: ipipDevice}}
	if on(s.WireguardEnabled) {
		devices = append(devices, device{valueOr(s.WireguardInterfaceName, "wireguard.cali"), "wireguardInterfaceName", valueOr(s.WireguardListeningPort, 51820), "wireguardListeningPort"})
	}
	if on(s.WireguardEnabledV6) {
		devices = append(devices, device{valueOr(s.WireguardInterfaceNameV6, "wg-v6.cali"), "wireguardInterfaceNameV6", valueOr(s.WireguardListeningPortV6, 51821), "wireguardListeningPortV6"})
	}
	if s.VXLANEnabled == nil || *s.VXLANEnabled {
		devices[0].port, devices[0].portField = valueOr(s.VXLANPort, 4789), "vxlanPort"
	}
	for i, d := range devices {
		for _, before := range devices[:i] {
			if d.port != 0 && d.port == before.port {
				r.at(d.portField).add("UDP port %d is also %s; choose another for one of them", d.port, before.portField)
			}
			if d.name == before.name {
				r.at(d.nameField).add("%s is also the name of another tunnel device; choose another", d.name)
			}
		}
	}
}

// The names of tunnel devices that no setting changes.
var vxlanDevices = [2]string{"vxlan.calico", "vxlan-v6.calico"}

const ipipDevice = "tunl0"

func on(setting *bool) bool { return setting != nil && *setting }

func valueOr[T any](set *T, fallback T) T {
	if set != nil {
		return *set
	}
	return fallback
}

func validateTables(t RouteTableRange, most int, r report) {
	if t.Max < t.Min {
		r.add("runs backwards: min %d, max %d", t.Min, t.Max)
	}
	if t.Max > most {
		r.at("max").add("%d is too large; write %d or less", t.Max, most)
	}
}
