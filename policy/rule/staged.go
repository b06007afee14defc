// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"github.com/weftnet/weft/api/v3"
)

// enforcedKinds are the kinds that staged kinds stand for.
var enforcedKinds = map[PolicyKind]PolicyKind{
	KindStagedNetworkPolicy:           KindNetworkPolicy,
	KindStagedGlobalNetworkPolicy:     KindGlobalNetworkPolicy,
	KindStagedKubernetesNetworkPolicy: KindKubeNetworkPolicy,
}

// Enforced returns the kind that a staged kind stands for; other kinds are their own.
func (k PolicyKind) Enforced() PolicyKind {
	if enforced, ok := enforcedKinds[k]; ok {
		return enforced
	}
	return k
}

// Enforced returns the policy whose place a staged one would take; other policies are their own.
func (p PolicyID) Enforced() PolicyID {
	p.Kind = p.Kind.Enforced()
	return p
}

// Staged returns the staged policy that would take the place of p; ok is false for a kind that cannot be staged.
func (p PolicyID) Staged() (staged PolicyID, ok bool) {
	for kind, enforced := range enforcedKinds {
		if p.Kind == enforced {
			return PolicyID{kind, p.Namespace, p.Name}, true
		}
	}
	return PolicyID{}, false
}

// CompileStagedNetworkPolicy compiles a preview of a policy, see [Policy.Replaces]. With stagedAction Delete, Learn or Ignore it governs
// nothing. Results are as for [CompileNetworkPolicy].
func CompileStagedNetworkPolicy(p *v3.StagedNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindStagedNetworkPolicy, p.Namespace, p.Name}, p.Namespace, p)
	return c.staged(p.Spec.StagedAction, p.Spec.Tier, func() *Policy { return c.networkPolicy(&p.Spec.NetworkPolicySpec) })
}

// CompileStagedGlobalNetworkPolicy is the counterpart of [CompileStagedNetworkPolicy] for the whole cluster.
func CompileStagedGlobalNetworkPolicy(p *v3.StagedGlobalNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindStagedGlobalNetworkPolicy, "", p.Name}, "", p)
	return c.staged(p.Spec.StagedAction, p.Spec.Tier, func() *Policy { return c.globalNetworkPolicy(&p.Spec.GlobalNetworkPolicySpec) })
}

// CompileStagedKubernetesNetworkPolicy is the counterpart of [CompileStagedNetworkPolicy] for Kubernetes policies.
func CompileStagedKubernetesNetworkPolicy(p *v3.StagedKubernetesNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindStagedKubernetesNetworkPolicy, p.Namespace, p.Name}, p.Namespace, p)
	return c.staged(p.Spec.StagedAction, v3.TierDefault, func() *Policy { return c.kubeNetworkPolicy(p.Policy()) })
}

// staged compiles by the staged action.
func (c *compiler) staged(action v3.StagedAction, tier string, compile func() *Policy) (*Policy, v3.FieldErrors, error) {
	out := &Policy{ID: c.id, Tier: tierName(tier)}
	switch action {
	case v3.StagedSet, "":
		if out = compile(); out != nil {
			out.Replaces = true
		}
	case v3.StagedDelete:
		out.Replaces = true
	case v3.StagedLearn, v3.StagedIgnore:
	default:
		c.fail("spec.stagedAction", "\""+string(action)+"\" is no staged action; write Set, Delete, Learn or Ignore")
	}
	return c.result(out)
}
