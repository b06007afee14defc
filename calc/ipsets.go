// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"maps"
	"slices"
	"strings"
	"unique"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/scratch"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// ipSets works out the members of the IP sets that active policies and profiles refer to.
type ipSets struct {
	index    *itemIndex // of endpoints and network sets
	nodes    *itemIndex // of nodes
	services *services
	byID     map[rule.SetID]*ipSet
	idle     map[*ipSet]struct{} // without reference since the last flush
	changed  []*ipSet            // with a journal, or new, since the last flush
}

type itemIndex = labelindex.Index[*item, *ipSet]

// ipSet is a set and what was handed out of it.
type ipSet struct {
	desired.IPSet
	selector *selector.Selector     // nil with service
	nodes    bool                   // the selector is over nodes
	port     unique.Handle[string]  // SetPort: the port's name
	protocol uint8                  // SetPort
	service  rule.Service           // or zero, as with a set that is filled by hand
	refs     int                    // rules that refer to it
	handed   bool                   // the last flush created it, or one before
	more     map[desired.Member]int // items beyond the first that a member comes from
	journal  []change               // of the members since the last flush
}

// change is a member that came or went, and whether it was in before.
type change struct {
	member desired.Member
	was    bool
}

func newIPSets() *ipSets {
	s := &ipSets{byID: map[rule.SetID]*ipSet{}, idle: map[*ipSet]struct{}{}}
	s.index, s.nodes = labelindex.New(s.matchStarted, s.matchStopped), labelindex.New(s.matchStarted, s.matchStopped)
	s.services = newServices(s)
	return s
}

// retain counts a reference to a set and makes it if it is the first.
func (s *ipSets) retain(ref rule.Set) {
	set, ok := s.byID[ref.ID]
	if !ok {
		set = &ipSet{IPSet: desired.IPSet{ID: ref.ID, Kind: ref.Kind, Members: map[desired.Member]struct{}{}},
			selector: ref.Selector, nodes: ref.Nodes, port: unique.Make(ref.Port), protocol: ref.Protocol, service: ref.Service}
		s.byID[ref.ID] = set
		s.changed = append(s.changed, set)
		if ref.Selector != nil {
			s.over(set.nodes).UpdateSelector(set, ref.Selector)
		} else {
			s.services.follow(set)
		}
	}
	set.refs++
}

// keep makes a set that is filled by hand, by add and drop; release ends it.
func (s *ipSets) keep(id rule.SetID) *ipSet {
	set := &ipSet{IPSet: desired.IPSet{ID: id, Kind: rule.SetNet, Members: map[desired.Member]struct{}{}}, refs: 1}
	s.byID[id] = set
	s.changed = append(s.changed, set)
	return set
}

// release takes a reference back. The set stays until the flush, for it may be referred to again before.
func (s *ipSets) release(id rule.SetID) {
	set := s.byID[id]
	if set.refs--; set.refs == 0 {
		s.idle[set] = struct{}{}
	}
}

// update replaces the contents and labels of an item of an index; a new one starts out empty. Nothing handed in is kept.
func (s *ipSets) update(index *itemIndex, it *item, now item, labels []labelindex.Label, profiles []string) {
	if !it.equal(&now) {
		now.nets, now.ports = unlessEmpty(slices.Clone(now.nets)), unlessEmpty(slices.Clone(now.ports))
		old := *it
		for set := range index.Selectors(it) {
			now.members(set, func(m desired.Member) { s.add(set, m) })
			old.members(set, func(m desired.Member) { s.drop(set, m) })
		}
		it.nets, it.ports = now.nets, now.ports
	}
	if it.node != now.node {
		it.node = intern(now.node)
	}
	it.revision = now.revision
	index.UpdateItem(it, labels, profiles)
}

// over is the index of nodes, or of everything else.
func (s *ipSets) over(nodes bool) *itemIndex {
	if nodes {
		return s.nodes
	}
	return s.index
}

func (s *ipSets) matchStarted(set *ipSet, it *item) {
	it.members(set, func(m desired.Member) { s.add(set, m) })
}

func (s *ipSets) matchStopped(set *ipSet, it *item) {
	if set.Members == nil {
		return // discarded
	}
	it.members(set, func(m desired.Member) { s.drop(set, m) })
}

// add counts an item that m comes from.
func (s *ipSets) add(set *ipSet, m desired.Member) {
	if _, ok := set.Members[m]; ok {
		if set.more == nil {
			set.more = map[desired.Member]int{}
		}
		set.more[m]++
		return
	}
	set.Members[m] = struct{}{}
	s.note(set, m, false)
}

// drop takes an item that m came from out of the count.
func (s *ipSets) drop(set *ipSet, m desired.Member) {
	switch n := set.more[m]; n {
	case 0:
		delete(set.Members, m)
		s.note(set, m, true)
	case 1:
		delete(set.more, m)
	default:
		set.more[m] = n - 1
	}
}

// note keeps account of a member that came or went.
func (s *ipSets) note(set *ipSet, m desired.Member, was bool) {
	if !set.handed {
		return // the flush lists all members
	}
	if len(set.journal) == 0 {
		s.changed = append(s.changed, set)
	}
	set.journal = append(set.journal, change{m, was})
}

// flush removes idle sets and puts all changes into d.
func (s *ipSets) flush(d *desired.Delta) {
	for set := range s.idle {
		if set.refs == 0 {
			s.discard(set, d)
		}
	}
	scratch.Empty(&s.idle)
	slices.Sort(d.IPSetsRemoved)
	for _, set := range s.changed {
		if set.Members == nil {
			continue // discarded
		}
		if c := set.flush(); c.Created || len(c.Added)+len(c.Removed) > 0 {
			d.IPSets = append(d.IPSets, c)
		}
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	slices.SortFunc(d.IPSets, func(a, b desired.IPSetChange) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// discard removes a set. References only change while flushing, so a set that has lost its last one was handed out before.
func (s *ipSets) discard(set *ipSet, d *desired.Delta) {
	delete(s.byID, set.ID)
	set.Members = nil
	if set.selector != nil {
		s.over(set.nodes).DeleteSelector(set)
	} else if set.service != (rule.Service{}) {
		s.services.unfollow(set)
	}
	d.IPSetsRemoved = append(d.IPSetsRemoved, set.ID)
}

// mostJournal is how long a journal may have been to be used again.
const mostJournal = 64

// flush returns the change since the last one. A member that is back where it was is none.
func (set *ipSet) flush() desired.IPSetChange {
	c := desired.IPSetChange{ID: set.ID, Kind: set.Kind, Created: !set.handed}
	if c.Created {
		set.handed = true
		c.Added = slices.SortedFunc(maps.Keys(set.Members), desired.Member.Compare)
		return c
	}
	slices.SortStableFunc(set.journal, func(a, b change) int { return a.member.Compare(b.member) })
	for i, first := range set.journal {
		if i > 0 && set.journal[i-1].member == first.member {
			continue
		}
		switch _, now := set.Members[first.member]; {
		case now && !first.was:
			c.Added = append(c.Added, first.member)
		case first.was && !now:
			c.Removed = append(c.Removed, first.member)
		}
	}
	if set.journal = set.journal[:0]; cap(set.journal) > mostJournal {
		set.journal = nil
	}
	return c
}
