// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package labelindex tells which selectors select which labelled items, incrementally: make an index with New, feed it
// items, parents and selectors in any order, and hear of each match that starts or stops.
//
// An item has its own labels and, behind them, those of its parents (namespaces, service accounts), first parent first.
// Items with the same labels and parents form one class; selectors are evaluated once a class. Classes and parents
// are indexed by label pair, selectors by one condition that all their matches meet, so that a change looks only at
// what it could concern.
package labelindex

import (
	"iter"
	"slices"

	"github.com/weftnet/weft/policy/selector"
)

// Index joins selectors and items. It is not safe for concurrent use.
type Index[ItemID, SelID comparable] struct {
	onStart, onStop func(SelID, ItemID)

	items   map[ItemID]*item[ItemID, SelID]
	classes map[string]*class[ItemID, SelID] // by key
	parents map[string]*parent[ItemID, SelID]
	sels    map[SelID]*sel[SelID]
	lastSeq uint64

	classesBy postings[*class[ItemID, SelID]]  // by own labels, but for
	unfiled   []*class[ItemID, SelID]          // those that have come since fileClasses
	parentsBy postings[*parent[ItemID, SelID]] // by their labels
	selsBy    postings[*sel[SelID]]            // by their indexed condition
	anywhere  set[*sel[SelID]]                 // selectors without any condition
	mentions  map[labelName]*set[*sel[SelID]]  // selectors by every label they look at

	// Reused between calls.
	keyScratch []byte
}

// item is one labelled thing.
type item[ItemID, SelID comparable] struct {
	id    ItemID
	class *class[ItemID, SelID]
	pos   int // in class.members
}

// New returns an empty index. onStart and onStop are called during an update, once for each match that begins or ends,
// in no particular order except that all starts of one relabelled item come before its stops. They must not call the index.
func New[ItemID, SelID comparable](onStart, onStop func(SelID, ItemID)) *Index[ItemID, SelID] {
	return &Index[ItemID, SelID]{
		onStart:  onStart,
		onStop:   onStop,
		items:    map[ItemID]*item[ItemID, SelID]{},
		classes:  map[string]*class[ItemID, SelID]{},
		parents:  map[string]*parent[ItemID, SelID]{},
		sels:     map[SelID]*sel[SelID]{},
		mentions: map[labelName]*set[*sel[SelID]]{},
	}
}

// UpdateItem adds an item or replaces its labels and parents. Neither list is kept; that of the labels, each name once, gets sorted. Parents need not
// exist yet.
func (x *Index[ItemID, SelID]) UpdateItem(id ItemID, labels []Label, parents []string) {
	sortLabels(labels)
	it, ok := x.items[id]
	if !ok {
		it = &item[ItemID, SelID]{id: id}
		x.items[id] = it
	}
	from := it.class
	if from != nil && from.is(labels, parents) {
		return
	}
	to := x.classOf(labels, parents, from)
	var had []*sel[SelID]
	if from != nil {
		had = from.sels
		from.remove(it)
	}
	to.add(it)
	eachMissing(to.sels, had, func(s *sel[SelID]) { x.onStart(s.id, id) })
	eachMissing(had, to.sels, func(s *sel[SelID]) { x.onStop(s.id, id) })
	if from != nil {
		x.dropIfEmpty(from)
	}
}

// DeleteItem removes an item; an unknown one is ignored.
func (x *Index[ItemID, SelID]) DeleteItem(id ItemID) {
	it, ok := x.items[id]
	if !ok {
		return
	}
	delete(x.items, id)
	for _, s := range it.class.sels {
		x.onStop(s.id, id)
	}
	from := it.class
	from.remove(it)
	x.dropIfEmpty(from)
}

// Items returns the items that a selector selects now, in no particular order.
func (x *Index[ItemID, SelID]) Items(id SelID) iter.Seq[ItemID] {
	return func(yield func(ItemID) bool) {
		s, ok := x.sels[id]
		if !ok {
			return
		}
		seen := map[*class[ItemID, SelID]]struct{}{}
		for c := range x.candidates(s.selector) {
			if _, again := seen[c]; again || !c.selectedBy(s) {
				continue
			}
			seen[c] = struct{}{}
			for _, it := range c.members {
				if !yield(it.id) {
					return
				}
			}
		}
	}
}

// Selectors returns the selectors that select an item now, in the order in which they were first added.
func (x *Index[ItemID, SelID]) Selectors(id ItemID) iter.Seq[SelID] {
	return func(yield func(SelID) bool) {
		it, ok := x.items[id]
		if !ok {
			return
		}
		for _, s := range it.class.sels {
			if !yield(s.id) {
				return
			}
		}
	}
}

// sel is one selector and where it is indexed.
type sel[SelID comparable] struct {
	id       SelID
	seq      uint64 // order of arrival; sorts the selectors of a class
	selector *selector.Selector
	names    []labelName // labels it looks at
	place    condition   // key in selsBy or, when it requires nothing, anywhere
}

// eachMissing calls f with what is in a and not in b, both sorted by seq.
func eachMissing[SelID comparable](a, b []*sel[SelID], f func(*sel[SelID])) {
	for _, s := range a {
		for len(b) > 0 && b[0].seq < s.seq {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != s {
			f(s)
		}
	}
}

// bySeq sorts selectors by arrival and removes repetitions.
func bySeq[SelID comparable](list []*sel[SelID]) []*sel[SelID] {
	slices.SortFunc(list, compareSeq)
	return slices.Compact(list)
}

func compareSeq[SelID comparable](a, b *sel[SelID]) int {
	switch {
	case a.seq < b.seq:
		return -1
	case a.seq > b.seq:
		return 1
	}
	return 0
}
