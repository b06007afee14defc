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
	notes  problems // fields of profiles that have no effect yet
	heirs  []heir
	active *active
}

// heir is told the labels that items inherit from a profile.
type heir interface {
	UpdateParent(name string, labels map[string]string)
}

// profile is one name and what is known of it. It stays while it is defined or listed.
type profile struct {
	made, derived *definition
	listed        map[*target]struct{} // by whom it is named
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

func newProfiles(active *active) *profiles {
	return &profiles{byName: map[string]*profile{}, notes: problems{}, active: active}
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
		s.active.touch(profileID(name))
		s.spread(name, before, now)
	}
	if (before == nil) != (now == nil) {
		for t := range p.listed {
			t.touch()
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
	if p := s.byName[name]; p != nil && p.now() == nil && len(p.listed) == 0 {
		delete(s.byName, name)
	}
}

// list and unlist keep account of the targets that name a profile.
func (s *profiles) list(t *target) {
	for _, name := range t.profiles {
		p := s.get(name)
		if p.listed == nil {
			p.listed = map[*target]struct{}{}
		}
		p.listed[t] = struct{}{}
	}
}

func (s *profiles) unlist(t *target) {
	for _, name := range t.profiles {
		delete(s.get(name).listed, t)
		s.forget(name)
	}
}

func profileID(name string) rule.PolicyID { return rule.PolicyID{Kind: rule.KindProfile, Name: name} }
