// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCompileGolden compiles each manifest of testdata and compares the rendered result with the file beside it.
func TestCompileGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for doc := range strings.SplitSeq(string(data), "\n---\n") {
				render(&b, t, doc)
			}
			golden := strings.TrimSuffix(file, "yaml") + "txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("differs from %s (-update writes it anew):\n%s", golden, b.String())
			}
		})
	}
}

// compile reads one document and compiles it.
func compile(t *testing.T, doc string) (*rule.Policy, v3.FieldErrors, error) {
	t.Helper()
	var kind v3.TypeMeta
	read(t, doc, &kind)
	switch kind.APIVersion + " " + kind.Kind {
	case "projectcalico.org/v3 NetworkPolicy":
		return rule.CompileNetworkPolicy(read(t, doc, &v3.NetworkPolicy{}))
	case "projectcalico.org/v3 GlobalNetworkPolicy":
		return rule.CompileGlobalNetworkPolicy(read(t, doc, &v3.GlobalNetworkPolicy{}))
	case "projectcalico.org/v3 StagedNetworkPolicy":
		return rule.CompileStagedNetworkPolicy(read(t, doc, &v3.StagedNetworkPolicy{}))
	case "projectcalico.org/v3 StagedGlobalNetworkPolicy":
		return rule.CompileStagedGlobalNetworkPolicy(read(t, doc, &v3.StagedGlobalNetworkPolicy{}))
	case "projectcalico.org/v3 StagedKubernetesNetworkPolicy":
		return rule.CompileStagedKubernetesNetworkPolicy(read(t, doc, &v3.StagedKubernetesNetworkPolicy{}))
	case "projectcalico.org/v3 Profile":
		return rule.CompileProfile(read(t, doc, &v3.Profile{}))
	case "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy":
		return rule.CompileClusterNetworkPolicy(read(t, doc, &clusterpolicy.ClusterNetworkPolicy{}))
	case "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy":
		return rule.CompileAdminNetworkPolicy(read(t, doc, &clusterpolicy.AdminNetworkPolicy{}))
	case "policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy":
		return rule.CompileBaselineAdminNetworkPolicy(read(t, doc, &clusterpolicy.BaselineAdminNetworkPolicy{}))
	case "networking.k8s.io/v1 NetworkPolicy":
		return rule.CompileKubeNetworkPolicy(read(t, doc, &networkingv1.NetworkPolicy{}))
	}
	t.Fatalf("no compiler for %s %s", kind.APIVersion, kind.Kind)
	return nil, nil, nil
}

func read[T any](t *testing.T, doc string, into *T) *T {
	t.Helper()
	if err := yaml.Unmarshal([]byte(doc), into); err != nil {
		t.Fatal(err)
	}
	return into
}

func render(b *strings.Builder, t *testing.T, doc string) {
	var meta struct {
		Metadata struct{ Name string }
	}
	read(t, doc, &meta)
	p, notes, err := compile(t, doc)
	if list, ok := err.(v3.FieldErrors); ok {
		fmt.Fprintf(b, "%s: invalid\n", meta.Metadata.Name)
		for _, e := range list {
			fmt.Fprintf(b, "  error %s\n", e)
		}
		b.WriteByte('\n')
		return
	}
	fmt.Fprintf(b, "%s\n", p.ID)
	if p.Selector != nil {
		order := "none"
		if p.Order != nil {
			order = fmt.Sprint(*p.Order)
		}
		fmt.Fprintf(b, "  tier %s, order %s, selects %s\n", p.Tier, order, p.Selector)
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"doNotTrack", p.DoNotTrack}, {"preDNAT", p.PreDNAT}, {"applyOnForward", p.ApplyOnForward}, {"ready on every node", p.Everywhere}, {"replaces the enforced policy", p.Replaces}} {
		if flag.set {
			fmt.Fprintf(b, "  %s\n", flag.name)
		}
	}
	for dir, rules := range p.Rules {
		if !p.Types[dir] {
			fmt.Fprintf(b, "  %s: not governed\n", rule.Direction(dir))
			continue
		}
		fmt.Fprintf(b, "  %s:\n", rule.Direction(dir))
		for i := range rules {
			renderRule(b, &rules[i])
		}
	}
	for _, n := range notes {
		fmt.Fprintf(b, "  note %s\n", n)
	}
	b.WriteByte('\n')
}

func renderRule(b *strings.Builder, r *rule.Rule) {
	fmt.Fprintf(b, "    [%d] %s %s\n", r.Index, r.ID, r.Text)
	for i, s := range []rule.Side{r.Match.Src, r.Match.Dst} {
		for _, set := range slices.Concat(s.PortSets, s.NotPortSets) {
			side := []string{"src", "dst"}[i]
			if set.Selector == nil {
				fmt.Fprintf(b, "        %s port of %s in set %s\n", side, set.Service, set.ID)
				continue
			}
			fmt.Fprintf(b, "        %s port %s/%d of {%s} in set %s\n", side, set.Port, set.Protocol, set.Selector, set.ID)
		}
	}
}
