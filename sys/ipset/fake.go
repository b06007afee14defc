// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Sets is what a [Conn] and a [Fake] can do.
type Sets interface {
	Commit(*Batch) error
	Headers() ([]Header, error)
	Elements(name string) ([]Element, error)
	Close() error
}

var _, _ Sets = (*Conn)(nil), (*Fake)(nil)

// Fake holds IP sets in memory as the kernel would. The zero value holds none.
type Fake struct {
	// References counts what refers to a set by name: such a set cannot be destroyed.
	References map[string]int
	// Refuse, when it returns an error for a change ("add to", set's name), makes that be refused.
	Refuse func(op, name string) error
	// Commits counts the batches that changed something.
	Commits int

	sets map[string]*fakeSet
}

type fakeSet struct {
	Set
	elements map[Element]struct{}
}

// Commit implements Sets.
func (f *Fake) Commit(b *Batch) error {
	var refusals []Refusal
	f.Commits += min(len(b.ops), 1)
	for i := range b.ops {
		o := &b.ops[i]
		if err := checkAll(o); err != nil {
			return err
		}
		if err := f.apply(o); err != nil {
			refusals = append(refusals, Refusal{Tag: o.tag, Op: verbs[o.verb] + " IP set " + o.set.Name, Err: err})
		}
	}
	if len(refusals) > 0 {
		return &RefusedError{refusals}
	}
	return nil
}

func checkAll(o *op) error {
	for _, e := range o.elements {
		if err := o.set.check(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fake) apply(o *op) error {
	if f.Refuse != nil {
		if err := f.Refuse(verbs[o.verb], o.set.Name); err != nil {
			return err
		}
	}
	s := f.sets[o.set.Name]
	switch {
	case o.verb == create:
		return f.create(o.set)
	case s == nil:
		return ErrNotExist
	case o.verb == destroy:
		return f.destroy(s)
	case o.verb == swap:
		return f.swap(s, f.sets[o.other])
	case s.Set != o.set:
		return unix.Errno(errPrivate + 1) // the elements do not fit the set that is there
	}
	for _, e := range o.elements {
		if o.verb == add {
			s.elements[e] = struct{}{}
		} else {
			delete(s.elements, e)
		}
	}
	return nil
}

func (f *Fake) create(s Set) error {
	if f.sets == nil {
		f.sets = map[string]*fakeSet{}
	}
	if f.sets[s.Name] != nil {
		return ErrExist
	}
	f.sets[s.Name] = &fakeSet{s, map[Element]struct{}{}}
	return nil
}

func (f *Fake) destroy(s *fakeSet) error {
	if f.References[s.Name] > 0 {
		return ErrReferenced
	}
	delete(f.sets, s.Name)
	return nil
}

func (f *Fake) swap(s, other *fakeSet) error {
	switch {
	case other == nil:
		return ErrNotExist
	case s.Kind != other.Kind || s.IPv6 != other.IPv6:
		return ErrMismatch
	}
	s.elements, other.elements = other.elements, s.elements
	return nil
}

// Headers implements Sets.
func (f *Fake) Headers() ([]Header, error) {
	var out []Header
	for _, name := range slices.Sorted(maps.Keys(f.sets)) {
		s := f.sets[name]
		out = append(out, Header{Set: s.Set, Elements: len(s.elements), References: f.References[name]})
	}
	return out, nil
}

// Elements implements Sets; they are sorted.
func (f *Fake) Elements(name string) ([]Element, error) {
	s := f.sets[name]
	if s == nil {
		return nil, fmt.Errorf("list IP sets: %w", ErrNotExist)
	}
	return slices.SortedFunc(maps.Keys(s.elements), Element.Compare), nil
}

// Close implements Sets.
func (f *Fake) Close() error { return nil }

// Dump lists all sets with their elements, one a line, sorted.
func (f *Fake) Dump() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.sets)) {
		s := f.sets[name]
		fmt.Fprintf(&b, "%s %v\n", name, s.Kind)
		for _, e := range slices.SortedFunc(maps.Keys(s.elements), Element.Compare) {
			fmt.Fprintf(&b, "\t%v\n", e)
		}
	}
	return b.String()
}

// String renders an element as the ipset tool does: "10.0.0.0/8", "10.0.0.1,6:80", "10.0.0.1/32,eth0".
func (e Element) String() string {
	switch {
	case e.Interface != "":
		return fmt.Sprintf("%v,%s", e.Prefix, e.Interface)
	case e.Protocol != 0:
		return fmt.Sprintf("%v,%d:%d", e.Prefix.Addr(), e.Protocol, e.Port)
	}
	return e.Prefix.String()
}
