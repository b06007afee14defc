// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"maps"
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
)

// scope is which connections have to be looked at.
type scope struct {
	all      bool
	ends     map[netip.Addr]struct{}              // connections with one of these at either end
	nets     map[netip.Prefix]struct{}            // or with an address in one of these
	policies map[rule.PolicyID]struct{}           // or of endpoints that use one of these
	gone     map[netip.Addr]struct{}              // connections of addresses that no workload has any more
	leads    map[lead]map[netip.AddrPort]struct{} // what leads elsewhere now, with where it led
}

func newScope() scope {
	return scope{
		ends: map[netip.Addr]struct{}{}, nets: map[netip.Prefix]struct{}{}, policies: map[rule.PolicyID]struct{}{}, gone: map[netip.Addr]struct{}{},
		leads: map[lead]map[netip.AddrPort]struct{}{},
	}
}

func (s *scope) empty() bool {
	return !s.all && len(s.ends)+len(s.nets)+len(s.policies)+len(s.gone)+len(s.leads) == 0
}

// changed adds what a delta may concern. Members of a new set are no change: whoever refers to it is new or changed too.
func (s *scope) changed(d *desired.Delta) {
	s.all = s.all || d.Settings != nil || len(d.HostEndpoints)+len(d.HostEndpointsRemoved) > 0
	for _, e := range d.Endpoints {
		s.endpoint(e)
	}
	for _, p := range d.Policies {
		if !p.ID.Kind.Staged() {
			s.policies[p.ID] = struct{}{}
		}
	}
	for i := range d.IPSets {
		if c := &d.IPSets[i]; !c.Created {
			s.members(c.Added)
			s.members(c.Removed)
		}
	}
}

func (s *scope) endpoint(e *desired.Endpoint) {
	for _, a := range e.Addrs {
		s.ends[a] = struct{}{}
	}
	for _, p := range e.SpoofPrefixes {
		s.nets[p.Masked()] = struct{}{}
	}
}

func (s *scope) members(list []desired.Member) {
	for _, m := range list {
		if m.Prefix.IsSingleIP() {
			s.ends[m.Prefix.Addr()] = struct{}{}
		} else {
			s.nets[m.Prefix] = struct{}{}
		}
	}
}

// left adds what an endpoint had, and the addresses that are free now: whoever gets one next must not inherit connections.
func (s *scope) left(e *desired.Endpoint, freed []netip.Addr) {
	if e != nil {
		s.endpoint(e)
	}
	for _, a := range freed {
		s.gone[a] = struct{}{}
	}
}

// resolve turns changed policies into the endpoints that use them.
func (s *scope) resolve(view desired.View) {
	if len(s.policies) == 0 || s.all {
		return
	}
	uses := func(id rule.PolicyID) bool {
		_, ok := s.policies[id]
		return ok
	}
	for e := range view.HostEndpoints() {
		if containsFunc(e.Uses(), uses) {
			s.all = true
			return
		}
	}
	for e := range view.Endpoints() {
		if containsFunc(e.Uses(), uses) {
			s.endpoint(e)
		}
	}
}

func containsFunc[T any](seq func(func(T) bool), ok func(T) bool) bool {
	for v := range seq {
		if ok(v) {
			return true
		}
	}
	return false
}

// merge takes over what another scope has.
func (s *scope) merge(other *scope) {
	s.all = s.all || other.all
	maps.Copy(s.ends, other.ends)
	maps.Copy(s.nets, other.nets)
	maps.Copy(s.policies, other.policies)
	maps.Copy(s.gone, other.gone)
	for k, before := range other.leads {
		for to := range before {
			s.moved(map[lead]netip.AddrPort{k: to})
		}
	}
}

// has tells whether a connection between two addresses is to be judged.
func (s *scope) has(src, dst netip.Addr) bool {
	if s.all {
		return true
	}
	_, from := s.ends[src]
	_, to := s.ends[dst]
	return from || to || containsFunc(maps.Keys(s.nets), func(p netip.Prefix) bool { return p.Contains(src) || p.Contains(dst) })
}

// walk is what a look into the kernel's table costs whatever it finds, in connections read instead: it goes through all buckets, of which there are
// ten thousands (11 ms for 262,144; reading a connection takes 0.7 µs).
const walk = 16 << 10

// filters lists the looks into a table of so many connections that find all of the scope, for the least price: two for each IPv4 address, one for all
// of IPv6, by whose addresses the kernel does not pick, or one that reads everything.
func (s *scope) filters(count int) []conntrack.Filter {
	if count == 0 {
		return nil
	}
	everything := []conntrack.Filter{{}}
	if s.all || len(s.nets)+len(s.leads) > 0 || (len(s.ends)+len(s.gone)-1)*walk > count {
		return everything
	}
	var filters []conntrack.Filter
	v6 := false
	for _, addrs := range []map[netip.Addr]struct{}{s.ends, s.gone} {
		for a := range addrs {
			if a.Is6() {
				v6 = true
				continue
			}
			filters = append(filters, conntrack.Filter{From: a}, conntrack.Filter{To: a})
		}
	}
	if v6 {
		filters = append(filters, conntrack.Filter{IPVersion: 6})
	}
	if (len(filters)-1)*walk > count {
		return everything
	}
	return filters
}
