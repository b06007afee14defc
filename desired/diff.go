// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// Diff returns the least Delta that turns from into to, or nil when they differ in the revision at most. Its cost is that of both views.
func Diff(from, to View) *Delta {
	d := &Delta{Revision: to.Revision()}
	old, now := Snapshot(from), Snapshot(to)
	for set := range now.IPSets() {
		if c := DiffSets(old.sets[set.ID], set); c != nil {
			d.IPSets = append(d.IPSets, *c)
		}
	}
	d.Policies = changed(now.Policies(), func(p *Policy) bool { return !p.Equal(old.policies[p.ID]) })
	d.Endpoints = changed(now.Endpoints(), func(e *Endpoint) bool { return !e.Equal(old.endpoints[e.ID]) })
	d.HostEndpoints = changed(now.HostEndpoints(), func(e *HostEndpoint) bool { return !e.Equal(old.hosts[e.ID]) })
	if !now.settings.Equal(old.settings) {
		d.Settings = now.settings
	}
	d.Tunnels = changed(now.Tunnels(), func(t Tunnel) bool { return old.tunnels[t.Name] != t })
	d.TunnelPeers = changed(now.TunnelPeers(), func(p TunnelPeer) bool { return !p.Equal(old.peers[p.ID]) })
	d.Routes = changed(now.Routes(), func(r Route) bool {
		have, ok := old.routes[r.Dst]
		return !ok || have != r
	})
	if !now.bgp.Equal(old.bgp) {
		d.BGP, d.BGPRemoved = now.bgp, now.bgp == nil
	}
	d.RoutesRemoved = missing(old.routes, now.routes, ComparePrefixes)
	d.EndpointsRemoved = missing(old.endpoints, now.endpoints, EndpointID.Compare)
	d.HostEndpointsRemoved = missing(old.hosts, now.hosts, EndpointID.Compare)
	d.TunnelPeersRemoved = missing(old.peers, now.peers, TunnelPeerID.Compare)
	d.TunnelsRemoved = missing(old.tunnels, now.tunnels, strings.Compare)
	d.PoliciesRemoved = missing(old.policies, now.policies, ComparePolicies)
	d.IPSetsRemoved = missing(old.sets, now.sets, cmp.Compare[rule.SetID])
	if d.IsEmpty() {
		return nil
	}
	return d
}

// DiffSets returns the change from one version of a set (nil: absent) to the next, or nil when they are equal.
func DiffSets(from, to *IPSet) *IPSetChange {
	c := &IPSetChange{ID: to.ID, Kind: to.Kind, Created: from == nil}
	if c.Created {
		c.Added = slices.SortedFunc(maps.Keys(to.Members), Member.Compare)
		return c
	}
	c.Added = missing(to.Members, from.Members, Member.Compare)
	c.Removed = missing(from.Members, to.Members, Member.Compare)
	if len(c.Added)+len(c.Removed) == 0 {
		return nil
	}
	return c
}

// IsEmpty tells whether d changes nothing; the revision does not count.
func (d *Delta) IsEmpty() bool {
	return len(d.IPSets)+len(d.Policies)+len(d.Endpoints)+len(d.HostEndpoints)+len(d.Routes) == 0 && d.Settings == nil && d.BGP == nil && !d.BGPRemoved &&
		len(d.Tunnels)+len(d.TunnelPeers)+len(d.TunnelsRemoved)+len(d.TunnelPeersRemoved) == 0 &&
		len(d.RoutesRemoved)+len(d.EndpointsRemoved)+len(d.HostEndpointsRemoved)+len(d.PoliciesRemoved)+len(d.IPSetsRemoved) == 0
}

// changed collects the values that test is true for.
func changed[V any](values iter.Seq[V], test func(V) bool) []V {
	var out []V
	for v := range values {
		if test(v) {
			out = append(out, v)
		}
	}
	return out
}

// missing returns the sorted keys of a that b does not have.
func missing[K comparable, V any](a, b map[K]V, compare func(x, y K) int) []K {
	var out []K
	for k := range a {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, compare)
	return out
}
