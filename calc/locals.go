// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/labelindex"
)

// locals works out the endpoints of this node with the policy in front of them.
type locals struct {
	byID     map[desired.EndpointID]*localEndpoint
	links    claims[string]     // who has an interface
	addrs    claims[netip.Addr] // who has an address, among those that have their interface
	dirty    map[*localEndpoint]struct{}
	out      *table[desired.EndpointID, *desired.Endpoint]
	policies *policies
	profiles *profiles
	active   *active
	routes   *routes
	blocks   *blocks
	exposed  exposed
	// spoofing lets endpoints send from their SpoofPrefixes.
	spoofing bool
}

func newLocals(policies *policies, profiles *profiles, active *active, routes *routes, blocks *blocks) *locals {
	return &locals{
		byID: map[desired.EndpointID]*localEndpoint{}, links: claims[string]{}, addrs: claims[netip.Addr]{}, dirty: map[*localEndpoint]struct{}{},
		out:      newTable(desired.EndpointID.Compare, (*desired.Endpoint).Equal),
		policies: policies, profiles: profiles, active: active, routes: routes, blocks: blocks, exposed: newExposed(),
	}
}

// localEndpoint is an endpoint of this node.
type localEndpoint struct {
	target
	desired.Endpoint      // without policy
	own              bool // known from this node itself, not from the store
	inForce          bool // it has its interface
}

// setSpoofing says whether endpoints may send from their SpoofPrefixes.
func (s *locals) setSpoofing(allowed bool) {
	if s.spoofing == allowed {
		return
	}
	s.spoofing = allowed
	for _, ep := range s.byID {
		if len(ep.SpoofPrefixes) > 0 {
			s.touch(ep)
		}
	}
}

func (s *locals) touch(ep *localEndpoint) { s.dirty[ep] = struct{}{} }

// put adds or replaces an endpoint; own tells that this node knows it from itself.
func (s *locals) put(now desired.Endpoint, own bool, labels []labelindex.Label, profiles []string) {
	ep, ok := s.byID[now.ID]
	if !ok {
		ep = &localEndpoint{}
		ep.target = newTarget(func() { s.touch(ep) })
		s.byID[now.ID] = ep
	}
	old := ep.Endpoint
	s.profiles.unlist(&ep.target)
	ep.Endpoint, ep.own, ep.labels, ep.profiles = now, own, labels, profiles
	s.profiles.list(&ep.target)
	s.links.move(ep, one(old.Interface), one(now.Interface))
	if ep.inForce {
		s.addrs.move(ep, old.Addrs, now.Addrs)
		s.reclaim(ep, &old, &now)
	}
	s.touch(ep)
	if now.Interface == "" {
		s.setInForce(ep, false)
	}
	s.settle(old.Interface, now.Interface)
	s.route(slices.Concat(old.Addrs, now.Addrs))
}

func (s *locals) remove(id desired.EndpointID) {
	ep, ok := s.byID[id]
	if !ok {
		return
	}
	delete(s.byID, id)
	s.profiles.unlist(&ep.target)
	s.links.move(ep, one(ep.Interface), nil)
	s.setInForce(ep, false)
	s.settle(ep.Interface)
}

// settle puts the endpoint that has each interface in force, and no other.
func (s *locals) settle(links ...string) {
	for _, link := range links {
		for i, ep := range s.links.of(link) {
			s.setInForce(ep, i == 0)
		}
	}
}

// setInForce lets policies select the endpoint and gives it its addresses, or takes both away.
func (s *locals) setInForce(ep *localEndpoint, inForce bool) {
	if inForce {
		s.policies.index.UpdateItem(&ep.target, ep.labels, ep.profiles)
	}
	if ep.inForce == inForce {
		return
	}
	ep.inForce = inForce
	s.touch(ep)
	if inForce {
		s.addrs.move(ep, nil, ep.Addrs)
		s.reclaim(ep, nil, &ep.Endpoint)
	} else {
		s.policies.index.DeleteItem(&ep.target)
		s.addrs.move(ep, ep.Addrs, nil)
		s.reclaim(ep, &ep.Endpoint, nil)
	}
	s.route(ep.Addrs)
}

// route brings the routes to some addresses up to date. A floating address leads where it is translated to.
func (s *locals) route(addrs []netip.Addr) {
	for _, addr := range addrs {
		owners := s.addrs.of(addr)
		if len(owners) == 0 && s.exposed.floating {
			owners = s.exposed.floats.of(addr)
		}
		if len(owners) > 0 {
			s.routes.setLocal(addr, owners[0].Interface)
			s.blocks.addLocal(addr)
		} else {
			s.routes.setLocal(addr, "")
			s.blocks.removeLocal(addr)
		}
	}
}

func one(link string) []string {
	if link == "" {
		return nil
	}
	return []string{link}
}
