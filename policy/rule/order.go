// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import "cmp"

// CompareTiers orders tiers for evaluation: by order, none last, then by name.
func CompareTiers(a, b Tier) int {
	return cmp.Or(compareOrder(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
}

// ComparePolicies orders the policies of one tier for evaluation: by order, none last, then by name, kind and namespace. A
// staged policy has the place it would have in force.
func ComparePolicies(a, b *Policy) int {
	return cmp.Or(
		compareOrder(a.Order, b.Order),
		cmp.Compare(a.ID.Name, b.ID.Name),
		cmp.Compare(a.ID.Kind.Enforced(), b.ID.Kind.Enforced()),
		cmp.Compare(a.ID.Namespace, b.ID.Namespace),
	)
}

// compareOrder sorts an absent order behind every number.
func compareOrder(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*a, *b)
}
