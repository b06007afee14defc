// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"reflect"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// minimise returns a scenario that still differs and that no single step makes smaller: no object, rule, set member or field of a match can
// be left out. A scenario that does not differ when it is tried again is returned as it is.
func minimise(differs func(scenario) bool, s scenario) scenario {
	direct := s
	direct.before = nil
	switch {
	case s.before != nil && differs(direct):
		s = direct
	case !differs(s):
		return s
	}
	for smaller := true; smaller; {
		smaller = false
		for _, part := range []func(*scenario) **desired.Delta{
			func(s *scenario) **desired.Delta { return &s.before },
			func(s *scenario) **desired.Delta { return &s.now },
		} {
			for i := 0; *part(&s) != nil; {
				candidate, ok := reduced(*part(&s), i)
				if candidate == nil && !ok {
					break
				}
				next := s
				*part(&next) = candidate
				if ok && differs(next) {
					s, smaller = next, true
				} else {
					i++
				}
			}
		}
	}
	return s
}

// reduced returns a creation with its i-th reducible part left out, and whether that makes sense. It is nil when there are fewer parts.
func reduced(d *desired.Delta, i int) (*desired.Delta, bool) {
	out := clone(reflect.ValueOf(d)).Interface().(*desired.Delta)
	r := reducer{left: i}
	if r.walk(reflect.ValueOf(out).Elem()); !r.done {
		return nil, false
	}
	tidy(out)
	return out, sensible(out)
}

// reducer leaves out one part of a value.
type reducer struct {
	left int // parts to pass by
	done bool
}

// here tells whether this part is the one.
func (r *reducer) here() bool {
	if !r.done && r.left == 0 {
		r.done = true
		return true
	}
	r.left--
	return false
}

func (r *reducer) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		r.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			r.walk(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			r.walk(v.Elem())
		}
	case reflect.Struct:
		r.fields(v)
	}
}

func (r *reducer) slice(v reflect.Value) {
	for i := 0; i < v.Len() && !r.done; i++ {
		if r.here() {
			v.Set(reflect.AppendSlice(v.Slice3(0, i, i), v.Slice(i+1, v.Len())))
			return
		}
	}
	for i := 0; i < v.Len() && !r.done; i++ {
		r.walk(v.Index(i))
	}
}

// fields goes through a struct. Scalars are parts of matches and of settings only: elsewhere they say what an object is.
func (r *reducer) fields(v reflect.Value) {
	scalars := false
	switch v.Interface().(type) {
	case rule.Match, desired.Settings:
		scalars = true
	}
	for f, field := range v.Fields() {
		switch {
		case r.done || !f.IsExported() || f.Type == reflect.TypeFor[rule.Set]():
			continue
		case scalars && !field.IsZero() && field.Kind() != reflect.Struct && field.Kind() != reflect.Slice && field.Kind() != reflect.Array && r.here():
			field.SetZero()
		default:
			r.walk(field)
		}
	}
}

// clone copies a value and all that it points to. Types with unexported fields are values by themselves.
func clone(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && !opaque(v.Type().Elem()) {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(clone(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
	case reflect.Struct:
		if !opaque(v.Type()) {
			for i := range v.NumField() {
				out.Field(i).Set(clone(v.Field(i)))
			}
		}
	}
	return out
}

func opaque(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		if !f.IsExported() {
			return true
		}
	}
	return false
}

// tidy takes away what refers to what is not there, and what nothing refers to.
func tidy(d *desired.Delta) {
	sets := map[rule.SetID]bool{}
	for _, s := range d.IPSets {
		sets[s.ID] = true
	}
	policies, used := map[rule.PolicyID]bool{}, map[rule.PolicyID]bool{}
	for _, p := range d.Policies {
		policies[p.ID] = true
		for dir := range p.Rules {
			p.Rules[dir] = slices.DeleteFunc(p.Rules[dir], func(r rule.Rule) bool { return !known(&r, sets) })
		}
	}
	ids := func(list *[]rule.PolicyID) {
		*list = slices.DeleteFunc(*list, func(id rule.PolicyID) bool { return !policies[id] })
		for _, id := range *list {
			used[id] = true
		}
	}
	tiers := func(lists ...*[]desired.TierPolicies) {
		for _, list := range lists {
			for i := range *list {
				ids(&(*list)[i].Policies)
			}
			*list = slices.DeleteFunc(*list, func(t desired.TierPolicies) bool { return len(t.Policies) == 0 })
		}
	}
	for _, e := range d.Endpoints {
		tiers(&e.Tiers[0], &e.Tiers[1])
		ids(&e.Profiles)
	}
	for _, e := range d.HostEndpoints {
		tiers(&e.Untracked[0], &e.Untracked[1], &e.PreDNAT, &e.Normal[0], &e.Normal[1], &e.Forward[0], &e.Forward[1])
		ids(&e.Profiles)
	}
	d.Policies = slices.DeleteFunc(d.Policies, func(p *desired.Policy) bool { return !used[p.ID] })
	clear(sets)
	for _, p := range d.Policies {
		for set := range p.Sets() {
			sets[set.ID] = true
		}
	}
	d.IPSets = slices.DeleteFunc(d.IPSets, func(s desired.IPSetChange) bool { return !sets[s.ID] })
}

func known(r *rule.Rule, sets map[rule.SetID]bool) bool {
	p := desired.Policy{Rules: [2][]rule.Rule{{*r}}}
	for set := range p.Sets() {
		if !sets[set.ID] {
			return false
		}
	}
	return true
}

// sensible tells whether all matches are such as rule.Match says they are: parts left out may have been what others need.
func sensible(d *desired.Delta) bool {
	for _, p := range d.Policies {
		for _, rules := range p.Rules {
			for i := range rules {
				m := &rules[i].Match
				if (m.ICMP != nil || m.NotICMP != nil) && m.Protocol != protoICMP && m.Protocol != protoICMPv6 {
					return false
				}
				for _, s := range []*rule.Side{&m.Src, &m.Dst} {
					ports := len(s.Ports)+len(s.NotPorts)+len(s.NotPortSets) > 0
					if ports && !slices.Contains([]uint8{protoTCP, protoUDP, protoSCTP}, m.Protocol) {
						return false
					}
				}
			}
		}
	}
	return true
}
