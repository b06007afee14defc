// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// hostSide asks the policy of a node's own host endpoint.
func (c *Cluster) hostSide(end *End, dir rule.Direction, p eval.Packet) Side {
	return c.judgeHost(end, c.hostEndpoint(end, ""), dir, p)
}

// hostEndpoint returns the host endpoint of a node that speaks for its address: the one that expects it, else the only one with a name, else
// that for any interface. With only given, it returns none but the one for that interface.
func (c *Cluster) hostEndpoint(end *End, only string) *desired.HostEndpoint {
	named := map[string]*desired.HostEndpoint{} // by object: one may have several interfaces
	var anywhere *desired.HostEndpoint
	for ep := range c.View(end.Node).HostEndpoints() {
		object, _, _ := strings.Cut(ep.ID.Name, "/")
		switch {
		case ep.Interface == desired.AnyInterface:
			anywhere = ep
		case only != "":
		case c.expects(object, end):
			return ep
		default:
			named[object] = ep
		}
	}
	if len(named) == 1 {
		for _, ep := range named {
			return ep
		}
	}
	return anywhere
}

// expects tells whether a host endpoint lists an address of the end.
func (c *Cluster) expects(name string, end *End) bool {
	obj, ok := c.objects[api.Key{Resource: api.HostEndpoints, Name: name}].(*v3.HostEndpoint)
	return ok && expects(obj, end)
}

func expects(h *v3.HostEndpoint, end *End) bool {
	return slices.ContainsFunc(expected(h), func(addr netip.Addr) bool { return slices.Contains(end.Addrs, addr) })
}

// judgeHost asks the sorts of policy that packets to and from processes of a host meet, in their order. A first sort that decides is final.
func (c *Cluster) judgeHost(end *End, ep *desired.HostEndpoint, dir rule.Direction, p eval.Packet) Side {
	if ep == nil {
		return Side{Allowed: true, Reason: end.Name + " is a host without host endpoint: no policy applies to its own traffic"}
	}
	view := c.View(end.Node)
	world := eval.FromView(view)
	side := func(t eval.Traffic, tiers []desired.TierPolicies) (Side, bool) {
		r := eval.EvaluateHost(world, view.Settings(), ep, t, dir, p)
		return Side{Allowed: r.Verdict == rule.Allow, Result: &r, World: world, Tiers: tiers, Uses: ep.Uses()}, r.Verdict != rule.NoMatch
	}
	if out, decided := side(eval.Untracked, ep.Untracked[dir]); decided && len(ep.Untracked[dir]) > 0 && ep.Interface != desired.AnyInterface {
		return out
	}
	if out, decided := side(eval.PreDNAT, ep.PreDNAT); decided && dir == rule.Ingress && len(ep.PreDNAT) > 0 {
		return out
	}
	out, _ := side(eval.Normal, ep.Normal[dir])
	return out
}
