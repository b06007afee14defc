// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"hash/maphash"
	"slices"
	"strings"
	"unique"
)

// class is all items with the same labels and parents.
type class[ItemID, SelID comparable] struct {
	hash    uint64
	next    *class[ItemID, SelID]    // in the chain of equal hashes
	labels  []label                  // own, sorted by name
	parents []*parent[ItemID, SelID] // in order of lookup
	members []*item[ItemID, SelID]
	sels    []*sel[SelID] // that select the class, sorted by seq
}

// Get implements selector.Labels: own labels first, then the parents' in order.
func (c *class[ItemID, SelID]) Get(name string) (string, bool) {
	if v, ok := find(c.labels, name); ok {
		return v, true
	}
	for _, p := range c.parents {
		if v, ok := find(p.labels, name); ok {
			return v, true
		}
	}
	return "", false
}

func find(labels []label, name string) (string, bool) {
	for _, l := range labels {
		if l.name.Value() == name {
			return l.value.Value(), true
		}
	}
	return "", false
}

func (c *class[ItemID, SelID]) add(it *item[ItemID, SelID]) {
	it.class, it.pos = c, len(c.members)
	c.members = append(c.members, it)
}

func (c *class[ItemID, SelID]) remove(it *item[ItemID, SelID]) {
	last := len(c.members) - 1
	c.members[it.pos] = c.members[last]
	c.members[it.pos].pos = it.pos
	c.members[last] = nil
	c.members = c.members[:last]
}

func (c *class[ItemID, SelID]) selectedBy(s *sel[SelID]) bool {
	_, found := slices.BinarySearchFunc(c.sels, s, compareSeq)
	return found
}

// classOf returns the class with these labels and parents, made if need be.
func (x *Index[ItemID, SelID]) classOf(labels map[string]string, parents []string) *class[ItemID, SelID] {
	x.labelScratch = intern(x.labelScratch[:0], labels)
	x.parentScratch = x.parentScratch[:0]
	for _, n := range parents {
		x.parentScratch = append(x.parentScratch, x.parentOf(n))
	}
	hash := x.hash(x.labelScratch, x.parentScratch)
	for c := x.classes[hash]; c != nil; c = c.next {
		if slices.Equal(c.labels, x.labelScratch) && slices.Equal(c.parents, x.parentScratch) {
			return c
		}
	}
	c := &class[ItemID, SelID]{
		hash:    hash,
		next:    x.classes[hash],
		labels:  slices.Clone(x.labelScratch),
		parents: slices.Clone(x.parentScratch),
	}
	x.classes[hash] = c
	for _, l := range c.labels {
		x.classesBy.add(l, c)
	}
	for _, p := range c.parents {
		p.classes.add(c)
	}
	c.sels = x.selecting(c)
	return c
}

// dropIfEmpty forgets a class without members.
func (x *Index[ItemID, SelID]) dropIfEmpty(c *class[ItemID, SelID]) {
	if len(c.members) > 0 {
		return
	}
	for _, l := range c.labels {
		x.classesBy.remove(l, c)
	}
	for _, p := range c.parents {
		p.classes.remove(c)
		x.tidyParent(p)
	}
	first := x.classes[c.hash]
	if first != c {
		for first.next != c {
			first = first.next
		}
		first.next = c.next
	} else if c.next != nil {
		x.classes[c.hash] = c.next
	} else {
		delete(x.classes, c.hash)
	}
}

// classHash returns a hash over the labels and parents of a class.
func classHash[ItemID, SelID comparable](seed maphash.Seed) func([]label, []*parent[ItemID, SelID]) uint64 {
	return func(labels []label, parents []*parent[ItemID, SelID]) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, l := range labels {
			maphash.WriteComparable(&h, l)
		}
		for _, p := range parents {
			maphash.WriteComparable(&h, p)
		}
		return h.Sum64()
	}
}

// intern appends the pairs of m to out, sorted by name.
func intern(out []label, m map[string]string) []label {
	for n, v := range m {
		out = append(out, label{unique.Make(n), unique.Make(v)})
	}
	slices.SortFunc(out, func(a, b label) int { return strings.Compare(a.name.Value(), b.name.Value()) })
	return out
}
