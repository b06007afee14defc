// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/policy/rule"
)

// resources are the resources that policies come from, by kind.
var resources = map[rule.PolicyKind]api.Resource{
	rule.KindNetworkPolicy:       api.NetworkPolicies,
	rule.KindGlobalNetworkPolicy: api.GlobalNetworkPolicies,
	rule.KindKubeNetworkPolicy:   api.KubeNetworkPolicies,
	rule.KindProfile:             api.Profiles,

	rule.KindClusterNetworkPolicy:       api.ClusterNetworkPolicies,
	rule.KindAdminNetworkPolicy:         api.AdminNetworkPolicies,
	rule.KindBaselineAdminNetworkPolicy: api.BaselineAdminNetworkPolicies,

	rule.KindStagedNetworkPolicy:           api.StagedNetworkPolicies,
	rule.KindStagedGlobalNetworkPolicy:     api.StagedGlobalNetworkPolicies,
	rule.KindStagedKubernetesNetworkPolicy: api.StagedKubernetesNetworkPolicies,
}

// PolicyObject returns the object that a policy or profile was compiled from, nil if it is none that anyone wrote.
func (c *Cluster) PolicyObject(id rule.PolicyID) api.Object {
	return c.objects[api.Key{Resource: resources[id.Kind], Namespace: id.Namespace, Name: id.Name}]
}

// compile returns the policy that an object is; not ok if it is none, or one that is refused.
func compile(obj api.Object) (*rule.Policy, bool) {
	p, _, err := rule.CompilePolicy(obj)
	return p, p != nil && err == nil
}

// Selected counts the workload endpoints that a policy selects.
func (c *Cluster) Selected(id rule.PolicyID) int {
	p, ok := compile(c.PolicyObject(id))
	if !ok {
		return 0
	}
	n := 0
	for _, t := range c.Things() {
		if t.Key.Resource == api.WorkloadEndpoints && p.Selector.Matches(t.Labels) {
			n++
		}
	}
	return n
}
