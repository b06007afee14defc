// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/test/kube"
	"github.com/weftnet/weft/test/kube/cluster"
	"github.com/weftnet/weft/test/recipes"
)

// shortRecipes are those that are tried in short form: one of networking.k8s.io and one of policy.networking.k8s.io.
const shortRecipes = "06-allow-from-pods 20-administrators-let-monitoring-in"

// policyRecipes applies each manifest of examples/policy-recipes by kubectl, one after the other, and sends packets between pods and a host outside: what passes
// has to be what the manifest's own table says. Then it deletes them, and everything passes.
func policyRecipes(t *testing.T, c *cluster.Cluster) {
	const dir = "../../../examples/policy-recipes"
	all, err := recipes.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(t, string(kube.PolicyAPI(t)))
	cast := actors(len(c.Nodes))
	c.Apply(t, cast)
	defer c.Delete(t, cast)
	ends := stage(t, c)
	for _, r := range all {
		if os.Getenv("WEFT_LONG") == "" && !strings.Contains(shortRecipes, r.Name) {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, r.Name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			manifest := strings.NewReplacer("10.65.0.0/16", "10.244.0.0/16", "fd65::/64", "fd00:10::/64").Replace(string(text))
			c.Apply(t, manifest)
			defer c.Delete(t, manifest)
			holds(t, ends, r.Allowed)
		})
	}
	holds(t, ends, func(string, string, probe.Service) bool { return true })
}

// actors are the manifests of the cast and its namespaces.
func actors(nodes int) string {
	var docs []string
	for _, ns := range recipes.Namespaces() {
		if ns.Name != "kube-system" {
			docs = append(docs, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n", ns.Name, flow(ns.Labels)))
		}
	}
	for i, a := range recipes.Cast {
		docs = append(docs, fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {%s, cast: recipes}}
spec:
  nodeName: n%d
  terminationGracePeriodSeconds: 0
  containers: [{name: actor, image: "agnhost:test", args: [pause]}]
`, a.Name, a.Namespace, flow(a.Labels), i%nodes+1))
	}
	return strings.Join(docs, "---\n")
}

// flow writes labels as the inside of a mapping in flow style.
func flow(labels map[string]string) string {
	var fields []string
	for k, v := range labels {
		fields = append(fields, k+": "+v)
	}
	return strings.Join(fields, ", ")
}

// stage waits for the cast and returns it with the host outside.
func stage(t *testing.T, c *cluster.Cluster) []probe.Endpoint {
	t.Helper()
	pods := c.AwaitPods(t, "cast=recipes", len(recipes.Cast))
	outside := probe.Endpoint{Name: recipes.Outside, Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8:100::10")}}
	outside.NS = c.Outside(t, outside.Addrs, pods)
	ends := []probe.Endpoint{outside}
	for _, p := range pods {
		ns, err := p.NS()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ns.Close() })
		ends = append(ends, probe.Endpoint{Name: p.Namespace + "/" + p.Name, NS: ns, Addrs: p.Addrs})
	}
	return ends
}

// holds waits until what passes is what should, and it is so once more.
func holds(t *testing.T, ends []probe.Endpoint, allowed func(from, to string, s probe.Service) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for good := 0; good < 2; {
		wrong := mismatches(t, ends, allowed)
		switch {
		case len(wrong) == 0:
			good++
		case good > 0 || time.Now().After(deadline):
			t.Fatalf("%d flows go otherwise than the table says, after %d good runs:\n%s", len(wrong), good, strings.Join(wrong, "\n"))
		}
	}
}

// mismatches tries all flows from and to the namespace of the recipes, by new sockets, since connections that are known meet no policy.
func mismatches(t *testing.T, ends []probe.Endpoint, allowed func(from, to string, s probe.Service) bool) (wrong []string) {
	t.Helper()
	prober, err := probe.Open(t.Context(), ends, recipes.Services)
	if err != nil {
		t.Fatal(err)
	}
	defer prober.Close()
	want := func(f probe.Flow) probe.Verdict {
		if allowed(f.Src, f.Dst, f.Service) {
			return probe.Allowed
		}
		return probe.Denied
	}
	var flows []probe.Flow
	for _, from := range ends {
		for _, to := range ends {
			if from.Name != to.Name && (strings.HasPrefix(from.Name, "shop/") || strings.HasPrefix(to.Name, "shop/")) {
				flows = append(flows, probe.Between(from, to, recipes.Services)...)
			}
		}
	}
	results, err := prober.Run(t.Context(), flows, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if got := r.Verdict(); got != want(r.Flow) {
			wrong = append(wrong, fmt.Sprintf("%s is %s %s", r.Flow, got, r.Error))
		}
	}
	return wrong
}
