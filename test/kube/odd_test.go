// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/test/kube"
)

// oddSpecs are those of NetworkPolicies that nobody would write and the API takes, and some that it does not. What they mean is tested in policy/eval.
func oddSpecs() []string {
	long := strings.Repeat("x", 63)
	var ports []string
	for i := range 300 {
		ports = append(ports, fmt.Sprintf("{port: %d, endPort: %d}", 1+i*3, 2+i*3))
	}
	out := []string{
		"{podSelector: {}}", "{podSelector: {}, policyTypes: []}", "{podSelector: {}, policyTypes: [Ingress, Ingress]}", "{podSelector: {}, policyTypes: [Egress], ingress: [{}]}",
		"{podSelector: {}, ingress: []}", "{podSelector: {}, ingress: [{from: [], ports: []}]}", "{podSelector: {}, policyTypes: [Egress, Ingress], egress: [{to: []}], ingress: [{}, {}]}",
		"{podSelector: {}, ingress: [{ports: [" + strings.Join(ports, ", ") + "]}]}",
		"{}",
	}
	for _, pods := range []string{
		"{matchLabels: {a: ''}}", "{matchExpressions: [{key: a, operator: In, values: ['']}]}", "{matchExpressions: [{key: a, operator: NotIn, values: [x, x, '']}]}",
		"{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}", "{matchLabels: {" + strings.Repeat("d.", 120) + "de/" + long + ": " + long + "}}",
		"{matchLabels: {UPPER_case.9: 'A-b_c.D'}}", "{matchLabels: {'kubernetes.io/metadata.name': x}}", "{matchLabels: {'true': 'null'}}", "{matchExpressions: []}",
	} {
		out = append(out, "{podSelector: "+pods+", ingress: [{from: [{podSelector: "+pods+", namespaceSelector: "+pods+"}, {namespaceSelector: "+pods+"}]}]}")
	}
	for _, block := range []string{
		"cidr: 0.0.0.0/0", "cidr: '::/0'", "cidr: 192.0.2.77/24", "cidr: 'fd00::1/64'", "cidr: 10.0.0.0/8, except: []", "cidr: 0.0.0.0/0, except: [0.0.0.0/1, 128.0.0.0/1]",
		"cidr: 10.0.0.0/8, except: [10.0.0.7/24, 10.0.0.0/24]", "cidr: 10.0.0.1/32", "cidr: '::ffff:10.0.0.0/104'", "cidr: 010.0.0.0/8", "cidr: 'FD00:0:0::/48', except: ['fd00::/49']", "cidr: 10.0.0.0/8, except: [10.0.0.0/8]",
	} {
		out = append(out, "{podSelector: {}, egress: [{to: [{ipBlock: {"+block+"}}]}]}")
	}
	for _, port := range []string{"", "port: 1", "port: 65535", "port: http", "port: 'a-1-b'", "protocol: SCTP", "protocol: UDP, port: 53, endPort: 53", "port: 1, endPort: 65535", "port: '80'", "protocol: ICMP"} {
		out = append(out, "{podSelector: {}, ingress: [{ports: [{"+port+"}]}], egress: [{ports: [{"+port+"}, {"+port+"}]}]}")
	}
	return out
}

// TestOddPolicies posts NetworkPolicies with every oddity to a real API server. Whatever it takes, weft reads, finds valid, and compiles without leaving anything out.
func TestOddPolicies(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	specs, taken := map[string]string{}, 0
	for i, spec := range oddSpecs() {
		name := fmt.Sprintf("p%d.%s", i, strings.Repeat("n", 240))
		code, answer := post(t, server, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies",
			"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "+name+", namespace: shop}, spec: "+spec+"}")
		switch code {
		case http.StatusCreated:
			specs[name] = spec
			taken++
		case http.StatusUnprocessableEntity:
			t.Logf("the API server refuses %s: %s", spec[:min(len(spec), 100)], answer)
		default:
			t.Errorf("%s: %d %s", spec, code, answer)
		}
	}
	if taken < 30 {
		t.Errorf("only %d were taken", taken)
	}
	s, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	list, err := s.List(t.Context(), api.KubeNetworkPolicies, "")
	if err != nil || len(list.Items) != taken || len(list.Invalid) > 0 {
		t.Fatalf("%d of %d, %v, %v", len(list.Items), taken, list.Invalid, err)
	}
	for _, obj := range list.Items {
		p := obj.(*networkingv1.NetworkPolicy)
		if wrong := api.Validate(p, api.Checks{Selector: selector.ValidateSyntax, Stored: true}); len(wrong) > 0 {
			t.Errorf("%s: %v", specs[p.Name], wrong)
		}
		compiled, notes, err := rule.CompileKubeNetworkPolicy(p)
		if err != nil || len(notes) > 0 || compiled == nil {
			t.Errorf("%s: %v, %v", specs[p.Name], notes, err)
		}
	}
}
