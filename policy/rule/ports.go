// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// ports splits a list into number ranges, sorted and merged, and names, sorted.
func (c *compiler) ports(list []intstr.IntOrString, protocol uint8, path string) (ranges []PortRange, names []string) {
	if len(list) > 0 && !v3.HasPorts(protocol) {
		c.fail(path, "needs protocol TCP, UDP or SCTP in the rule")
	}
	for i, p := range list {
		first, last, name, err := v3.ParsePort(p)
		switch {
		case err != nil:
			c.fail(fmt.Sprintf("%s[%d]", path, i), err.Error())
		case name != "":
			names = append(names, name)
		default:
			ranges = append(ranges, PortRange{first, last})
		}
	}
	return MergePorts(ranges), sortedNames(names)
}

func sortedNames(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// MergePorts returns ranges sorted, those joined that overlap or touch.
func MergePorts(ranges []PortRange) []PortRange {
	var out []PortRange
	for _, r := range slices.SortedFunc(slices.Values(ranges), func(a, b PortRange) int { return cmp.Compare(a.Min, b.Min) }) {
		if n := len(out); n > 0 && int(r.Min) <= int(out[n-1].Max)+1 {
			out[n-1].Max = max(out[n-1].Max, r.Max)
			continue
		}
		out = append(out, r)
	}
	return out
}

func portSets(names []string, sel *selector.Selector, protocol uint8) []Set {
	var out []Set
	for _, n := range names {
		out = append(out, PortSet(sel, n, protocol))
	}
	return out
}
