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

func validateTables(t RouteTableRange, most int, r report) {
	if t.Max < t.Min {
		r.add("runs backwards: min %d, max %d", t.Min, t.Max)
	}
	if t.Max > most {
		r.at("max").add("%d is too large; write %d or less", t.Max, most)
	}
}
