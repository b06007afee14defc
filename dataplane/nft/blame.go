// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"iter"
	"slices"

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
			found = d.settings.Refuse(view, u.setting, fmt.Errorf("%s: %w", x.Op, x.Err)) || found
		}
	}
	if found {
		return true
	}
	// What a missing set or chain causes further on is no fault of its own: blame the lowest kind only.
	lowest := hostUnit + 1
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
			found = d.fail(l, u, fmt.Errorf("%s: %w", x.Op, x.Err)) || found
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
	bad := map[rule.PolicyID]error{}
	for p := range view.Policies() {
		if err := d.policyError(p); err != nil {
			bad[p.ID] = fmt.Errorf("%v: %w", ofPolicy(p.ID), err)
		}
	}
	out := map[desired.EndpointID]error{}
	for e := range view.Endpoints() {
		if err := d.endpointError(ofEndpoint(e.ID), inForce(e), bad); err != nil {
			out[e.ID] = err
		}
	}
	for e := range view.HostEndpoints() {
		if err := d.endpointError(ofHost(e.ID), e.Uses(), bad); err != nil {
			out[e.ID] = err
		}
	}
	return out
}

func (d *Driver) policyError(p *desired.Policy) error {
	if err := d.failed[ofPolicy(p.ID)]; err != nil {
		return err
	}
	for _, rules := range p.Rules {
		for i := range rules {
			for _, id := range setsOf(&rules[i].Match) {
				if err := d.failed[setUnit(id)]; err != nil {
					return fmt.Errorf("%v: %w", setUnit(id), err)
				}
			}
		}
	}
	return nil
}

func (d *Driver) endpointError(u unit, uses iter.Seq[rule.PolicyID], bad map[rule.PolicyID]error) error {
	if err := d.failed[u]; err != nil {
		return err
	}
	for id := range uses {
		if err := bad[id]; err != nil {
			return err
		}
		if err := d.failed[ofPolicy(id)]; err != nil {
			return fmt.Errorf("%v: %w", ofPolicy(id), err)
		}
	}
	return nil
}

// inForce are the policies that a workload's packets meet: not the staged ones.
func inForce(e *desired.Endpoint) iter.Seq[rule.PolicyID] {
	enforced := *e
	enforced.Staged = nil
	return enforced.Uses()
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
