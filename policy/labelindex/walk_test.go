// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weftnet/weft/policy/selector"
)

// world holds an index and, beside it, the plain inputs and the matches heard of.
type world struct {
	index   *Index[int, string]
	items   map[int]oracleItem
	parents map[string]selector.Map
	sels    map[string]*selector.Selector
	matches map[match]bool
	fault   error // first start of a running match or stop of none
	events  int
}

type match struct {
	sel  string
	item int
}

type oracleItem struct {
	labels  selector.Map
	parents []string
	all     map[string]selector.Map
}

// Get resolves inheritance in the plainest way.
func (o oracleItem) Get(name string) (string, bool) {
	if v, ok := o.labels[name]; ok {
		return v, true
	}
	for _, p := range o.parents {
		if v, ok := o.all[p][name]; ok {
			return v, true
		}
	}
	return "", false
}

func newWorld() *world {
	w := &world{
		items: map[int]oracleItem{}, parents: map[string]selector.Map{},
		sels: map[string]*selector.Selector{}, matches: map[match]bool{},
	}
	w.index = New(
		func(s string, i int) { w.hear(match{s, i}, true) },
		func(s string, i int) { w.hear(match{s, i}, false) },
	)
	return w
}

func (w *world) hear(m match, starts bool) {
	w.events++
	if w.matches[m] == starts && w.fault == nil {
		w.fault = fmt.Errorf("%v: start=%v heard twice", m, starts)
	}
	if starts {
		w.matches[m] = true
	} else {
		delete(w.matches, m)
	}
}

func (w *world) updateItem(id int, labels selector.Map, parents ...string) {
	w.items[id] = oracleItem{labels, parents, w.parents}
	w.index.UpdateItem(id, Labels(labels), parents)
}

func (w *world) updateSelector(id, text string) {
	s, err := selector.Parse(text)
	if err != nil {
		w.fault = err
		return
	}
	w.sels[id] = s
	w.index.UpdateSelector(id, s)
}

// check compares what was heard with a full evaluation.
func (w *world) check() error {
	if w.fault != nil {
		return w.fault
	}
	want := map[match]bool{}
	for s, sel := range w.sels {
		for i, it := range w.items {
			if sel.Matches(it) {
				want[match{s, i}] = true
			}
		}
	}
	if !maps.Equal(want, w.matches) {
		return fmt.Errorf("matches %v, want %v", w.matches, want)
	}
	return w.checkQueries()
}

func (w *world) checkQueries() error {
	n := 0
	for s := range w.sels {
		for i := range w.index.Items(s) {
			if n++; !w.matches[match{s, i}] {
				return fmt.Errorf("Items(%s) holds %d", s, i)
			}
		}
	}
	for i := range w.items {
		for s := range w.index.Selectors(i) {
			if n++; !w.matches[match{s, i}] {
				return fmt.Errorf("Selectors(%d) holds %s", i, s)
			}
		}
	}
	if n != 2*len(w.matches) {
		return fmt.Errorf("queries gave %d results for %d matches", n, len(w.matches))
	}
	return nil
}

var walkSelectors = []string{
	"all()", "!all()", "a == '1'", "a != '1'", "a in {'1','2'}", "a not in {'2','3'}", "a in {}", "has(a)", "!has(a)",
	"a contains '1'", "b starts with '1'", "b == '2' && a == '1'", "a == '1' || b == '2'", "has(p) && a == '1'",
	"p in {'1','2'}", "p == '1' && q == '2'", "!(p != '3')", "a == '1' && a == '2'", "has(p) || has(b)",
	"(a == '1' || a == '2') && !has(b)", "global()", "q ends with '3' && has(c)",
}

func randomMap(r *rand.Rand, names ...string) selector.Map {
	m := selector.Map{}
	for _, n := range names {
		if r.IntN(2) == 0 {
			m[n] = fmt.Sprint(1 + r.IntN(3))
		}
	}
	return m
}

func (w *world) step(r *rand.Rand) {
	item, parent, sel := r.IntN(25), fmt.Sprint("p", r.IntN(4)), fmt.Sprint("s", r.IntN(15))
	switch r.IntN(10) {
	case 0, 1, 2:
		var parents []string
		for range r.IntN(3) {
			parents = append(parents, fmt.Sprint("p", r.IntN(4)))
		}
		w.updateItem(item, randomMap(r, "a", "b", "c", "p"), parents...)
	case 3:
		delete(w.items, item)
		w.index.DeleteItem(item)
	case 4, 5:
		w.parents[parent] = randomMap(r, "p", "q", "a")
		w.index.UpdateParent(parent, w.parents[parent])
	case 6:
		delete(w.parents, parent)
		w.index.DeleteParent(parent)
	case 7, 8:
		w.updateSelector(sel, walkSelectors[r.IntN(len(walkSelectors))])
	case 9:
		delete(w.sels, sel)
		w.index.DeleteSelector(sel)
	}
}

func TestRandomWalk(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld()
		for n := range 300 {
			w.step(r)
			if err := w.check(); err != nil {
				t.Fatalf("seed %d step %d: %v", seed, n, err)
			}
		}
		w.clear()
		if err := w.leftovers(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// clear deletes all inputs.
func (w *world) clear() {
	for i := range w.items {
		w.index.DeleteItem(i)
	}
	for s := range w.sels {
		w.index.DeleteSelector(s)
	}
	for p := range w.parents {
		w.index.DeleteParent(p)
	}
}

// leftovers reports what an empty index still holds.
func (w *world) leftovers() error {
	x := w.index
	sizes := []int{
		len(x.items), len(x.classes), len(x.unfiled), len(x.parents), len(x.sels), len(x.classesBy), len(x.parentsBy), len(x.selsBy),
		x.anywhere.len(), len(x.mentions), len(w.matches),
	}
	if slices.Max(sizes) > 0 || w.fault != nil {
		return fmt.Errorf("after deleting everything: sizes %v, fault %v", sizes, w.fault)
	}
	return nil
}
