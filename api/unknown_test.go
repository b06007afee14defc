// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
)

// TestUnknownFieldsAreNamed: what this version does not know of an object is dropped at reading, and named in the object.
func TestUnknownFieldsAreNamed(t *testing.T) {
	const calico, kube, cluster = "projectcalico.org/v3 NetworkPolicy", "networking.k8s.io/v1 NetworkPolicy", "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy"
	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf(`"new%d": 1`, i)
	}
	for name, tc := range map[string]struct {
		kind, rest string
		want       []string
	}{
		"nothing":             {calico, `"spec": {"selector": "all()"}`, nil},
		"spec":                {calico, `"spec": {"newer": true}`, []string{"spec.newer"}},
		"null is unknown too": {calico, `"spec": {"newer": null}`, []string{"spec.newer"}},
		"rule":                {calico, `"spec": {"ingress": [{"action": "Deny"}, {"action": "Allow", "newer": {"a": {"b": 1}}}]}`, []string{"spec.ingress[1].newer"}},
		"end of a rule":       {calico, `"spec": {"egress": [{"action": "Allow", "destination": {"domains": ["a.b"]}}]}`, []string{"spec.egress[0].destination.domains"}},
		"letter case":         {calico, `"spec": {"ingress": [{"action": "Allow", "Source": {}}]}`, []string{"spec.ingress[0].Source"}},
		"beside spec":         {calico, `"policy": 1`, []string{"policy"}},
		"harmless places":     {calico, `"metadata": {"name": "p", "newer": 1, "ownerReferences": [{"newer": 1}]}, "status": {"newer": 1}`, nil},
		"several":             {calico, `"spec": {"b": 1, "a": 1}`, []string{"spec.a", "spec.b"}},
		"looks like a rule":   {calico, `"spec": {"ingress[0].newer": 1}`, []string{"spec", "spec.ingress[0].newer"}},
		"looks harmless":      {calico, `"status.newer": 1`, []string{"spec"}},
		"long":                {calico, `"spec": {"` + strings.Repeat("ü", 1000) + `": 1}`, []string{"spec." + strings.Repeat("ü", 97)}},
		"labels are free":     {kube, `"spec": {"podSelector": {"matchLabels": {"newer": "x"}}}`, nil},
		"kubernetes selector": {kube, `"spec": {"podSelector": {"matchFields": []}}`, []string{"spec.podSelector.matchFields"}},
		"kubernetes peer":     {kube, `"spec": {"ingress": [{"from": [{"podSelector": {}}, {"newer": 1}]}]}`, []string{"spec.ingress[0].from[1].newer"}},
		"cluster policy":      {cluster, `"spec": {"subject": {"newer": 1}}`, []string{"spec.subject.newer"}},
		"host endpoint":       {"projectcalico.org/v3 HostEndpoint", `"spec": {"newer": 1}`, []string{"spec.newer"}},
		"written by programs": {"projectcalico.org/v3 WorkloadEndpoint", `"spec": {"newer": 1}`, nil},
		"of Kubernetes":       {"v1 Service", `"spec": {"newer": 1}`, nil},
		"marked already": {calico, `"metadata": {"name": "p", "annotations": {"weft.net/unknown-fields": "[\"spec.old\"]", "a": "b"}}, "spec": {"newer": 1}`,
			[]string{"spec.newer", "spec.old"}},
		"marked and whole": {calico, `"metadata": {"name": "p", "annotations": {"weft.net/unknown-fields": "[\"spec.old\"]"}}`, []string{"spec.old"}},
		"marked badly":     {calico, `"metadata": {"name": "p", "annotations": {"weft.net/unknown-fields": "spec.old"}}`, []string{"spec"}},
	} {
		version, kind, _ := strings.Cut(tc.kind, " ")
		obj, err := DecodeLenient(fmt.Appendf(nil, `{"apiVersion": %q, "kind": %q, %s}`, version, kind, tc.rest))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := v3.UnknownFields(obj); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		again, err := Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := DecodeLenient(again); err != nil || !reflect.DeepEqual(v3.UnknownFields(kept), tc.want) {
			t.Errorf("%s: written again it is marked %q, want %q: %v", name, v3.UnknownFields(kept), tc.want, err)
		}
	}
	obj, err := DecodeLenient(fmt.Appendf(nil, `{"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "spec": {"ingress": [{"action": "Allow", %s}, {"action": "Allow", "last": 1}]}}`,
		strings.Join(many, ", ")))
	if err != nil || v3.UnknownFields(obj)[0] != "spec" {
		t.Errorf("with more unknown fields than are counted not the whole policy is in doubt: %q, %v", v3.UnknownFields(obj), err)
	}
}
