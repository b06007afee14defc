// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// vxlan is how the tunnels are made. The zero value of enabled leaves it to the pools.
type vxlan struct {
	enabled *bool
	vni     uint32
	port    uint16
	mtu     [2]int // by family; 0: detected
}

// vxlanConfigs joins what the FelixConfigurations say of VXLAN for this node. Of what both state, the node's own wins over the one named
// default.
type vxlanConfigs struct {
	own    string
	byName map[string]v3.FelixVXLAN
}

func newVXLANConfigs(self string) vxlanConfigs {
	return vxlanConfigs{own: "node." + self, byName: map[string]v3.FelixVXLAN{}}
}

func (c vxlanConfigs) now() vxlan {
	own, all := c.byName[c.own], c.byName["default"]
	number := func(own, all *int, fallback int) int {
		if p := cmp.Or(own, all); p != nil {
			return *p
		}
		return fallback
	}
	return vxlan{
		enabled: cmp.Or(own.VXLANEnabled, all.VXLANEnabled),
		vni:     uint32(number(own.VXLANVNI, all.VXLANVNI, 4096)),
		port:    uint16(number(own.VXLANPort, all.VXLANPort, 4789)),
		mtu:     [2]int{number(own.VXLANMTU, all.VXLANMTU, 0), number(own.VXLANMTUV6, all.VXLANMTUV6, 0)},
	}
}

func (r *reach) putConfig(key api.Key, obj *v3.FelixConfiguration) {
	r.configs.byName[key.Name] = obj.Spec.FelixVXLAN
	r.all = true
}

func (r *reach) removeConfig(key api.Key) {
	delete(r.configs.byName, key.Name)
	r.all = true
}
