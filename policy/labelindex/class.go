// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"encoding/binary"
	"slices"
	"strings"
)

// class is all items with the same labels and parents.
type class[ItemID, SelID comparable] struct {
	key     string
	labels  []label                  // own, sorted by name
	parents []*parent[ItemID, SelID] // in order of lookup
	members []*item[ItemID, SelID]
	sels    []*sel[SelID] // that select the class, sorted by seq
	unfiled int           // place in Index.unfiled, counted from one; 0: filed under its labels
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

// is tells whether the class is that of these labels, sorted by name, and parents.
func (c *class[ItemID, SelID]) is(labels []Label, parents []string) bool {
	return slices.EqualFunc(c.labels, labels, label.is) && slices.EqualFunc(c.parents, parents, (*parent[ItemID, SelID]).is)
}

// classOf returns the class with these labels, sorted by name, and parents, made if need be: with what it shares with another class, if that is not nil.
func (x *Index[ItemID, SelID]) classOf(labels []Label, parents []string, like *class[ItemID, SelID]) *class[ItemID, SelID] {
	x.keyScratch = appendKey(x.keyScratch[:0], labels, parents)
	if c := x.classes[string(x.keyScratch)]; c != nil {
		return c
	}
	c := &class[ItemID, SelID]{key: string(x.keyScratch), labels: intern(labels, like.own()), parents: make([]*parent[ItemID, SelID], len(parents))}
	for i, n := range parents {
		if like != nil && i < len(like.parents) && like.parents[i].name == n {
			c.parents[i] = like.parents[i]
		} else {
			c.parents[i] = x.parentOf(n)
		}
	}
	x.classes[c.key] = c
	x.unfiled = append(x.unfiled, c)
	c.unfiled = len(x.unfiled)
	for _, p := range c.parents {
		p.classes.add(c)
	}
	c.sels = x.selectingLike(c, like)
	return c
}

// own returns the class's own labels; nil has none.
func (c *class[ItemID, SelID]) own() []label {
	if c == nil {
		return nil
	}
	return c.labels
}

// dropIfEmpty forgets a class without members.
func (x *Index[ItemID, SelID]) dropIfEmpty(c *class[ItemID, SelID]) {
	if len(c.members) > 0 {
		return
	}
	x.withdraw(c)
	for _, p := range c.parents {
		p.classes.remove(c)
		x.tidyParent(p)
	}
	delete(x.classes, c.key)
}

// fileClasses files classes that have come since under their labels. Only selectors that come or go look there, so that a class that is gone by then never
// is.
func (x *Index[ItemID, SelID]) fileClasses() {
	for _, c := range x.unfiled {
		c.unfiled = 0
		for _, l := range c.labels {
			x.classesBy.add(l, c)
		}
	}
	x.unfiled = nil
}

// withdraw is the reverse for one class, filed or not.
func (x *Index[ItemID, SelID]) withdraw(c *class[ItemID, SelID]) {
	if c.unfiled == 0 {
		for _, l := range c.labels {
			x.classesBy.remove(l, c)
		}
		return
	}
	last := len(x.unfiled) - 1
	x.unfiled[c.unfiled-1] = x.unfiled[last]
	x.unfiled[c.unfiled-1].unfiled = c.unfiled
	x.unfiled[last] = nil
	x.unfiled = x.unfiled[:last]
}

// Label is a label as it comes.
type Label struct{ Name, Value string }

// Labels lists labels, in any order.
func Labels(m map[string]string) []Label {
	out := make([]Label, 0, len(m))
	for n, v := range m {
		out = append(out, Label{n, v})
	}
	return out
}

func sortLabels(labels []Label) {
	slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

// appendKey adds what tells classes apart: their labels, sorted by name, and their parents, each with its length in front.
func appendKey(key []byte, labels []Label, parents []string) []byte {
	key = binary.AppendUvarint(key, uint64(len(labels)))
	for _, l := range labels {
		key = appendText(appendText(key, l.Name), l.Value)
	}
	for _, p := range parents {
		key = appendText(key, p)
	}
	return key
}

func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}
