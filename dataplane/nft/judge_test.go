// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// forgetful is a driver that leaves out the first rule of the policy p1.
type forgetful struct{ *Driver }

func (f forgetful) Apply(ctx context.Context, view desired.View, _ *desired.Delta) (dataplane.Report, error) {
	less := desired.Snapshot(view)
	if p, ok := less.Policy(rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: "p1"}); ok {
		forgot := *p
		for dir, rules := range forgot.Rules {
			forgot.Rules[dir] = slices.Delete(slices.Clone(rules), 0, min(1, len(rules)))
		}
		if err := less.Apply(&desired.Delta{Policies: []*desired.Policy{&forgot}}); err != nil {
			return dataplane.Report{}, err
		}
	}
	return f.Driver.Apply(ctx, less, nil)
}

// TestJudgeFindsForgottenRule breaks the driver, and wants the conformance suite to say where.
func TestJudgeFindsForgottenRule(t *testing.T) {
	err := drivertest.Judge(t, func(testing.TB) (drivertest.Driver, error) {
		d, err := New(Options{})
		return forgetful{d}, err
	}, 5000)
	if err == nil {
		t.Fatal("no difference in 5000 packets")
	}
	text := err.Error()
	if !strings.Contains(text, "NetworkPolicy ns/p1") || strings.Count(text, "- action:") > 3 {
		t.Errorf("the rule is not shown, or too much besides it:\n%s", text)
	}
}
