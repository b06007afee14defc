// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net/netip"
	"slices"
)

// cover keeps prefixes, and which of them are outermost: not inside another. The kernel's interval sets hold only those, because they
// refuse ranges that overlap.
type cover struct {
	sorted []netip.Prefix // by address, then wider first
	widths [129]int       // how many of each length
}

// bulk is the number of changes from which building anew is cheaper than one by one.
const bulk = 64

// change takes prefixes out and puts prefixes in, and returns what the outermost prefixes gain and lose.
func (c *cover) change(added, removed []netip.Prefix) (gained, lost []netip.Prefix) {
	if len(added)+len(removed) > bulk {
		return c.rebuild(added, removed)
	}
	balance := map[netip.Prefix]int{}
	note := func(gained, lost []netip.Prefix) {
		for _, p := range gained {
			balance[p]++
		}
		for _, p := range lost {
			balance[p]--
		}
	}
	for _, p := range removed {
		note(c.remove(p))
	}
	for _, p := range added {
		note(c.add(p))
	}
	for p, n := range balance {
		switch {
		case n > 0:
			gained = append(gained, p)
		case n < 0:
			lost = append(lost, p)
		}
	}
	return gained, lost
}

func (c *cover) rebuild(added, removed []netip.Prefix) (gained, lost []netip.Prefix) {
	before := outermostSorted(c.sorted)
	gone := make(map[netip.Prefix]struct{}, len(removed))
	for _, p := range removed {
		gone[p] = struct{}{}
	}
	left := slices.DeleteFunc(c.sorted, func(p netip.Prefix) bool { _, ok := gone[p]; return ok })
	left = append(left, added...)
	slices.SortFunc(left, comparePrefix)
	c.sorted, c.widths = slices.Compact(left), [129]int{}
	for _, p := range c.sorted {
		c.widths[p.Bits()]++
	}
	after := outermostSorted(c.sorted)
	return minus(after, before), minus(before, after)
}

// minus returns what is in a and not in b, both sorted.
func minus(a, b []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range a {
		for len(b) > 0 && comparePrefix(b[0], p) < 0 {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != p {
			out = append(out, p)
		}
	}
	return out
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func (c *cover) find(p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(c.sorted, p, comparePrefix)
}

// add puts a prefix in and returns what the outermost prefixes gain and lose.
func (c *cover) add(p netip.Prefix) (gained, lost []netip.Prefix) {
	i, there := c.find(p)
	if there {
		return nil, nil
	}
	inner := outermostSorted(c.inside(p, i))
	c.sorted = slices.Insert(c.sorted, i, p)
	c.widths[p.Bits()]++
	if c.covered(p) {
		return nil, nil
	}
	return []netip.Prefix{p}, inner
}

// remove takes a prefix out and returns what the outermost prefixes gain and lose.
func (c *cover) remove(p netip.Prefix) (gained, lost []netip.Prefix) {
	i, there := c.find(p)
	if !there {
		return nil, nil
	}
	c.sorted = slices.Delete(c.sorted, i, i+1)
	c.widths[p.Bits()]--
	if c.covered(p) {
		return nil, nil
	}
	return outermostSorted(c.inside(p, i)), []netip.Prefix{p}
}

// inside returns the prefixes from i on that p contains.
func (c *cover) inside(p netip.Prefix, i int) []netip.Prefix {
	end := i
	for end < len(c.sorted) && p.Contains(c.sorted[end].Addr()) {
		end++
	}
	return c.sorted[i:end]
}

// covered reports whether a wider prefix contains p.
func (c *cover) covered(p netip.Prefix) bool {
	for bits := p.Bits() - 1; bits >= 0; bits-- {
		if c.widths[bits] == 0 {
			continue
		}
		wider := netip.PrefixFrom(p.Addr(), bits).Masked()
		if _, ok := c.find(wider); ok {
			return true
		}
	}
	return false
}

// outermostSorted leaves out what is inside another, of prefixes sorted with comparePrefix.
func outermostSorted(sorted []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n == 0 || !out[n-1].Contains(p.Addr()) {
			out = append(out, p)
		}
	}
	return out
}

// outermost sorts prefixes and leaves out what is inside another.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	masked := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		masked = append(masked, p.Masked())
	}
	slices.SortFunc(masked, comparePrefix)
	return outermostSorted(masked)
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) []byte {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}
