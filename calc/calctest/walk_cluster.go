// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
)

// clusterPolicy is a policy of the administrators, in one of its forms.
func (w walk) clusterPolicy() api.Object {
	switch w.IntN(3) {
	case 0:
		return baselinePolicy(clusterpolicy.BaselineEgressRule{
			Action: pick(w, clusterpolicy.Deny, clusterpolicy.Allow), To: []clusterpolicy.BaselineEgressPeer{{Namespaces: every(Labels{"env": "x"})}},
		})
	case 1:
		return adminPolicy(pick(w, "p", "a"), int32(w.IntN(3)), w.labels(), clusterpolicy.AdminIngressRule{
			Action: pick(w, clusterpolicy.Deny, clusterpolicy.Allow, clusterpolicy.Pass), From: fromPods(w.labels()),
			Ports: pick(w, nil, []clusterpolicy.AdminPort{{NamedPort: new("dns")}}),
		})
	}
	return ClusterPolicy(pick(w, "p", "c"), pick(w, clusterpolicy.TierAdmin, clusterpolicy.TierBaseline), int32(w.IntN(3)),
		func(s *clusterpolicy.ClusterNetworkPolicySpec) {
			s.Subject = pick(w, s.Subject, clusterpolicy.PolicySubject{Pods: &clusterpolicy.NamespacedPods{PodSelector: *every(w.labels())}})
			action := pick(w, clusterpolicy.Deny, clusterpolicy.Accept, clusterpolicy.Pass)
			if w.chance(3) {
				action = "Log"
			}
			s.Ingress = pick(w, nil, []clusterpolicy.ClusterIngressRule{{Action: action, From: fromPods(w.labels())}})
			s.Egress = pick(w, nil, []clusterpolicy.ClusterEgressRule{{Action: action, To: pick(w,
				[]clusterpolicy.EgressPeer{{Networks: []string{w.addr() + "/24"}}}, []clusterpolicy.EgressPeer{{}},
				[]clusterpolicy.EgressPeer{{Namespaces: every(Labels{"env": "y"})}}, []clusterpolicy.EgressPeer{{Nodes: every(nil)}},
				[]clusterpolicy.EgressPeer{{Nodes: every(Labels{"rack": "x"})}})}})
		})
}
