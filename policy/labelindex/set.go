// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import "iter"

// set is a set that costs one small slice while it is small, which most are.
type set[T comparable] struct {
	list []T            // in use while many is nil
	many map[T]struct{} // in use above smallSet members
}

const smallSet = 12

func (s *set[T]) add(v T) {
	if s.many != nil {
		s.many[v] = struct{}{}
		return
	}
	for _, have := range s.list {
		if have == v {
			return
		}
	}
	if len(s.list) < smallSet {
		s.list = append(s.list, v)
		return
	}
	s.many = make(map[T]struct{}, 2*smallSet)
	for _, have := range s.list {
		s.many[have] = struct{}{}
	}
	s.many[v] = struct{}{}
	s.list = nil
}

func (s *set[T]) remove(v T) {
	if s.many != nil {
		delete(s.many, v)
		return
	}
	for i, have := range s.list {
		if have == v {
			last := len(s.list) - 1
			s.list[i] = s.list[last]
			clear(s.list[last:])
			s.list = s.list[:last]
			return
		}
	}
}

func (s *set[T]) len() int { return len(s.list) + len(s.many) }

func (s *set[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, v := range s.list {
			if !yield(v) {
				return
			}
		}
		for v := range s.many {
			if !yield(v) {
				return
			}
		}
	}
}
