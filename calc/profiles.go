// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// profiles holds all profiles: those that users made and those derived from Namespaces and ServiceAccounts. A user's profile wins over
// a derived one of the same name.
type profiles struct {
	byName map[string]*profile
	dirty  map[string]struct{}
	notes  problems // fields of profiles that have no effect yet
	heirs  []heir
	locals *locals
}

// heir is told the labels that items inherit from a profile.
type heir interface {
	UpdateParent(name string, labels map[string]string)
}

// profile is one name and what is known of it. It stays while there is a definition or a use.
type profile struct {
	made, derived *definition
	listed        map[*localEndpoint]struct{} // local endpoints that name it
	used          int                         // endpoints handed out with it
}

// definition is the content of a profile. Every namespace and service account of the cluster makes one and few have endpoints here, so it
// keeps labels without a map, and rules only if they cannot be had from compile again.
type definition struct {
	labels  []label
	compile func() *desired.Policy
}

// label is a label that items inherit.
type label struct{ name, value string }

// now returns the definition in force, nil if the profile does not exist.
func (p *profile) now() *definition {
	if p.made != nil {
		return p.made
	}
	return p.derived
}

func newProfiles() *profiles {
	return &profiles{byName: map[string]*profile{}, dirty: map[string]struct{}{}, notes: problems{}}
}

func (s *profiles) get(name string) *profile {
	p, ok := s.byName[name]
	if !ok {
		p = &profile{}
		s.byName[intern(name)] = p
	}
	return p
}

// exists tells whether a profile is defined.
func (s *profiles) exists(name string) bool {
	p, ok := s.byName[name]
	return ok && p.now() != nil
}

// change lets edit alter the definitions of a profile and passes on what follows.
func (s *profiles) change(name string, edit func(*profile)) {
	p := s.get(name)
	before := p.now()
	edit(p)
	now := p.now()
	if before != now {
		s.dirty[name] = struct{}{}
		s.spread(name, before, now)
	}
	if (before == nil) != (now == nil) {
		for ep := range p.listed {
			s.locals.touch(ep)
		}
	}
	s.forget(name)
}

// spread passes labels on if they changed.
func (s *profiles) spread(name string, before, now *definition) {
	var old []label
	if before != nil {
		old = before.labels
	}
	labels := map[string]string{}
	if now != nil {
		if slices.Equal(old, now.labels) {
			return
		}
		for _, l := range now.labels {
			labels[l.name] = l.value
		}
	}
	for _, h := range s.heirs {
		h.UpdateParent(name, labels)
	}
}

func (s *profiles) forget(name string) {
	if p := s.byName[name]; p != nil && p.now() == nil && len(p.listed) == 0 && p.used == 0 {
		delete(s.byName, name)
	}
}

// list and unlist keep account of the local endpoints that name a profile.
func (s *profiles) list(ep *localEndpoint) {
	for _, name := range ep.profiles {
		p := s.get(name)
		if p.listed == nil {
			p.listed = map[*localEndpoint]struct{}{}
		}
		p.listed[ep] = struct{}{}
	}
}

func (s *profiles) unlist(ep *localEndpoint) {
	for _, name := range ep.profiles {
		delete(s.get(name).listed, ep)
		s.forget(name)
	}
}

// use counts the endpoints handed out with each profile.
func (s *profiles) use(ids []rule.PolicyID, by int) {
	for _, id := range ids {
		s.get(id.Name).used += by
		s.dirty[id.Name] = struct{}{}
	}
}

// flush hands the profiles in use to out.
func (s *profiles) flush(out *active) {
	for name := range s.dirty {
		p := s.byName[name]
		if p != nil && p.used > 0 {
			out.put(p.now().compile())
		} else {
			out.remove(profileID(name))
		}
		s.forget(name)
	}
	clear(s.dirty)
}

func profileID(name string) rule.PolicyID { return rule.PolicyID{Kind: rule.KindProfile, Name: name} }
