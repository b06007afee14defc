// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/own"
)

// setPlan is a kernel set that shall exist: it holds the members of IP sets, as far as they are of its family, and elements of its own.
type setPlan struct {
	set     ipset.Set
	sources []rule.SetID
	own     map[ipset.Element]struct{}
	tag     unit
	// derived: it is there for the rules that ask for it alone.
	derived bool
}

// setPlans are all sets that shall exist.
type setPlans struct {
	view     desired.View
	byName   map[string]*setPlan
	bySource map[rule.SetID][]*setPlan // those that hold an IP set's members, sorted by name

	refs   map[string]int      // rules that ask for a set
	loose  map[string]struct{} // sets that may be needed no more
	before map[string]*setPlan // changed sets as they were; nil: were not there
}

func newSetPlans(view desired.View, failed map[unit]error) *setPlans {
	p := &setPlans{
		view: view, byName: map[string]*setPlan{}, bySource: map[rule.SetID][]*setPlan{},
		refs: map[string]int{}, loose: map[string]struct{}{}, before: map[string]*setPlan{},
	}
	for s := range view.IPSets() {
		if failed[setUnit(s.ID)] == nil {
			p.putSource(s.ID, s.Kind)
		}
	}
	return p
}

// putSource plans the sets that hold the members of an IP set.
func (p *setPlans) putSource(id rule.SetID, of rule.SetKind) {
	kind := ipset.Net
	if of == rule.SetPort {
		kind = ipset.Port
	}
	for _, f := range families {
		p.put(&setPlan{set: ipset.Set{Name: f.setName(id), Kind: kind, IPv6: f.v6}, sources: []rule.SetID{id}, tag: setUnit(id)})
	}
}

// change takes on what a delta says of IP sets.
func (p *setPlans) change(view desired.View, delta *desired.Delta) {
	p.view = view
	for i := range delta.IPSets {
		if c := &delta.IPSets[i]; c.Created {
			p.putSource(c.ID, c.Kind)
		}
	}
	for _, id := range delta.IPSetsRemoved {
		for _, f := range families {
			p.drop(f.setName(id))
		}
	}
}

func (p *setPlans) put(s *setPlan) {
	name := s.set.Name
	p.drop(name)
	p.byName[name] = s
	for _, id := range s.sources {
		p.bySource[id] = append(p.bySource[id], s)
		slices.SortFunc(p.bySource[id], func(a, b *setPlan) int { return strings.Compare(a.set.Name, b.set.Name) })
	}
	if s.derived {
		p.loose[name] = struct{}{}
	}
}

// drop forgets a set.
func (p *setPlans) drop(name string) {
	was := p.byName[name]
	if _, noted := p.before[name]; !noted {
		p.before[name] = was
	}
	if was == nil {
		return
	}
	delete(p.byName, name)
	for _, id := range was.sources {
		p.bySource[id] = slices.DeleteFunc(p.bySource[id], func(s *setPlan) bool { return s == was })
		if len(p.bySource[id]) == 0 {
			delete(p.bySource, id)
		}
	}
}

// refer counts rules that ask for a set.
func (p *setPlans) refer(name string, n int) {
	if p.refs[name] += n; p.refs[name] == 0 {
		delete(p.refs, name)
		p.loose[name] = struct{}{}
	}
}

// sweep drops derived sets that no rule asks for.
func (p *setPlans) sweep() {
	for name := range p.loose {
		if s := p.byName[name]; s != nil && s.derived && p.refs[name] == 0 {
			p.drop(name)
		}
	}
	clear(p.loose)
}

// constant returns the name of a set of prefixes that belongs to the rules that name it. Equal lists share one set.
func (p *setPlans) constant(f *family, nets []netip.Prefix) string {
	sorted := slices.Clone(nets)
	slices.SortFunc(sorted, desired.ComparePrefixes)
	name := own.SetPrefix + f.tag + "-nets-" + hash(fmt.Sprint(slices.Compact(sorted)))
	if p.byName[name] == nil {
		s := &setPlan{set: ipset.Set{Name: name, IPv6: f.v6}, own: map[ipset.Element]struct{}{}, derived: true}
		for _, n := range nets {
			for _, half := range halves(n) {
				s.own[ipset.Element{Prefix: half}] = struct{}{}
			}
		}
		p.put(s)
	}
	return name
}

