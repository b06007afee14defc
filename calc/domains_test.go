// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// TestDomainNames: names are not looked up. A rule that accepts what has one matches nothing at all, not even its other peers; one that denies or passes,
// which weft itself would not store, denies everything. Each is reported with its place.
func TestDomainNames(t *testing.T) {
	names := clusterpolicy.EgressPeer{DomainNames: []string{"example.org"}}
	world := clusterpolicy.EgressPeer{Networks: []string{"0.0.0.0/0"}}
	const left, closes = "domain names are not looked up; list networks: the rule is left out", "domain names are not looked up; list networks: the rule denies everything instead"
	for name, tc := range map[string]struct {
		rules  []clusterpolicy.ClusterEgressRule
		next   string // of all packets, behind the rules
		denied bool
		says   string
	}{
		"accept":                   {[]clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Accept, To: []clusterpolicy.EgressPeer{names}}}, clusterpolicy.Deny, true, left},
		"accept, other peers":      {[]clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Accept, To: []clusterpolicy.EgressPeer{names, world}}}, clusterpolicy.Deny, true, left},
		"accept, and a rule of it": {[]clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Accept, To: []clusterpolicy.EgressPeer{names}}, {Action: clusterpolicy.Accept, To: []clusterpolicy.EgressPeer{world}}}, clusterpolicy.Deny, false, left},
		"pass":                     {[]clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Pass, To: []clusterpolicy.EgressPeer{names}}}, clusterpolicy.Accept, true, closes},
		"deny":                     {[]clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Deny, To: []clusterpolicy.EgressPeer{names}}}, clusterpolicy.Accept, true, closes},
	} {
		policy := ct.ClusterPolicy("names", clusterpolicy.TierAdmin, 1, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Subject, s.Egress = clusterpolicy.PolicySubject{Namespaces: &metav1.LabelSelector{}}, tc.rules
		})
		next := ct.ClusterPolicy("next", clusterpolicy.TierAdmin, 2, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Subject, s.Egress = policy.Spec.Subject, []clusterpolicy.ClusterEgressRule{{Action: tc.next, To: []clusterpolicy.EgressPeer{world}}}
		})
		g := apply(ct.Namespace("ns", nil), ct.ServiceAccount("ns/default", nil), ct.Endpoint("ns/pod", ct.Me, nil, "10.65.0.1"), policy, next)
		g.Flush()
		view := g.View()
		for ep := range view.Endpoints() {
			packet := eval.Packet{Src: ep.Addrs[0], Dst: netip.MustParseAddr("198.51.100.1"), Protocol: 6, DstPort: 443}
			if got := eval.Evaluate(eval.FromView(view), ep, rule.Egress, packet); (got.Verdict == rule.Deny) != tc.denied {
				t.Errorf("%s: %s", name, got)
			}
		}
		problems := g.Problems()
		if len(problems) != 1 || problems[0].Key != api.KeyOf(policy) || !strings.HasPrefix(problems[0].Field, "spec.egress[0].to[0]") || !strings.Contains(problems[0].Text(), tc.says) {
			t.Errorf("%s: reported is %v; want %q", name, problems, tc.says)
		}
	}
}
