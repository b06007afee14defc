// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// blame finds the units that an error is about and marks them failed. It reports whether it found one that was not.
func (d *Driver) blame(err error, l *ledger, view desired.View) bool {
	var r *refusal
	if errors.As(err, &r) {
		return d.fail(l, r.unit, r.err)
	}
	var refused *nft.RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	found := false
	for _, x := range refused.Refusals {
		if u, ok := x.Tag.(unit); ok && u.kind == settingUnit {
			found = d.settings.Refuse(view, u.setting, fmt.Errorf("%s: %w%s", x.Op, x.Err, u.advice())) || found
		}
	}
	if found {
		return true
	}
	// What a missing set or chain causes further on is no fault of its own: blame the lowest kind only.
	lowest := settingUnit
	for _, x := range refused.Refusals {
		if u, ok := x.Tag.(unit); ok {
			lowest = min(lowest, u.kind)
		}
	}
	if lowest == frameUnit || len(refused.Refusals) == 0 {
		return d.settings.RefuseAny(view, err)
	}
	for _, x := range refused.Refusals {
		if u, ok := x.Tag.(unit); ok && u.kind == lowest {
			found = d.fail(l, u, fmt.Errorf("%s: %w%s", x.Op, x.Err, u.advice())) || found
		}
	}
	return found
}

// fail marks a unit, or the endpoints behind a shared chain.
func (d *Driver) fail(l *ledger, u unit, err error) bool {
	if u.kind != chainUnit {
		_, known := d.failed[u]
		if !known {
			d.failed[u] = err
		}
		return !known
	}
	found := false
	for _, list := range []map[desired.EndpointID]*endpoint{l.endpoints, l.hosts} {
		for _, e := range list {
			if l.reaches(e, u.chain) {
				found = d.fail(l, e.unit, err) || found
			}
		}
	}
	return found
}

// reaches reports whether packets of an endpoint can come to a chain of tiers.
func (l *ledger) reaches(e *endpoint, name string) bool {
	return slices.ContainsFunc(e.routes, func(r route) bool { return l.leads(r.chain, name) })
}

// leads reports whether packets can come from one chain to another.
func (l *ledger) leads(from, to string) bool {
	c := l.chains[from]
	if from == to || c == nil {
		return from == to
	}
	if x := l.peers[from]; x != nil && x.uses[to] > 0 {
		return true
	}
	return slices.ContainsFunc(c.jumps, func(next string) bool { return l.leads(next, to) })
}

// closed returns the endpoints that have no policy in force because of what failed: they are left out of the dispatch, so that all their
// packets are dropped; host endpoints among them are replaced by closedHost.
func (d *Driver) closed(view desired.View) map[desired.EndpointID]error {
	if len(d.failed) == 0 {
		return nil
	}
	return dataplane.Closed(view, dataplane.Failed{
		Set:      func(id rule.SetID) error { return d.why(setUnit(id)) },
		Policy:   func(id rule.PolicyID) error { return d.why(ofPolicy(id)) },
		Endpoint: func(id desired.EndpointID) error { return cmp.Or(d.failed[ofEndpoint(id)], d.failed[ofHost(id)]) },

		Translation: d.failed[ofNAT],
	})
}

// why is what is wrong with a unit, with its name; nil: nothing.
func (d *Driver) why(u unit) error {
	if err := d.failed[u]; err != nil {
		return fmt.Errorf("%v: %w", u, err)
	}
	return nil
}

// closedHost stands in for a host endpoint whose policy is not in force: processes of the host keep their failsafe ports alone, and nothing
// is forwarded in a direction that policy has a say in.
func closedHost(e *desired.HostEndpoint) *desired.HostEndpoint {
	closed := []desired.TierPolicies{{Tier: "closed", DefaultAction: rule.Deny}}
	out := &desired.HostEndpoint{ID: e.ID, Interface: e.Interface}
	if len(e.Forward[rule.Ingress])+len(e.PreDNAT)+len(e.Untracked[rule.Ingress]) > 0 {
		out.Forward[rule.Ingress] = closed
	}
	if len(e.Forward[rule.Egress]) > 0 {
		out.Forward[rule.Egress] = closed
	}
	return out
}

// touchesFailed reports whether a delta may concern what failed. Then everything is tried again.
func (d *Driver) touchesFailed(delta *desired.Delta) bool {
	if d.settings.Refused() != nil && delta.Settings != nil {
		return true
	}
	if len(d.failed) == 0 {
		return false
	}
	if len(delta.Policies)+len(delta.Endpoints)+len(delta.EndpointsRemoved)+len(delta.PoliciesRemoved)+len(delta.HostEndpoints)+len(delta.HostEndpointsRemoved) > 0 {
		return true
	}
	ids := slices.Clone(delta.IPSetsRemoved)
	for _, s := range delta.IPSets {
		ids = append(ids, s.ID)
	}
	return slices.ContainsFunc(ids, func(id rule.SetID) bool { return d.failed[setUnit(id)] != nil })
}
