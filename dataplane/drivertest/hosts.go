// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"cmp"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// hostEndpointsOf returns host endpoints for some of the host's links.
func (g *generator) hostEndpointsOf(ids, profiles []rule.PolicyID) []*desired.HostEndpoint {
	var out []*desired.HostEndpoint
	for _, link := range []string{uplink, dmz, desired.AnyInterface} {
		if !g.one(3) {
			continue
		}
		e := &desired.HostEndpoint{ID: desired.EndpointID{Name: "hep-" + link}, Interface: link, Profiles: profiles[:g.rnd.IntN(3)]}
		for dir := range 2 {
			if link != desired.AnyInterface && g.one(2) {
				e.Untracked[dir] = g.tiers(ids)
			}
			e.Normal[dir] = g.tiers(ids)
			if g.one(2) {
				e.Forward[dir] = g.tiers(ids)
			}
		}
		if g.one(2) {
			e.PreDNAT = g.tiers(ids)
		}
		out = append(out, e)
	}
	return out
}

func (g *generator) settings() *desired.Settings {
	s := &desired.Settings{
		EndpointToHost: pick(g, desired.HostAccept, desired.HostAccept, desired.HostReturn, desired.HostDrop),
		Reject:         g.one(4),
		AllowInvalid:   g.one(2),
	}
	for dir := range s.Failsafe {
		for range g.rnd.IntN(3) {
			f := desired.Failsafe{Protocol: pick[uint8](g, protoTCP, protoUDP, protoSCTP), Port: pick(g, g.port(), g.srcPort())}
			if g.one(3) {
				f.Net = g.prefix()
			}
			s.Failsafe[dir] = append(s.Failsafe[dir], f)
		}
		slices.SortFunc(s.Failsafe[dir], func(a, b desired.Failsafe) int {
			return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), desired.ComparePrefixes(a.Net, b.Net))
		})
		s.Failsafe[dir] = slices.Compact(s.Failsafe[dir])
	}
	return s
}
