// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"errors"
	"fmt"
	"net/netip"
)

// Apply carries out a Delta step by step, as a data plane would. It returns what did not fit: a step that creates what is there, removes
// what is not, or leaves a reference to something missing. The state is then as far as the fitting steps bring it. A nil Delta is no change.
func (s *State) Apply(d *Delta) error {
	if d == nil {
		return nil
	}
	var errs []error
	report := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	s.revision = d.Revision
	for i := range d.IPSets {
		report(s.applySet(&d.IPSets[i]))
	}
	for _, p := range d.Policies {
		s.policies[p.ID] = p
		report(s.checkPolicy(p))
	}
	for _, e := range d.Endpoints {
		s.endpoints[e.ID] = e
		report(s.checkEndpoint(e))
	}
	for _, e := range d.HostEndpoints {
		s.hosts[e.ID] = e
		report(s.checkHost(e))
	}
	if d.Settings != nil {
		s.settings = d.Settings
	}
	for _, t := range d.Tunnels {
		s.tunnels[t.Name] = t
	}
	for _, p := range d.TunnelPeers {
		s.peers[p.ID] = p
	}
	for _, r := range d.Routes {
		s.routes[r.Dst] = r
	}
	report(s.applyBGP(d))
	for _, dst := range d.RoutesRemoved {
		report(remove(s.routes, dst, "route"))
	}
	for _, id := range d.TunnelPeersRemoved {
		report(remove(s.peers, id, "tunnel peer"))
	}
	for _, name := range d.TunnelsRemoved {
		report(remove(s.tunnels, name, "tunnel"))
	}
	for _, id := range d.EndpointsRemoved {
		report(remove(s.endpoints, id, "endpoint"))
	}
	for _, id := range d.HostEndpointsRemoved {
		report(remove(s.hosts, id, "host endpoint"))
	}
	for _, id := range d.PoliciesRemoved {
		report(remove(s.policies, id, "policy"))
	}
	for _, id := range d.IPSetsRemoved {
		report(remove(s.sets, id, "IP set"))
	}
	report(s.Check())
	return errors.Join(errs...)
}

// Check returns an error that names every reference to a policy or IP set that is not there.
func (s *State) Check() error {
	var errs []error
	for p := range s.Policies() {
		errs = append(errs, s.checkPolicy(p))
	}
	for e := range s.Endpoints() {
		errs = append(errs, s.checkEndpoint(e))
	}
	for e := range s.HostEndpoints() {
		errs = append(errs, s.checkHost(e))
	}
	for _, id := range s.settings.Sets() {
		if _, ok := s.sets[id]; !ok {
			errs = append(errs, fmt.Errorf("settings refer to IP set %s, which is not there", id))
		}
	}
	errs = append(errs, s.checkTunnels(), s.checkTranslations())
	return errors.Join(errs...)
}

func (s *State) checkPolicy(p *Policy) error {
	for set := range p.Sets() {
		if _, ok := s.sets[set.ID]; !ok {
			return fmt.Errorf("policy %v refers to IP set %s, which is not there", p.ID, set.ID)
		}
	}
	return nil
}

func (s *State) checkEndpoint(e *Endpoint) error {
	for id := range e.Uses() {
		if _, ok := s.policies[id]; !ok {
			return fmt.Errorf("endpoint %s refers to policy %v, which is not there", e.ID, id)
		}
	}
	return nil
}

func (s *State) checkHost(e *HostEndpoint) error {
	for id := range e.Uses() {
		if _, ok := s.policies[id]; !ok {
			return fmt.Errorf("host endpoint %s refers to policy %v, which is not there", e.ID.Name, id)
		}
	}
	return nil
}

// checkTranslations looks for floating IPs and host ports that lead to several endpoints.
func (s *State) checkTranslations() error {
	var errs []error
	taken := map[any]EndpointID{}
	claim := func(e *Endpoint, key any, what fmt.Stringer) {
		if other, ok := taken[key]; ok {
			errs = append(errs, fmt.Errorf("endpoints %s and %s both have %s", other, e.ID, what))
		}
		taken[key] = e.ID
	}
	for e := range s.Endpoints() {
		for _, f := range e.FloatingIPs {
			claim(e, f.External, f)
		}
		for _, p := range e.HostPorts {
			key := p
			key.To = netip.AddrPort{}
			claim(e, [2]any{key, p.To.Addr().Is4()}, p)
		}
	}
	return errors.Join(errs...)
}

// checkTunnels looks for peers and routes without their device.
func (s *State) checkTunnels() error {
	var errs []error
	for p := range s.TunnelPeers() {
		if _, ok := s.tunnels[p.ID.Tunnel]; !ok {
			errs = append(errs, fmt.Errorf("tunnel peer %s refers to a tunnel that is not there", p.ID))
		}
	}
	for r := range s.Routes() {
		if _, ok := s.tunnels[r.Interface]; r.Kind == RouteTunnel && !ok {
			errs = append(errs, fmt.Errorf("route %s refers to tunnel %s, which is not there", r.Dst, r.Interface))
		}
	}
	return errors.Join(errs...)
}

func (s *State) applySet(c *IPSetChange) error {
	set := s.sets[c.ID]
	switch {
	case c.Created && set != nil:
		return fmt.Errorf("IP set %s is created a second time", c.ID)
	case !c.Created && set == nil:
		return fmt.Errorf("IP set %s is changed and not there", c.ID)
	case c.Created:
		set = &IPSet{ID: c.ID, Kind: c.Kind, Members: make(map[Member]struct{}, len(c.Added))}
		s.sets[c.ID] = set
	}
	for _, m := range c.Added {
		if _, ok := set.Members[m]; ok {
			return fmt.Errorf("IP set %s: member %v is added a second time", c.ID, m)
		}
		set.Members[m] = struct{}{}
	}
	for _, m := range c.Removed {
		if _, ok := set.Members[m]; !ok {
			return fmt.Errorf("IP set %s: member %v is removed and not there", c.ID, m)
		}
		delete(set.Members, m)
	}
	return nil
}

func (s *State) applyBGP(d *Delta) error {
	switch {
	case d.BGPRemoved && (s.bgp == nil || d.BGP != nil):
		return errors.New("BGP is removed, but it is absent or set in the same delta")
	case d.BGPRemoved:
		s.bgp = nil
	case d.BGP != nil:
		s.bgp = d.BGP
	}
	return nil
}

func remove[K comparable, V any](m map[K]V, key K, noun string) error {
	if _, ok := m[key]; !ok {
		return fmt.Errorf("%s %v is removed and not there", noun, key)
	}
	delete(m, key)
	return nil
}

var _ View = (*State)(nil)
