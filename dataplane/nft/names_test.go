// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/policy/rule"
)

// TestPolicyChainsOfAllKinds gives policies of one name but of different kinds chains of their own.
func TestPolicyChainsOfAllKinds(t *testing.T) {
	seen := map[string]rule.PolicyKind{}
	for k := rule.PolicyKind(0); !strings.HasPrefix(k.String(), "rule.PolicyKind("); k++ {
		name := policyChain(rule.PolicyID{Kind: k, Name: "p"}, roleIn, ipv4)
		if other, taken := seen[name]; taken && !k.Staged() {
			t.Errorf("%s and %s share the chain %s", k, other, name)
		}
		seen[name] = k
	}
}
