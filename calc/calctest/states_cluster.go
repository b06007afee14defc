// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

// ClusterPolicy returns a policy of the administrators for all pods.
func ClusterPolicy(name, tier string, priority int32, edit func(*clusterpolicy.ClusterNetworkPolicySpec)) *clusterpolicy.ClusterNetworkPolicy {
	p := &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: meta(name, nil), Spec: clusterpolicy.ClusterNetworkPolicySpec{
		Tier: tier, Priority: priority, Subject: clusterpolicy.PolicySubject{Namespaces: every(nil)},
	}}
	edit(&p.Spec)
	return p
}

// adminPolicy returns the older form of a policy of tier Admin, for pods by their labels.
func adminPolicy(name string, priority int32, subject Labels, rules ...clusterpolicy.AdminIngressRule) *clusterpolicy.AdminNetworkPolicy {
	return &clusterpolicy.AdminNetworkPolicy{ObjectMeta: meta(name, nil), Spec: clusterpolicy.AdminNetworkPolicySpec{
		Priority: priority, Subject: clusterpolicy.PolicySubject{Pods: &clusterpolicy.NamespacedPods{PodSelector: *every(subject)}}, Ingress: rules,
	}}
}

// baselinePolicy returns the older form of a policy of tier Baseline, for all pods.
func baselinePolicy(rules ...clusterpolicy.BaselineEgressRule) *clusterpolicy.BaselineAdminNetworkPolicy {
	return &clusterpolicy.BaselineAdminNetworkPolicy{ObjectMeta: meta("default", nil), Spec: clusterpolicy.BaselineAdminNetworkPolicySpec{
		Subject: clusterpolicy.PolicySubject{Namespaces: every(nil)}, Egress: rules,
	}}
}

// fromPods are peers by the pods' labels.
func fromPods(labels Labels) []clusterpolicy.IngressPeer {
	return []clusterpolicy.IngressPeer{{Pods: &clusterpolicy.NamespacedPods{PodSelector: *every(labels)}}}
}

func clusterPolicyStates() []State {
	base := append(cluster(), protectDB(func(*v3.NetworkPolicySpec) {})...)
	guard := func(tier string, priority int32, action string) []api.Object {
		return []api.Object{ClusterPolicy("guard", tier, priority, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Ingress = []clusterpolicy.ClusterIngressRule{{Name: "web", Action: action, From: fromPods(Labels{"app": "web"})}}
		})}
	}
	admin := []api.Object{adminPolicy("old", 5, Labels{"app": "db"}, clusterpolicy.AdminIngressRule{
		Action: clusterpolicy.Pass, From: fromPods(nil), Ports: []clusterpolicy.AdminPort{{NamedPort: new("http")}},
	})}
	return []State{
		state("admin", base, guard(clusterpolicy.TierAdmin, 10, clusterpolicy.Deny)),
		state("other action", base, guard(clusterpolicy.TierAdmin, 10, clusterpolicy.Accept)),
		state("two forms of admin", base, guard(clusterpolicy.TierAdmin, 10, clusterpolicy.Deny), admin),
		state("other order", base, guard(clusterpolicy.TierAdmin, 1, clusterpolicy.Deny), admin),
		state("baseline", base, guard(clusterpolicy.TierBaseline, 1, clusterpolicy.Deny), admin),
		state("baseline twice", base, guard(clusterpolicy.TierBaseline, 1, clusterpolicy.Deny), []api.Object{baselinePolicy(clusterpolicy.BaselineEgressRule{
			Action: clusterpolicy.Deny, To: []clusterpolicy.BaselineEgressPeer{{Networks: []string{"192.0.2.0/24"}}},
		})}),
		state("no subject", base, []api.Object{ClusterPolicy("guard", clusterpolicy.TierAdmin, 1, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Subject = clusterpolicy.PolicySubject{}
		})}),
		state("unknown peer", base, []api.Object{adminPolicy("old", 5, nil, clusterpolicy.AdminIngressRule{
			Action: clusterpolicy.Deny, From: []clusterpolicy.IngressPeer{{}},
		})}),
		state("none", base),
	}
}

// nodePeerStates have a policy for the way to nodes, and nodes that come, change and go.
func nodePeerStates() []State {
	toNodes := func(labels Labels) []api.Object {
		return []api.Object{ClusterPolicy("to-nodes", clusterpolicy.TierAdmin, 1, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Egress = []clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Deny, To: []clusterpolicy.EgressPeer{{Nodes: every(labels)}}}}
		})}
	}
	node := func(name, rack, v4, v6 string, more ...string) []api.Object {
		n := Node(name, Labels{"rack": rack}, v4, v6)
		for _, addr := range more {
			n.Spec.Addresses = append(n.Spec.Addresses, v3.NodeAddress{Address: addr, Type: "ExternalIP"})
		}
		return []api.Object{n}
	}
	// A set for all of the nodes' labels must not see what others are, nor theirs the nodes.
	base := append(cluster(), Policy("prod/all", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{From(v3.Allow, "has(rack)")} }))
	me, n2 := node(Me, "x", "192.0.2.1/24", ""), node("n2", "y", "192.0.2.2/24", "2001:db8::2/64")
	return []State{
		state("all", base, toNodes(nil), me, n2),
		state("by label", base, toNodes(Labels{"rack": "x"}), me, n2),
		state("relabelled", base, toNodes(Labels{"rack": "x"}), me, node("n2", "x", "192.0.2.2/24", "2001:db8::2/64")),
		state("more addresses", base, toNodes(Labels{"rack": "x"}), me, node("n2", "x", "192.0.2.2/24", "", "203.0.113.2", "192.0.2.2")),
		state("shared address", base, toNodes(nil), me, node("n2", "x", "192.0.2.2/24", "", "192.0.2.1")),
		state("one gone", base, toNodes(nil), me),
		state("no policy", base, me, n2),
	}
}