// union returns the name of a set of all that is in several: kernel sets by name, and prefixes.
func (p *setPlans) union(f *family, parts []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(parts)))
	if len(sorted) == 1 && p.byName[sorted[0]] != nil {
		return sorted[0]
	}
	name := own.SetPrefix + f.tag + "-any-" + hash(fmt.Sprint(sorted))
	if p.byName[name] != nil {
		return name
	}
	u := &setPlan{set: ipset.Set{Name: name, IPv6: f.v6}, own: map[ipset.Element]struct{}{}, derived: true}
	for _, part := range sorted {
		if s := p.byName[part]; s != nil {
			u.sources = append(u.sources, s.sources...)
			maps.Copy(u.own, s.own)
		} else if prefix, err := netip.ParsePrefix(part); err == nil {
			u.own[ipset.Element{Prefix: prefix}] = struct{}{}
		}
	}
	p.put(u)
	return name
}

// sourceSet holds the addresses that each workload interface may send from. It is for hosts alone: of prefixes the kernel looks at the longest
// that any interface has, and at no shorter one.
func (f *family) sourceSet() ipset.Set {
	return ipset.Set{Name: own.SetPrefix + f.tag + "-source", Kind: ipset.NetIface, IPv6: f.v6}
}

// workloadSources plans the source sets.
func (p *setPlans) workloadSources(endpoints []*desired.Endpoint) {
	for _, f := range families {
		s := &setPlan{set: f.sourceSet(), own: map[ipset.Element]struct{}{}}
		for _, e := range endpoints {
			for _, a := range e.Addrs {
				if familyOf(a) == f {
					s.own[ipset.Element{Prefix: desired.HostPrefix(a), Interface: e.Interface}] = struct{}{}
				}
			}
		}
		p.put(s)
	}
}

// elements yields what the set shall hold. One may come several times.
func (s *setPlan) elements(view desired.View) iter.Seq[ipset.Element] {
	return func(yield func(ipset.Element) bool) {
		for e := range s.own {
			if !yield(e) {
				return
			}
		}
		var few []ipset.Element
		for _, id := range s.sources {
			set, ok := view.IPSet(id)
			if !ok {
				continue
			}
			for m := range set.Members {
				few = s.append(few[:0], m)
				for _, e := range few {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

// size is how many elements the set shall hold at most.
func (s *setPlan) size(view desired.View) int {
	n := len(s.own)
	for _, id := range s.sources {
		if set, ok := view.IPSet(id); ok {
			n += len(set.Members)
		}
	}
	return n
}

// append adds the elements for a member of a source to a list; none if it is of the other family.
func (s *setPlan) append(list []ipset.Element, m desired.Member) []ipset.Element {
	switch {
	case m.Prefix.Addr().Is4() == s.set.IPv6:
		return list
	case s.set.Kind == ipset.Port:
		return append(list, ipset.Element{Prefix: m.Prefix, Protocol: m.Protocol, Port: m.Port})
	case m.Prefix.Bits() > 0:
		return append(list, ipset.Element{Prefix: m.Prefix.Masked()})
	}
	for _, half := range halves(m.Prefix) {
		list = append(list, ipset.Element{Prefix: half})
	}
	return list
}

func (s *setPlan) appendAll(list []ipset.Element, members []desired.Member) []ipset.Element {
	for _, m := range members {
		list = s.append(list, m)
	}
	return list
}

// holds reports whether an element shall be in the set.
func (s *setPlan) holds(view desired.View, e ipset.Element) bool {
	if _, ok := s.own[e]; ok {
		return true
	}
	all := desired.Member{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	if s.set.IPv6 {
		all.Prefix = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	for _, id := range s.sources {
		set, ok := view.IPSet(id)
		if !ok {
			continue
		}
		if _, member := set.Members[desired.Member{Prefix: e.Prefix, Protocol: e.Protocol, Port: e.Port}]; member {
			return true
		}
		if _, everything := set.Members[all]; everything && e.Prefix.Bits() == 1 {
			return true
		}
	}
	return false
}

// checkMembers returns an error for a member that no kernel set can hold.
func checkMembers(kind rule.SetKind, members iter.Seq[desired.Member]) error {
	for m := range members {
		if !m.Prefix.IsValid() || m.Prefix.Addr().Zone() != "" || m.Prefix.Addr().Is4In6() || kind == rule.SetPort && !m.Prefix.IsSingleIP() {
			return fmt.Errorf("member %v is no address", m)
		}
	}
	return nil
}
