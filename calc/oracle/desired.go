// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Desired returns what calc ought to compute for a node. The error says what could not be put together; it would be a fault of this package.
func (c *Cluster) Desired(node string) (*desired.State, error) {
	merged, err := c.merged(node)
	if err != nil {
		return nil, err
	}
	settings := c.settings(node, merged)
	d := &desired.Delta{BGP: c.bgp(node), Routes: c.routes(node), Settings: settings}
	c.tunnelsOf(node, d)
	used := map[rule.PolicyID]bool{}
	for _, w := range c.local(node) {
		e := c.endpoint(w)
		c.expose(node, w, e)
		d.Endpoints = append(d.Endpoints, e)
		for id := range e.Uses() {
			used[id] = true
		}
	}
	for _, e := range c.hostEndpoints(node) {
		d.HostEndpoints = append(d.HostEndpoints, e)
		for id := range e.Uses() {
			used[id] = true
		}
	}
	policies := map[rule.PolicyID]*desired.Policy{}
	for _, p := range c.policies {
		if used[p.ID] || p.Everywhere && p.Types != [2]bool{} {
			policies[p.ID] = &desired.Policy{ID: p.ID, Rules: p.Rules}
		}
	}
	for _, p := range c.profiles {
		if used[p.rules.ID] {
			policies[p.rules.ID] = &desired.Policy{ID: p.rules.ID, Rules: p.rules.Rules}
		}
	}
	sets := map[rule.SetID]bool{}
	for _, p := range policies {
		d.Policies = append(d.Policies, p)
		for set := range p.Sets() {
			if sets[set.ID] {
				continue
			}
			sets[set.ID] = true
			change := desired.IPSetChange{ID: set.ID, Kind: set.Kind, Created: true}
			for m := range c.members(set) {
				change.Added = append(change.Added, m)
			}
			d.IPSets = append(d.IPSets, change)
		}
	}
	if set := c.tunnelPeersSet(node, settings); set != nil {
		d.IPSets = append(d.IPSets, *set)
	}
	d.IPSets = append(d.IPSets, c.natSets(settings, merged)...)
	state := desired.NewState()
	return state, state.Apply(d)
}

// local returns the workloads in force on a node: of several with one interface, the one that goes before the others.
func (c *Cluster) local(node string) []*workload {
	var out []*workload
	for i := range c.workloads {
		w := &c.workloads[i]
		rival := func(o workload) bool {
			return o.object.Spec.Node == node && o.object.Spec.InterfaceName == w.object.Spec.InterfaceName && precedes(&o, w)
		}
		if w.object.Spec.Node == node && w.object.Spec.InterfaceName != "" && !slices.ContainsFunc(c.workloads, rival) {
			out = append(out, w)
		}
	}
	return out
}

// precedes tells whether a goes before b where both claim the same.
func precedes(a, b *workload) bool {
	if a.version.Local != b.version.Local {
		return a.version.Local
	}
	if a.version.Revision != b.version.Revision {
		return a.version.Revision > b.version.Revision
	}
	return a.id().Compare(b.id()) < 0
}

// endpoint returns a workload with its policy.
func (c *Cluster) endpoint(w *workload) *desired.Endpoint {
	e := &desired.Endpoint{ID: w.id(), Interface: w.object.Spec.InterfaceName, Revision: w.version.Revision}
	for _, n := range w.nets {
		if !slices.Contains(e.Addrs, n.Addr()) {
			e.Addrs = append(e.Addrs, n.Addr())
		}
	}
	slices.SortFunc(e.Addrs, netip.Addr.Compare)
	if c.spoofing(w.object.Spec.Node) {
		e.SpoofPrefixes = w.spoof
	}
	selecting := c.policiesOf(&w.contributor)
	for d := range e.Tiers {
		e.Tiers[d] = c.tiersOf(selecting, rule.Direction(d), func(p *rule.Policy) bool { return !p.HostOnly() && !p.ID.Kind.Staged() })
	}
	var staged [2][]desired.TierPolicies
	for d := range staged {
		staged[d] = c.tiersOf(selecting, rule.Direction(d), func(p *rule.Policy) bool { return !p.HostOnly() && !c.replaced[p.ID] })
	}
	if !reflect.DeepEqual(staged, e.Tiers) {
		e.Staged = &staged
	}
	e.Profiles = c.profilesOf(&w.contributor)
	return e
}

// policiesOf returns the policies that select something, in order of evaluation.
func (c *Cluster) policiesOf(item *contributor) []*rule.Policy {
	labels := c.labelsOf(item)
	var out []*rule.Policy
	for _, p := range c.policies {
		if p.Selector != nil && p.Selector.Matches(labels) {
			out = append(out, p)
		}
	}
	return out
}

// tiersOf groups those policies that apply and govern a direction by tier.
func (c *Cluster) tiersOf(policies []*rule.Policy, d rule.Direction, applies func(*rule.Policy) bool) []desired.TierPolicies {
	var out []desired.TierPolicies
	for _, p := range policies {
		if !p.Types[d] || !applies(p) {
			continue
		}
		at := slices.IndexFunc(out, func(t desired.TierPolicies) bool { return t.Tier == p.Tier })
		if at < 0 {
			at = len(out)
			out = append(out, desired.TierPolicies{Tier: p.Tier, DefaultAction: c.tiers[p.Tier].DefaultAction})
		}
		out[at].Policies = append(out[at].Policies, p.ID)
	}
	return out
}

// profilesOf returns the profiles of something up to the first that does not exist: what would have come there is unknown and denied.
func (c *Cluster) profilesOf(item *contributor) []rule.PolicyID {
	var out []rule.PolicyID
	for _, name := range item.profiles {
		p, ok := c.profiles[name]
		if !ok {
			break
		}
		out = append(out, p.rules.ID)
	}
	return out
}
