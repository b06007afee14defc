// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// FuzzCompile compiles whatever a datastore may hold, valid or not: it returns a policy whose rules are complete, or errors that name fields.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(data), "\n---\n") {
			if seed, err := yaml.YAMLToJSON([]byte(doc)); err == nil {
				f.Add(seed)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, err := api.DecodeLenient(data)
		if err != nil {
			return
		}
		p, notes, err := compileAny(obj)
		var list v3.FieldErrors
		if err != nil && (!errors.As(err, &list) || p != nil) {
			t.Fatalf("policy %v with error %v", p, err)
		}
		for _, e := range append(list, notes...) {
			if e.Path == "" || e.Reason == "" {
				t.Errorf("%+v names no field or no reason", e)
			}
		}
		if p == nil {
			return
		}
		for _, rules := range p.Rules {
			for _, r := range rules {
				if r.ID == "" || r.Text == "" || strings.ContainsAny(r.Text, "\n\r") || r.Action == rule.NoMatch {
					t.Errorf("rule %+v is not complete", r)
				}
			}
		}
	})
}

func compileAny(obj api.Object) (*rule.Policy, v3.FieldErrors, error) {
	switch o := obj.(type) {
	case *v3.NetworkPolicy:
		return rule.CompileNetworkPolicy(o)
	case *v3.GlobalNetworkPolicy:
		return rule.CompileGlobalNetworkPolicy(o)
	case *v3.StagedNetworkPolicy:
		return rule.CompileStagedNetworkPolicy(o)
	case *v3.StagedGlobalNetworkPolicy:
		return rule.CompileStagedGlobalNetworkPolicy(o)
	case *v3.StagedKubernetesNetworkPolicy:
		return rule.CompileStagedKubernetesNetworkPolicy(o)
	case *v3.Profile:
		return rule.CompileProfile(o)
	case *networkingv1.NetworkPolicy:
		return rule.CompileKubeNetworkPolicy(o)
	case *clusterpolicy.ClusterNetworkPolicy:
		return rule.CompileClusterNetworkPolicy(o)
	case *clusterpolicy.AdminNetworkPolicy:
		return rule.CompileAdminNetworkPolicy(o)
	case *clusterpolicy.BaselineAdminNetworkPolicy:
		return rule.CompileBaselineAdminNetworkPolicy(o)
	}
	return nil, nil, nil
}
