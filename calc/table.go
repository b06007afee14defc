// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"iter"
	"slices"

	"github.com/weftnet/weft/internal/scratch"
)

// Table is one table of the graph as text, for `weft state TABLE`, debugging and tests. Rows are made while they are read, which must
// happen before the next Apply.
type Table struct {
	Name    string
	Columns []string
	Rows    iter.Seq[[]string]
}

// table is what one node of the graph puts out: a map that remembers what it held at the last flush, so that changes that cancel
// each other out leave no trace.
type table[K comparable, V any] struct {
	rows    map[K]V
	before  map[K]was[V] // keys written since the last flush
	compare func(a, b K) int
	equal   func(a, b V) bool
}

// was is the state of a row at the last flush.
type was[V any] struct {
	value V
	there bool
}

func newTable[K comparable, V any](compare func(a, b K) int, equal func(a, b V) bool) *table[K, V] {
	return &table[K, V]{rows: map[K]V{}, before: map[K]was[V]{}, compare: compare, equal: equal}
}

func (t *table[K, V]) get(k K) (V, bool) {
	v, ok := t.rows[k]
	return v, ok
}

func (t *table[K, V]) put(k K, v V) {
	t.remember(k)
	t.rows[k] = v
}

func (t *table[K, V]) remove(k K) {
	if _, there := t.rows[k]; there {
		t.remember(k)
		delete(t.rows, k)
	}
}

func (t *table[K, V]) remember(k K) {
	if _, ok := t.before[k]; !ok {
		v, there := t.rows[k]
		t.before[k] = was[V]{v, there}
	}
}

// drain returns what changed since the last drain, sorted by key: values that are new or different, and keys that are gone.
func (t *table[K, V]) drain() (changed []V, removed []K) {
	if len(t.before) == 0 {
		return nil, nil
	}
	var few [8]K // changes are, as a rule, and take no memory of their own then
	keys := few[:0]
	for k, old := range t.before {
		now, there := t.rows[k]
		switch {
		case there && (!old.there || !t.equal(old.value, now)):
			keys = append(keys, k)
		case !there && old.there:
			removed = append(removed, k)
		}
	}
	scratch.Empty(&t.before)
	slices.SortFunc(keys, t.compare)
	slices.SortFunc(removed, t.compare)
	changed = slices.Grow(changed, len(keys))
	for _, k := range keys {
		changed = append(changed, t.rows[k])
	}
	return changed, removed
}

// all yields the values, sorted by key.
func (t *table[K, V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range sorted(t.rows, t.compare) {
			if !yield(v) {
				return
			}
		}
	}
}

// sorted yields the entries of m in the order of their keys.
func sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		keys := make([]K, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, compare)
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// text makes a Table of a sequence.
func text[V any](name string, columns []string, values iter.Seq[V], row func(V) []string) Table {
	return Table{Name: name, Columns: columns, Rows: func(yield func([]string) bool) {
		for v := range values {
			if !yield(row(v)) {
				return
			}
		}
	}}
}
