// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// holders knows which item, a workload of another node, has an address. Of several the newest counts.
type holders struct {
	first map[netip.Addr]*item
	rest  map[netip.Addr][]*item // those behind the first, which are rare
}

func newHolders() holders {
	return holders{first: map[netip.Addr]*item{}, rest: map[netip.Addr][]*item{}}
}

// node returns who has an address, "" if no other node.
func (s *holders) node(a netip.Addr) string {
	if it := s.first[a]; it != nil {
		return it.node
	}
	return ""
}

func (s *holders) add(it *item) {
	for _, net := range it.nets {
		s.set(net.Addr(), append(s.all(net.Addr()), it))
	}
}

func (s *holders) remove(it *item) {
	for _, net := range it.nets {
		s.set(net.Addr(), slices.DeleteFunc(s.all(net.Addr()), func(other *item) bool { return other == it }))
	}
}

func (s *holders) all(a netip.Addr) []*item {
	if s.first[a] == nil {
		return nil
	}
	return append([]*item{s.first[a]}, s.rest[a]...)
}

func (s *holders) set(a netip.Addr, list []*item) {
	if len(list) == 0 {
		delete(s.first, a)
		return
	}
	slices.SortStableFunc(list, func(x, y *item) int {
		return cmp.Or(cmp.Compare(y.revision, x.revision), strings.Compare(x.node, y.node))
	})
	s.first[a], s.rest[a] = list[0], list[1:]
	if len(list) == 1 {
		delete(s.rest, a)
	}
}
