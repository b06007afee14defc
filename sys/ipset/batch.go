// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import "slices"

// Batch collects changes for one Commit. They are carried out in order, each by itself: one that the kernel refuses does not keep the others
// from happening. The zero value is ready to use.
type Batch struct {
	ops []op
	tag any
}

type verb uint8

const (
	create verb = iota
	destroy
	swap
	add
	del
)

var verbs = [...]string{create: "create", destroy: "destroy", swap: "swap", add: "add to", del: "delete from"}

type op struct {
	verb     verb
	set      Set
	other    string // swap
	size     int    // create
	elements []Element
	tag      any
}

// Reset empties the batch for other changes.
func (b *Batch) Reset() {
	clear(b.ops) // their elements are not kept
	b.ops, b.tag = b.ops[:0], nil
}

// Tag names the party on whose behalf the following changes are made; a [Refusal] carries it.
func (b *Batch) Tag(tag any) { b.tag = tag }

// Empty reports whether nothing was collected.
func (b *Batch) Empty() bool { return len(b.ops) == 0 }

// Create makes a new set with room for size elements at first; it grows by itself. A set of that name must not exist.
func (b *Batch) Create(s Set, size int) { b.put(op{verb: create, set: s, size: size}) }

// Destroy deletes a set that nothing refers to.
func (b *Batch) Destroy(name string) { b.put(op{verb: destroy, set: Set{Name: name}}) }

// Swap exchanges the elements of two sets of one kind and family; references stay with the names.
func (b *Batch) Swap(one, other string) { b.put(op{verb: swap, set: Set{Name: one}, other: other}) }

// Add puts elements in; those that are there already stay.
func (b *Batch) Add(s Set, elements ...Element) {
	if len(elements) > 0 {
		b.put(op{verb: add, set: s, elements: slices.Clip(elements)})
	}
}

// Delete takes elements out; those that are not there are no error.
func (b *Batch) Delete(s Set, elements ...Element) {
	if len(elements) > 0 {
		b.put(op{verb: del, set: s, elements: slices.Clip(elements)})
	}
}

func (b *Batch) put(o op) {
	o.tag = b.tag
	b.ops = append(b.ops, o)
}
