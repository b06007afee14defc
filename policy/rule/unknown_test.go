// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/policy/rule"
)

// TestUnknownFieldsCloseRules: a rule that this version does not know whole allows and passes nothing, and denies what is known of it; a field outside of the
// rules closes all of them. The rest of the policy stays as it is.
func TestUnknownFieldsCloseRules(t *testing.T) {
	const calico, staged, profile = "projectcalico.org/v3 NetworkPolicy", "projectcalico.org/v3 StagedNetworkPolicy", "projectcalico.org/v3 Profile"
	const kube, stagedKube = "networking.k8s.io/v1 NetworkPolicy", "projectcalico.org/v3 StagedKubernetesNetworkPolicy"
	const cluster, admin = "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy"
	const all = `"subject": {"namespaces": {}}, "priority": 1`
	for name, tc := range map[string]struct {
		kind, spec string
		rules      string // by direction what is left
		notes      []string
	}{
		"allow": {calico, `"ingress": [{"action": "Allow", "protocol": "TCP", "newer": 1}, {"action": "Allow", "protocol": "UDP"}]`,
			"Allow UDP", []string{"spec.ingress[0].newer: allows nothing"}},
		"deny": {calico, `"types": ["Egress"], "egress": [{"action": "Deny", "protocol": "TCP", "destination": {"domains": []}}, {"action": "Allow"}]`,
			"Deny TCP, Allow anything", []string{"spec.egress[0].destination.domains: denies what is known"}},
		"pass": {calico, `"ingress": [{"action": "Pass", "protocol": "TCP", "a": 1, "b": 2}]`,
			"Deny TCP", []string{"spec.ingress[0].a: denies what is known", "spec.ingress[0].b: denies what is known"}},
		"log": {calico, `"ingress": [{"action": "Log", "newer": 1}]`, "Log anything", []string{"spec.ingress[0].newer: logs what is known"}},
		"policy": {calico, `"newer": 1, "ingress": [{"action": "Allow"}, {"action": "Pass", "protocol": "TCP"}, {"action": "Deny", "protocol": "UDP"}]`,
			"Deny TCP, Deny UDP", []string{"spec.newer: no rule allows"}},
		"other direction": {calico, `"types": ["Ingress"], "ingress": [{"action": "Allow"}], "egress": [{"action": "Allow", "newer": 1}]`, "Allow anything", nil},
		"eleventh rule": {calico, `"ingress": [` + strings.Repeat(`{"action": "Deny", "protocol": "TCP"}, `, 10) + `{"action": "Allow", "newer": 1}, {"action": "Allow"}]`,
			strings.Repeat("Deny TCP, ", 10) + "Allow anything", []string{"spec.ingress[10].newer: allows nothing"}},
		"with http": {calico, `"ingress": [{"action": "Pass", "http": {"methods": ["GET"]}, "newer": 1}]`,
			"Deny anything", []string{"spec.ingress[0].newer: denies what is known", "spec.ingress[0].http: denies everything"}},
		"staged":  {staged, `"ingress": [{"action": "Allow", "newer": 1}]`, "", []string{"spec.ingress[0].newer: allows nothing"}},
		"profile": {profile, `"egress": [{"action": "Allow", "newer": 1}]`, "", []string{"spec.egress[0].newer: allows nothing"}},
		"kubernetes rule": {kube, `"podSelector": {}, "ingress": [{"newer": 1}, {"ports": [{"protocol": "UDP"}]}]`,
			"Allow UDP", []string{"spec.ingress[0].newer: allows nothing"}},
		"kubernetes peer":      {kube, `"podSelector": {}, "ingress": [{"from": [{"podSelector": {"newer": 1}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]}]`, "", []string{"spec.ingress[0].from[0].podSelector.newer: allows nothing"}},
		"kubernetes selector":  {kube, `"podSelector": {"newer": 1}, "ingress": [{}]`, "", []string{"spec.podSelector.newer: no rule allows"}},
		"staged of Kubernetes": {stagedKube, `"podSelector": {}, "ingress": [{"newer": 1}]`, "", []string{"spec.ingress[0].newer: allows nothing"}},
		"cluster, accept": {cluster, all + `, "tier": "Admin", "ingress": [{"action": "Accept", "from": [{"namespaces": {}}], "newer": 1}]`,
			"", []string{"spec.ingress[0].newer: allows nothing"}},
		"cluster, pass": {cluster, all + `, "tier": "Admin", "egress": [{"action": "Pass", "to": [{"networks": ["192.0.2.0/24"]}], "newer": 1}]`,
			"Deny IPv4 to 192.0.2.0/24", []string{"spec.egress[0].newer: denies what is known"}},
		"cluster, peer of a new kind": {cluster, all + `, "tier": "Admin", "egress": [{"action": "Deny", "to": [{"newer": 1}]}]`,
			"Deny anything", []string{"spec.egress[0].to[0].newer: denies what is known", "spec.egress[0].to[0]: denies everything"}},
		"cluster, subject": {cluster, `"tier": "Admin", "priority": 1, "subject": {"namespaces": {"newer": 1}}, "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]`,
			"", []string{"spec.subject.namespaces.newer: no rule allows"}},
		"admin": {admin, all + `, "ingress": [{"action": "Allow", "from": [{"namespaces": {}}], "newer": 1}]`, "", []string{"spec.ingress[0].newer: allows nothing"}},
	} {
		version, kind, _ := strings.Cut(tc.kind, " ")
		obj, err := api.DecodeLenient(fmt.Appendf(nil, `{"apiVersion": %q, "kind": %q, "metadata": {"name": "p", "namespace": "ns"}, "spec": {%s}}`, version, kind, tc.spec))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, notes, err := compileAny(obj)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var left []string
		for _, r := range slices.Concat(p.Rules[rule.Ingress], p.Rules[rule.Egress]) {
			left = append(left, r.Text)
		}
		if got := strings.Join(left, ", "); got != tc.rules {
			t.Errorf("%s: rules %q, want %q", name, got, tc.rules)
		}
		if !slices.EqualFunc(notes, tc.notes, func(got api.FieldError, want string) bool {
			path, does, _ := strings.Cut(want, ": ")
			return got.Path == path && strings.Contains(got.Reason, does)
		}) {
			t.Errorf("%s: notes %v, want %v", name, notes, tc.notes)
		}
	}
}
