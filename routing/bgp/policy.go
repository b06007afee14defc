// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v4/api"

	"github.com/weftnet/weft/desired"
)

const (
	exportPolicy = "export"
	globalTable  = "global" // the engine's name for the one table that all peers share
)

// detourMED is the MULTI_EXIT_DISC (RFC 4271, section 5.1.4) of what we pass on to another AS. Our own prefixes have none, which
// counts as 0: a top-of-rack switch with sessions to several nodes sends packets straight to the node that owns the block, not round
// by one that merely heard of it and may send them back, yet has that as a second way in.
const detourMED = 100

// exportPolicies says what may leave this node: its own prefixes, and what others announced within the pools. All else is refused
// by default, so that a default route of one top-of-rack switch never leaves by another.
//
// The protocol itself then keeps routes of iBGP peers from other iBGP peers, except through a reflector (RFC 4456).
func exportPolicies(want *desired.BGP) *api.SetPoliciesRequest {
	req := &api.SetPoliciesRequest{}
	policy := &api.Policy{Name: exportPolicy, Statements: []*api.Statement{{
		Name:       "own",
		Conditions: &api.Conditions{RouteType: api.Conditions_ROUTE_TYPE_LOCAL},
		Actions:    &api.Actions{RouteAction: api.RouteAction_ROUTE_ACTION_ACCEPT},
	}}}
	groups := peerGroups(want, req)
	for _, family := range []string{"ipv4", "ipv6"} {
		set := poolSet(want, family)
		if len(set.Prefixes) == 0 {
			continue // the engine takes an empty set for one that holds everything
		}
		req.DefinedSets = append(req.DefinedSets, set)
		for _, g := range groups {
			policy.Statements = append(policy.Statements, g.statement(set.Name))
		}
	}
	req.Policies = []*api.Policy{policy}
	return req
}

// poolSet lists the pools of a family and everything more specific.
func poolSet(want *desired.BGP, family string) *api.DefinedSet {
	set := &api.DefinedSet{DefinedType: api.DefinedType_DEFINED_TYPE_PREFIX, Name: "pools-" + family}
	for _, pool := range want.ExportOnly {
		if pool.Addr().Is4() == (family == "ipv4") {
			set.Prefixes = append(set.Prefixes, &api.Prefix{
				IpPrefix: pool.String(), MaskLengthMin: uint32(pool.Bits()), MaskLengthMax: uint32(pool.Addr().BitLen()),
			})
		}
	}
	return set
}

// peerGroup is a group of peers to which routes of others are exported alike.
type peerGroup struct {
	name     string
	mode     desired.NextHopMode
	external bool // eBGP
}

// peerGroups returns the groups that have peers, and defines a neighbour set for each. The last has no set: it is everybody else,
// iBGP peers that get routes as they are.
func peerGroups(want *desired.BGP, req *api.SetPoliciesRequest) []peerGroup {
	rest := peerGroup{name: "ibgp", mode: desired.NextHopAuto}
	groups := []peerGroup{}
	for _, g := range []peerGroup{
		{"ebgp", desired.NextHopAuto, true},
		{"ebgp-next-hop-self", desired.NextHopSelf, true},
		{"ebgp-next-hop-keep", desired.NextHopKeep, true},
		{"ibgp-next-hop-self", desired.NextHopSelf, false},
		{"ibgp-next-hop-keep", desired.NextHopKeep, false},
	} {
		set := &api.DefinedSet{DefinedType: api.DefinedType_DEFINED_TYPE_NEIGHBOR, Name: g.name}
		for _, p := range want.Peers {
			if p.NextHop == g.mode && (p.AS != localAS(want, p)) == g.external {
				set.List = append(set.List, netip.PrefixFrom(p.Addr, p.Addr.BitLen()).String())
			}
		}
		if len(set.List) > 0 {
			slices.Sort(set.List)
			req.DefinedSets = append(req.DefinedSets, set)
			groups = append(groups, g)
		}
	}
	return append(groups, rest)
}

// statement accepts what is within the prefix set towards the peers of the group.
func (g peerGroup) statement(prefixes string) *api.Statement {
	st := &api.Statement{
		Name:       fmt.Sprintf("%s-to-%s", prefixes, g.name),
		Conditions: &api.Conditions{PrefixSet: &api.MatchSet{Type: api.MatchSet_TYPE_ANY, Name: prefixes}},
		Actions:    &api.Actions{RouteAction: api.RouteAction_ROUTE_ACTION_ACCEPT},
	}
	if g.external || g.mode != desired.NextHopAuto {
		st.Conditions.NeighborSet = &api.MatchSet{Type: api.MatchSet_TYPE_ANY, Name: g.name}
	}
	if g.external {
		st.Actions.Med = &api.MedAction{Type: api.MedAction_TYPE_REPLACE, Value: detourMED}
	}
	switch g.mode {
	case desired.NextHopSelf:
		st.Actions.Nexthop = &api.NexthopAction{Self: true}
	case desired.NextHopKeep:
		st.Actions.Nexthop = &api.NexthopAction{Unchanged: true}
	}
	return st
}

// assignment puts the export policy in force, everything else refused.
func assignment() *api.SetPolicyAssignmentRequest {
	return &api.SetPolicyAssignmentRequest{Assignment: &api.PolicyAssignment{
		Name: globalTable, Direction: api.PolicyDirection_POLICY_DIRECTION_EXPORT,
		Policies:      []*api.Policy{{Name: exportPolicy}},
		DefaultAction: api.RouteAction_ROUTE_ACTION_REJECT,
	}}
}
