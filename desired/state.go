// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// State is a View that stands on its own: fill it with [State.Apply], or copy another View with [Snapshot].
type State struct {
	revision  uint64
	endpoints map[EndpointID]*Endpoint
	hosts     map[EndpointID]*HostEndpoint
	settings  *Settings
	policies  map[rule.PolicyID]*Policy
	sets      map[rule.SetID]*IPSet
	tunnels   map[string]Tunnel
	peers     map[TunnelPeerID]TunnelPeer
	routes    map[netip.Prefix]Route
	bgp       *BGP
}

// NewState returns an empty state.
func NewState() *State {
	return &State{
		endpoints: map[EndpointID]*Endpoint{},
		hosts:     map[EndpointID]*HostEndpoint{},
		settings:  DefaultSettings(),
		policies:  map[rule.PolicyID]*Policy{},
		sets:      map[rule.SetID]*IPSet{},
		tunnels:   map[string]Tunnel{},
		peers:     map[TunnelPeerID]TunnelPeer{},
		routes:    map[netip.Prefix]Route{},
	}
}

// Snapshot copies a View. Endpoints and policies are immutable and shared; members of IP sets are copied.
func Snapshot(v View) *State {
	s := NewState()
	s.revision, s.bgp, s.settings = v.Revision(), v.BGP(), v.Settings()
	for e := range v.Endpoints() {
		s.endpoints[e.ID] = e
	}
	for e := range v.HostEndpoints() {
		s.hosts[e.ID] = e
	}
	for p := range v.Policies() {
		s.policies[p.ID] = p
	}
	for set := range v.IPSets() {
		s.sets[set.ID] = &IPSet{ID: set.ID, Kind: set.Kind, Members: maps.Clone(set.Members)}
	}
	for t := range v.Tunnels() {
		s.tunnels[t.Name] = t
	}
	for p := range v.TunnelPeers() {
		s.peers[p.ID] = p
	}
	for r := range v.Routes() {
		s.routes[r.Dst] = r
	}
	return s
}

// Revision implements View.
func (s *State) Revision() uint64 { return s.revision }

// Endpoints implements View.
func (s *State) Endpoints() iter.Seq[*Endpoint] { return Sorted(s.endpoints, EndpointID.Compare) }

// Endpoint implements View.
func (s *State) Endpoint(id EndpointID) (*Endpoint, bool) {
	e, ok := s.endpoints[id]
	return e, ok
}

// HostEndpoints implements View.
func (s *State) HostEndpoints() iter.Seq[*HostEndpoint] {
	return Sorted(s.hosts, EndpointID.Compare)
}

// HostEndpoint implements View.
func (s *State) HostEndpoint(id EndpointID) (*HostEndpoint, bool) {
	e, ok := s.hosts[id]
	return e, ok
}

// Settings implements View.
func (s *State) Settings() *Settings { return s.settings }

// Policies implements View.
func (s *State) Policies() iter.Seq[*Policy] { return Sorted(s.policies, ComparePolicies) }

// Policy implements View.
func (s *State) Policy(id rule.PolicyID) (*Policy, bool) {
	p, ok := s.policies[id]
	return p, ok
}

// IPSets implements View.
func (s *State) IPSets() iter.Seq[*IPSet] { return Sorted(s.sets, cmp.Compare[rule.SetID]) }

// IPSet implements View.
func (s *State) IPSet(id rule.SetID) (*IPSet, bool) {
	set, ok := s.sets[id]
	return set, ok
}

// Tunnels implements View.
func (s *State) Tunnels() iter.Seq[Tunnel] { return Sorted(s.tunnels, strings.Compare) }

// TunnelPeers implements View.
func (s *State) TunnelPeers() iter.Seq[TunnelPeer] { return Sorted(s.peers, TunnelPeerID.Compare) }

// Routes implements View.
func (s *State) Routes() iter.Seq[Route] { return Sorted(s.routes, ComparePrefixes) }

// BGP implements View.
func (s *State) BGP() *BGP { return s.bgp }

// Sorted yields the values of m in the order of their keys.
func Sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m), compare) {
			if !yield(m[k]) {
				return
			}
		}
	}
}
