// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// Enact returns the cluster as it would be with all staged policies in force.
func (c *Cluster) Enact() *Cluster {
	var objects, staged []api.Object
	for _, key := range c.order {
		switch obj := c.objects[key].(type) {
		case *v3.StagedNetworkPolicy, *v3.StagedGlobalNetworkPolicy, *v3.StagedKubernetesNetworkPolicy:
			staged = append(staged, obj)
		default:
			objects = append(objects, obj)
		}
	}
	out := New(objects)
	for name, h := range c.hosts {
		out.hosts[name] = &Host{slices.Clone(h.Addrs)}
	}
	out.pods, out.made, out.notes, out.enacted = c.pods, c.made, c.notes, maps.Clone(c.enacted)
	if out.enacted == nil {
		out.enacted = map[rule.PolicyID]rule.PolicyID{}
	}
	for _, obj := range staged {
		enforced, action := enforcedOf(obj)
		switch key := api.KeyOf(enforced); action {
		case v3.StagedDelete:
			out.drop(key)
		case v3.StagedSet, "":
			out.put([]api.Object{enforced})
			id := policyID(obj)
			out.enacted[id.Enforced()] = id
		}
	}
	return out
}

// enforcedOf returns the policy that a staged one stands for, and what is to become of it.
func enforcedOf(obj api.Object) (api.Object, v3.StagedAction) {
	switch p := obj.(type) {
	case *v3.StagedNetworkPolicy:
		return &v3.NetworkPolicy{ObjectMeta: p.ObjectMeta, Spec: p.Spec.NetworkPolicySpec}, p.Spec.StagedAction
	case *v3.StagedGlobalNetworkPolicy:
		return &v3.GlobalNetworkPolicy{ObjectMeta: p.ObjectMeta, Spec: p.Spec.GlobalNetworkPolicySpec}, p.Spec.StagedAction
	}
	p := obj.(*v3.StagedKubernetesNetworkPolicy)
	return p.Policy(), p.Spec.StagedAction
}

// policyID identifies a staged policy.
func policyID(obj api.Object) rule.PolicyID {
	id := rule.PolicyID{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	switch obj.(type) {
	case *v3.StagedNetworkPolicy:
		id.Kind = rule.KindStagedNetworkPolicy
	case *v3.StagedGlobalNetworkPolicy:
		id.Kind = rule.KindStagedGlobalNetworkPolicy
	default:
		id.Kind = rule.KindStagedKubernetesNetworkPolicy
	}
	return id
}

// Written returns what a policy in force was written as: for one that Enact put in force, the staged one.
func (c *Cluster) Written(id rule.PolicyID) rule.PolicyID {
	if staged, ok := c.enacted[id]; ok {
		return staged
	}
	return id
}
