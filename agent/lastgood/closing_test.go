// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lastgood_test

import (
	"errors"
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// TestClosing: of each kind of policy the first closing version is valid and denies everything, in the directions that the newest version governs, of the
// endpoints that it chooses; nothing of others.
func TestClosing(t *testing.T) {
	x, all := map[string]string{"app": "x"}, []v3.Rule{{Action: v3.Allow}}
	meta, subject := metav1.ObjectMeta{Name: "p"}, clusterpolicy.PolicySubject{Pods: &clusterpolicy.NamespacedPods{PodSelector: metav1.LabelSelector{MatchLabels: x}}}
	baseline := metav1.ObjectMeta{Name: "default"}
	from, to := []clusterpolicy.IngressPeer{{Namespaces: &metav1.LabelSelector{}}}, []clusterpolicy.EgressPeer{{Networks: []string{"0.0.0.0/0"}}}
	none, ingress, egress, both := [2]bool{}, [2]bool{rule.Ingress: true}, [2]bool{rule.Egress: true}, [2]bool{true, true}
	for name, tc := range map[string]struct {
		newest        api.Object
		key           api.Object // where newest cannot be read
		others        []api.Object
		closed, other [2]bool // of an endpoint with app x, and of one without
	}{
		"policy":                      {newest: ct.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector, s.Egress = "app == 'x'", all }), closed: egress},
		"policy of a wrong direction": {newest: ct.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector, s.Types = "app == 'x'", []v3.PolicyType{"Inwards"} }), closed: both},
		"policy of a wrong choice":    {newest: ct.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector = "app = x" }), closed: both, other: both},
		"policy of a wrong tier":      {newest: ct.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector, s.Tier = "app == 'x'", "no tier" }), closed: both, other: both},
		"unreadable policy":           {key: ct.Policy("ns/p", func(*v3.NetworkPolicySpec) {}), closed: both, other: both},
		"unreadable policy of a tier": {
			key: ct.Policy("ns/early.p", func(*v3.NetworkPolicySpec) {}), closed: both, other: both,
			others: []api.Object{ct.Tier("early", 1, v3.Pass), ct.GlobalPolicy("late", func(s *v3.GlobalNetworkPolicySpec) { s.Ingress, s.Egress = all, all })},
		},
		"global policy":                   {newest: ct.GlobalPolicy("p", func(s *v3.GlobalNetworkPolicySpec) { s.Selector, s.Ingress = "app == 'x'", all }), closed: ingress},
		"global policy of a wrong choice": {newest: ct.GlobalPolicy("p", func(s *v3.GlobalNetworkPolicySpec) { s.Selector = "app = x" })},
		"tier": {
			newest: ct.Tier("early", 1, "Stop"), closed: ingress,
			others: []api.Object{ct.Policy("ns/early.p", func(s *v3.NetworkPolicySpec) { s.Tier, s.Selector = "early", "app == 'x'" })},
		},
		"Kubernetes": {newest: ct.KubePolicy("ns/p", func(s *networkingv1.NetworkPolicySpec) {
			s.PodSelector.MatchLabels, s.Egress = x, []networkingv1.NetworkPolicyEgressRule{{}}
		}), closed: both},
		"unreadable of Kubernetes": {key: ct.KubePolicy("ns/p", func(*networkingv1.NetworkPolicySpec) {}), closed: both, other: both},
		"cluster": {newest: &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: meta, Spec: clusterpolicy.ClusterNetworkPolicySpec{
			Tier: clusterpolicy.TierAdmin, Subject: subject, Ingress: []clusterpolicy.ClusterIngressRule{{Action: "Accept", From: from}},
		}}, closed: ingress},
		"admin": {newest: &clusterpolicy.AdminNetworkPolicy{ObjectMeta: meta, Spec: clusterpolicy.AdminNetworkPolicySpec{
			Subject: subject, Egress: []clusterpolicy.AdminEgressRule{{Action: "Allow", To: to}},
		}}, closed: egress},
		"baseline": {newest: &clusterpolicy.BaselineAdminNetworkPolicy{ObjectMeta: baseline, Spec: clusterpolicy.BaselineAdminNetworkPolicySpec{Subject: subject}}, closed: both},
		"set":      {newest: ct.NetworkSet("ns/s", nil, "nonsense"), closed: none},
	} {
		key := tc.key
		if key == nil {
			key = tc.newest
		}
		open := ct.Profile("open", nil)
		open.Spec.Ingress, open.Spec.Egress = all, all
		chosen, other := ct.Endpoint("ns/x", ct.Me, x, "10.0.0.1"), ct.Endpoint("ns/y", ct.Me, nil, "10.0.0.2")
		chosen.Spec.Profiles, other.Spec.Profiles = []string{"open"}, []string{"open"}
		g := calc.New(ct.Me)
		for _, obj := range append(tc.others, open, chosen, other, ct.Namespace("ns", nil)) {
			g.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj}})
		}
		g.Apply([]calc.Change{{Key: api.KeyOf(key), Err: errors.New("garbage"), Lost: true, Closing: lastgood.Closing(api.KeyOf(key), tc.newest)}})
		g.Flush()
		for _, end := range []struct {
			*v3.WorkloadEndpoint
			want [2]bool
		}{{chosen, tc.closed}, {other, tc.other}} {
			if got := closed(g, end.Name); got != end.want {
				t.Errorf("%s: %s is closed %v, want %v: %v", name, end.Name, got, end.want, g.Problems())
			}
		}
		if at := g.Problems()[0]; at.Key != api.KeyOf(key) || !at.Lost || at.InForce != (tc.closed != none) {
			t.Errorf("%s: %+v", name, g.Problems())
		}
	}
}

// closed tells in which directions a packet of an endpoint, from or to another of the cluster, is denied.
func closed(g *calc.Graph, name string) (out [2]bool) {
	view := g.View()
	for ep := range view.Endpoints() {
		own, peer := ep.Addrs[0], netip.MustParseAddr("10.0.0.2")
		if own == peer {
			peer = netip.MustParseAddr("10.0.0.1")
		}
		if ep.ID.Name == name {
			out[rule.Ingress] = eval.Evaluate(eval.FromView(view), ep, rule.Ingress, eval.Packet{Src: peer, Dst: own, Protocol: 6, DstPort: 80}).Verdict == rule.Deny
			out[rule.Egress] = eval.Evaluate(eval.FromView(view), ep, rule.Egress, eval.Packet{Src: own, Dst: peer, Protocol: 6, DstPort: 80}).Verdict == rule.Deny
		}
	}
	return out
}

// TestClosedHostEndpoint keeps its place and its labels, so that policy goes on to choose it, and has no profile that allows.
func TestClosedHostEndpoint(t *testing.T) {
	h := ct.HostEndpoint("h", ct.Me, map[string]string{"role": "edge"}, "192.0.2.1")
	h.Spec.InterfaceName, h.Spec.Profiles, h.Spec.Ports = "eth0", []string{"open"}, []v3.HostEndpointPort{{Name: "no good name"}}
	g := calc.New(ct.Me)
	g.SetLinks([]calc.Link{{Name: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
	g.Apply([]calc.Change{{Key: api.KeyOf(h), Object: h, Lost: true, Closing: lastgood.Closing(api.KeyOf(h), h)}})
	g.Flush()
	for ep := range g.View().HostEndpoints() {
		if ep.Interface == "eth0" && len(ep.Profiles) == 0 {
			return
		}
	}
	t.Errorf("no closed host endpoint: %v", g.Problems())
}
