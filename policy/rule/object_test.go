// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// TestCompilePolicy compiles a policy of each kind by what it is, and what is none.
func TestCompilePolicy(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "p", Namespace: "a"}
	all := clusterpolicy.PolicySubject{Namespaces: &metav1.LabelSelector{}}
	kinds := map[rule.PolicyKind]metav1.Object{
		rule.KindNetworkPolicy:       &v3.NetworkPolicy{ObjectMeta: meta},
		rule.KindGlobalNetworkPolicy: &v3.GlobalNetworkPolicy{ObjectMeta: meta},
		rule.KindKubeNetworkPolicy:   &networkingv1.NetworkPolicy{ObjectMeta: meta},

		rule.KindClusterNetworkPolicy:       &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: meta, Spec: clusterpolicy.ClusterNetworkPolicySpec{Tier: clusterpolicy.TierAdmin, Subject: all}},
		rule.KindAdminNetworkPolicy:         &clusterpolicy.AdminNetworkPolicy{ObjectMeta: meta, Spec: clusterpolicy.AdminNetworkPolicySpec{Subject: all}},
		rule.KindBaselineAdminNetworkPolicy: &clusterpolicy.BaselineAdminNetworkPolicy{ObjectMeta: meta, Spec: clusterpolicy.BaselineAdminNetworkPolicySpec{Subject: all}},

		rule.KindStagedNetworkPolicy:           &v3.StagedNetworkPolicy{ObjectMeta: meta},
		rule.KindStagedGlobalNetworkPolicy:     &v3.StagedGlobalNetworkPolicy{ObjectMeta: meta},
		rule.KindStagedKubernetesNetworkPolicy: &v3.StagedKubernetesNetworkPolicy{ObjectMeta: meta},
	}
	for kind, obj := range kinds {
		if p, _, err := rule.CompilePolicy(obj); err != nil || p == nil || p.ID.Kind != kind || p.ID.Name != "p" {
			t.Errorf("%T: %+v, %v; want policy p of kind %v", obj, p, err, kind)
		}
	}
	wrong := &v3.NetworkPolicy{ObjectMeta: meta, Spec: v3.NetworkPolicySpec{Selector: "app =="}}
	if p, _, err := rule.CompilePolicy(wrong); p != nil || err == nil {
		t.Errorf("a wrong selector: %+v, %v; want an error alone", p, err)
	}
	if p, notes, err := rule.CompilePolicy(&v3.Tier{ObjectMeta: meta}); p != nil || notes != nil || err != nil {
		t.Errorf("a tier: %+v, %v, %v; want nothing", p, notes, err)
	}
}
