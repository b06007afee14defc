// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"encoding/binary"
	"slices"
	"strings"
	"unique"
)

// class is all items with the same labels and parents.
type class[ItemID, SelID comparable] struct {
	key     string
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
	x.appendKey(labels, parents)
	if c := x.classes[string(x.keyScratch)]; c != nil {
		return c
	}
	c := &class[ItemID, SelID]{key: string(x.keyScratch), labels: intern(labels)}
	for _, n := range parents {
		c.parents = append(c.parents, x.parentOf(n))
	}
	x.classes[c.key] = c
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
	delete(x.classes, c.key)
}

// appendKey makes keyScratch what tells classes apart: their labels, sorted by name, and their parents, each with its length in front.
func (x *Index[ItemID, SelID]) appendKey(labels map[string]string, parents []string) {
	names := x.nameScratch[:0]
	for n := range labels {
		names = append(names, n)
	}
	slices.Sort(names)
	key := binary.AppendUvarint(x.keyScratch[:0], uint64(len(names)))
	for _, n := range names {
		key = appendText(appendText(key, n), labels[n])
	}
	for _, p := range parents {
		key = appendText(key, p)
	}
	x.nameScratch, x.keyScratch = names, key
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

// intern returns the pairs of m, sorted by name.
func intern(m map[string]string) []label {
	out := make([]label, 0, len(m))
	for n, v := range m {
		out = append(out, label{unique.Make(n), unique.Make(v)})
	}
	slices.SortFunc(out, func(a, b label) int { return strings.Compare(a.name.Value(), b.name.Value()) })
	return out
}
