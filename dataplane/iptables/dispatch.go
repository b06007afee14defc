// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/weftnet/weft/sys/own"
)

// fanOut is the number of interfaces up to which they are listed one after the other.
const fanOut = 8

// dispatch renders the rules that lead packets to the chains of their interfaces. Many interfaces are told apart by the first letters of their
// names, with about as many groups as names in a group; each group is a chain. A group ends with a drop: what is in no rule of it is no
// workload that we know. test is in or out.
func (b *builder) dispatch(kind string, test func(string) branch, chains map[string]string, back bool) []string {
	names := slices.Sorted(maps.Keys(chains))
	if len(names) <= fanOut {
		return b.leaf(names, test, chains)
	}
	length := prefixLength(names)
	var rules []string
	for start := 0; start < len(names); {
		prefix := names[start][:min(length, len(names[start]))]
		end := start
		for end < len(names) && strings.HasPrefix(names[end], prefix) {
			end++
		}
		if end-start == 1 || len(prefix) < length {
			rules = append(rules, b.leaf(names[start:start+1], test, chains)...)
			start++
			continue
		}
		name := own.ChainPrefix + kind + "-" + prefix
		group := b.leaf(names[start:end], test, chains)
		if back {
			group = append(group, returnJudged)
		}
		b.pin(name, append(group, unknown))
		rules = append(rules, test(prefix+"+").rule("", goTo(name)))
		start = end
	}
	return rules
}

func (b *builder) leaf(names []string, test func(string) branch, chains map[string]string) []string {
	var rules []string
	for _, name := range names {
		rules = append(rules, test(name).rule("", jump(chains[name])))
	}
	return rules
}

// prefixLength is the shortest length that makes enough groups.
func prefixLength(names []string) int {
	want := int(math.Sqrt(float64(len(names))))
	for length := 1; ; length++ {
		groups := map[string]struct{}{}
		longer := false
		for _, n := range names {
			groups[n[:min(length, len(n))]] = struct{}{}
			longer = longer || len(n) > length
		}
		if len(groups) >= want || !longer {
			return length
		}
	}
}

// unknown closes what is a workload's interface by its name and has no policy in place.
var unknown = branch{}.rule("no policy in place for the interface", drop)

var returnJudged = branch{marked(own.JudgedMark)}.rule("", returns)
