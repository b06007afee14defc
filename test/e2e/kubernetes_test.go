// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// denyIngress is the manifest with which everybody starts.
const denyIngress = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
`

// fromNamespace lets the monitoring namespace in, on a range of TCP ports.
const fromNamespace = `
apiVersion: v1
kind: Namespace
metadata: {name: watch, labels: {team: monitoring}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-monitoring, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: monitoring}}
      podSelector: {matchExpressions: [{key: app, operator: In, values: [prober]}]}
    ports: [{protocol: TCP, port: 8000, endPort: 8010}]
`

// fromBlocks lets two networks in by UDP, except for one address each.
const fromBlocks = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: from-blocks, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - ipBlock: {cidr: 10.65.0.0/16, except: [%s/32]}
    - ipBlock: {cidr: "fd65::/64", except: ["%s/128"]}
    ports: [{protocol: UDP, port: 9000}]
`

// TestKubernetesPolicies applies manifests of networking.k8s.io/v1, step by step. What has to pass is written down here as well as
// computed by the oracle, so that both are held against packets and each other.
func TestKubernetesPolicies(t *testing.T) {
	c := up(t, "kube", 2)
	place := func(node, namespace, name, app string) lab.Attached {
		w, err := c.AddWorkload(t.Context(), lab.Workload{Node: node, Namespace: namespace, Name: name, Labels: map[string]string{"app": app}})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	place("n1", "shop", "web", "web")
	place("n2", "shop", "cache", "cache")
	place("n1", "watch", "prober", "prober")
	place("n2", "watch", "other", "other")
	excepted := place("n2", "guest", "excepted", "prober")
	c.kubernetes("without policy", func(probe.Flow) bool { return true })

	c.manifest(denyIngress)
	intoShop := func(f probe.Flow) bool { return strings.HasPrefix(f.Dst, "shop/") }
	c.kubernetes("default deny", func(f probe.Flow) bool { return !intoShop(f) })

	c.manifest(fromNamespace)
	monitored := func(f probe.Flow) bool {
		return f.Src == "watch/prober" && f.Dst == "shop/web" && f.Service.Protocol == probe.TCP && f.Service.Port >= 8000 && f.Service.Port <= 8010
	}
	c.kubernetes("a namespace let in", func(f probe.Flow) bool { return !intoShop(f) || monitored(f) })

	var v4, v6 netip.Addr
	for _, a := range excepted.Addresses {
		if a.Is4() {
			v4 = a
		} else {
			v6 = a
		}
	}
	c.manifest(fmt.Sprintf(fromBlocks, v4, v6))
	inBlock := func(f probe.Flow) bool {
		return f.Dst == "shop/web" && f.Src != "guest/excepted" && f.Service == probe.Service{Protocol: probe.UDP, Port: 9000}
	}
	c.kubernetes("blocks let in", func(f probe.Flow) bool { return !intoShop(f) || monitored(f) || inBlock(f) })
}

// manifest applies YAML documents.
func (c *cluster) manifest(text string) {
	c.t.Helper()
	c.apply(c.objects(text)...)
	c.converge()
}

// objects reads a manifest.
func (c *cluster) objects(text string) (out []api.Object) {
	c.t.Helper()
	docs, err := api.ReadDocuments(strings.NewReader(text), "manifest.yaml")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range docs {
		if len(d.Problems) > 0 {
			c.t.Fatal(d.Problems)
		}
		out = append(out, d.Object)
	}
	return out
}

// kubernetes probes inside and outside of the port ranges, and compares with allowed and with the oracle.
func (c *cluster) kubernetes(when string, allowed func(probe.Flow) bool) {
	c.t.Helper()
	services := []probe.Service{
		{Protocol: probe.ICMP}, {Protocol: probe.TCP, Port: 7999}, {Protocol: probe.TCP, Port: 8000}, {Protocol: probe.TCP, Port: 8010},
		{Protocol: probe.TCP, Port: 8011}, {Protocol: probe.UDP, Port: 8000}, {Protocol: probe.UDP, Port: 9000}, {Protocol: probe.UDP, Port: 9001},
	}
	m := c.settled(when, []string{"shop/web", "shop/cache", "watch/prober", "watch/other", "guest/excepted"}, services)
	for _, cell := range m.Cells {
		want := probe.Denied
		if allowed(cell.Flow) {
			want = probe.Allowed
		}
		if cell.Got != want || cell.Mismatch() {
			c.t.Errorf("%s: %s is %s, want %s, the oracle says %s: %s", when, cell.Flow, cell.Got, want, cell.Expected, cell.Why)
		}
	}
	c.t.Logf("%s: %d allowed, %d denied", when, m.Count(probe.Allowed), m.Count(probe.Denied))
}
