// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// ledger knows what the kernel was given and who needs it: chains and constant sets exist as long as something refers to them. Changes are
// put in, then plan says what the kernel must be told. After an error the ledger is of no use: make a new one from the view.
type ledger struct {
	view      desired.View
	sets      map[rule.SetID]*ipset // that are wanted
	wanted    wanted
	endpoints map[desired.EndpointID]*endpoint
	hosts     map[desired.EndpointID]*endpoint
	ifaces    map[string]desired.EndpointID
	chains    map[string]*chain
	consts    map[string]*konst
	policyUse index[rule.PolicyID]
	setUse    index[rule.SetID]
	traits    map[rule.PolicyID]traits
	peers     map[string]*peerIndex // by the name of the indexed tier's chain
	peerUse   index[rule.SetID]     // indexed tiers' chains that a set's members decide about
	frame     frameState

	translated int // endpoints that addresses lead to by translation
	options    Options

	shutters map[string]struct{}     // interfaces that are shut
	present  func(iface string) bool // whether an interface is there

	// The plan in the making: what is known of it, the chains to write, and names to look at before it is done: chains to render, chains that
	// may have lost their last reference, constant sets.
	next        *plan
	writes      map[string]chainWrite
	dirty       map[string]struct{}
	idle        map[string]struct{}
	dirtyConsts map[string]struct{}
	reindexed   map[string]struct{}
	touched     map[string]map[netip.Addr]struct{} // peers by the name of the indexed tier's chain
}

// traits are what chains that jump to a policy must know of it, by direction.
type traits struct {
	pass, empty [2]bool
	keys        [2]string // see keySets; empty: none
	merge       [2]string // see mergeable; empty: never
}

func traitsOf(p *desired.Policy) traits {
	var t traits
	for dir := range t.pass {
		t.pass[dir] = canPass(p, rule.Direction(dir))
		t.empty[dir] = len(p.Rules[dir]) == 0
		t.merge[dir] = mergeable(p, rule.Direction(dir))
		if sets, ok := keySets(p, rule.Direction(dir)); ok {
			t.keys[dir] = fmt.Sprint(sets)
		}
	}
	return t
}

// index says which chains depend on something.
type index[K comparable] map[K]map[string]struct{}

func (x index[K]) put(k K, name string) {
	if x[k] == nil {
		x[k] = map[string]struct{}{}
	}
	x[k][name] = struct{}{}
}

func (x index[K]) drop(k K, name string) {
	delete(x[k], name)
	if len(x[k]) == 0 {
		delete(x, k)
	}
}

// chain is a chain that exists or shall exist.
type chain struct {
	spec       chainSpec
	refs       int
	rendered   bool // refs, sum and the rest are those of a rendering
	programmed bool // it is in the kernel
	sum        [sha256.Size]byte
	jumps      []string
	sets       []rule.SetID
	consts     []string
}

// konst is a constant set that exists or shall exist.
type konst struct {
	*constSet
	refs       int
	programmed bool
	tag        unit
}

// newLedger starts with nothing.
func newLedger(view desired.View, o Options) *ledger {
	l := &ledger{
		view: view, sets: map[rule.SetID]*ipset{}, wanted: newWanted(), endpoints: map[desired.EndpointID]*endpoint{}, hosts: map[desired.EndpointID]*endpoint{},
		ifaces: map[string]desired.EndpointID{},
		chains: map[string]*chain{}, consts: map[string]*konst{}, policyUse: index[rule.PolicyID]{}, setUse: index[rule.SetID]{},
		traits: map[rule.PolicyID]traits{}, peers: map[string]*peerIndex{}, peerUse: index[rule.SetID]{}, options: o,
		shutters: map[string]struct{}{}, present: func(string) bool { return false },
	}
	l.begin(view)
	l.frame.stale = true
	return l
}

// begin starts a plan.
func (l *ledger) begin(view desired.View) {
	l.view, l.next, l.writes = view, &plan{}, blank(l.writes)
	l.dirty, l.idle, l.dirtyConsts = blank(l.dirty), blank(l.idle), blank(l.dirtyConsts)
	l.wanted.looked = blank(l.wanted.looked)
	l.reindexed, l.touched = blank(l.reindexed), blank(l.touched)
}

// blank returns an empty map: the old one if nothing is in it, since most changes concern few of them.
func blank[K comparable, V any](m map[K]V) map[K]V {
	if m != nil && len(m) == 0 {
		return m
	}
	return map[K]V{}
}

// putSet takes in a change of an IP set. A set whose shape changes makes the chains that use it dirty.
func (l *ledger) putSet(c *desired.IPSetChange) error {
	s, ok := l.sets[c.ID]
	if !ok && (l.wanted.counts[c.ID] == 0 || !c.Created) {
		return nil // not wanted, or only now: then all of it is put in by putWanted
	}
	if ok == c.Created {
		return fmt.Errorf("%v: created twice, or changed before it was created", setUnit(c.ID))
	}
	if !ok {
		s = &ipset{kind: c.Kind}
		l.sets[c.ID] = s
	}
	before := s.shape()
	changes, err := s.change(c)
	if err != nil {
		return fmt.Errorf("%v: %w", setUnit(c.ID), err)
	}
	l.touch(c)
	l.reshape(c.ID, c.Created, before, s.shape())
	l.next.keys = append(l.next.keys, l.relevant(c.ID, changes)...)
	return nil
}

// reshape creates and drops kernel sets as the shape asks.
func (l *ledger) reshape(id rule.SetID, created bool, before, after shape) {
	if !created && before == after {
		return // a member more or less, as nearly always
	}
	old := map[string]bool{}
	if !created {
		for _, s := range kernelSets(id, before) {
			old[s.Name] = true
		}
	}
	for _, s := range kernelSets(id, after) {
		if !old[s.Name] {
			l.next.addSets = append(l.next.addSets, setAdd{s, setUnit(id)})
		}
		delete(old, s.Name)
	}
	for name := range old {
		l.next.dropSets = append(l.next.dropSets, name)
	}
	if before != after {
		l.frame.stale = l.frame.stale || slices.Contains(frameSets, id)
		for name := range l.setUse[id] {
			l.dirty[name] = struct{}{}
		}
	}
}

// relevant leaves out changes of kernel sets that are dropped: sets of prefixes go with their last member.
func (l *ledger) relevant(id rule.SetID, changes []keyChange) []keyChange {
	return slices.DeleteFunc(changes, func(c keyChange) bool {
		if !c.set.Interval {
			return false
		}
		kept := func(s *nft.Set) bool { return s.Name == c.set.Name }
		return !slices.ContainsFunc(kernelSets(id, l.sets[id].shape()), kept)
	})
}

// dropSet takes an IP set away, if it was wanted.
func (l *ledger) dropSet(id rule.SetID) {
	s, ok := l.sets[id]
	if !ok {
		return
	}
	for _, k := range kernelSets(id, s.shape()) {
		l.next.dropSets = append(l.next.dropSets, k.Name)
	}
	delete(l.sets, id)
}

// putPolicy takes in a new, changed or removed policy: its chains and those that contain its rules become dirty; those that only jump to it
// when their jump is concerned.
func (l *ledger) putPolicy(id rule.PolicyID) {
	old := l.traits[id]
	now := old
	if p, ok := l.view.Policy(id); ok {
		now = traitsOf(p)
		l.traits[id] = now
	} else {
		delete(l.traits, id)
	}
	for name := range l.policyUse[id] {
		if s := l.chains[name].spec; s.isPolicy || old != now || now.pass[s.role.dir] {
			l.dirty[name] = struct{}{}
		}
	}
}
