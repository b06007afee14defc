// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
)

// refreshLinks reads the state of the interfaces that the given destinations are routed to, but of tunnels only where it is unknown: those
// were not made this moment, and a change of theirs comes as an event. It signals when another destination was routed by a state that has
// passed: the event that tells of it will look like old news.
func (m *Manager) refreshLinks(dsts []netip.Prefix) error {
	names := m.interfaces(dsts)
	if len(names) == 0 {
		return nil
	}
	states, err := m.kernel.LinkStates(slices.Sorted(maps.Keys(names)))
	if err != nil {
		return m.broken(err)
	}
	changed := map[string]int{}
	for name, uses := range names {
		before, known := m.links[name]
		now, exists := states[name]
		if known != exists || before != now {
			changed[name] = uses
		}
		delete(m.links, name)
		if exists {
			m.links[name] = now
		}
	}
	if len(changed) > 0 && m.usedElsewhere(changed) {
		m.signal()
	}
	return nil
}

// usedElsewhere says whether an interface has more destinations than those counted.
func (m *Manager) usedElsewhere(counted map[string]int) bool {
	for _, r := range m.local {
		if uses, ok := counted[r.Interface]; ok && throughLink(r) {
			if uses == 0 {
				return true
			}
			counted[r.Interface] = uses - 1
		}
	}
	return false
}

// interfaces counts, by name, the given destinations that are routed to an interface to be looked at.
func (m *Manager) interfaces(dsts []netip.Prefix) map[string]int {
	names := map[string]int{}
	for _, dst := range dsts {
		r, ok := m.local[dst]
		if !ok || !throughLink(r) {
			continue
		}
		if _, known := m.links[r.Interface]; !known || r.Kind == desired.RouteLocal {
			names[r.Interface]++
		}
	}
	return names
}

// wants says whether a destination is routed to the interface.
func (m *Manager) wants(name string) bool {
	for _, r := range m.local {
		if throughLink(r) && r.Interface == name {
			return true
		}
	}
	return false
}

// throughLink tells whether a route names its link.
func throughLink(r desired.Route) bool {
	return r.Kind == desired.RouteLocal || r.Kind == desired.RouteTunnel
}
