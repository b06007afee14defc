// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

func stagedStates() []State {
	base := append(cluster(), Tier("early", 1, v3.Pass))
	db := func(edit func(*v3.NetworkPolicySpec)) *v3.NetworkPolicy {
		return protectDB(edit)[0].(*v3.NetworkPolicy)
	}
	same := func(*v3.NetworkPolicySpec) {}
	enforced := []api.Object{db(same)}
	staged := func(action v3.StagedAction, edit func(*v3.NetworkPolicySpec)) []api.Object {
		return []api.Object{Staged(action, db(edit))}
	}
	bare := []api.Object{Staged(v3.StagedDelete, Policy("prod/protect-db", same))}
	global := GlobalPolicy("protect-db", func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.Egress = "app == 'db'", []v3.Rule{From(v3.Deny, "has(x)")}
	})
	kube := KubePolicy("prod/protect-db", func(s *networkingv1.NetworkPolicySpec) { s.PodSelector = *every(Labels{"app": "db"}) })
	host := HostEndpoint("h", Me, Labels{"app": "db"}, "192.0.2.1")
	yes := true
	untracked := GlobalPolicy("protect-db", func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.DoNotTrack, s.ApplyOnForward = "app == 'db'", &yes, &yes
	})
	return []State{
		state("enforced", base, enforced),
		state("new", base, staged(v3.StagedSet, func(s *v3.NetworkPolicySpec) { s.Ingress[0].Source.Selector = "app == 'staged'" })),
		state("changed", base, enforced, staged("", func(s *v3.NetworkPolicySpec) { s.Ingress[0].Source.Selector = "app == 'staged'" })),
		state("moved to another tier", base, enforced, staged(v3.StagedSet, func(s *v3.NetworkPolicySpec) { s.Tier = "early" })),
		state("to a missing tier", base, enforced, staged(v3.StagedSet, func(s *v3.NetworkPolicySpec) { s.Tier = "nowhere" })),
		state("selects others", base, enforced, staged(v3.StagedSet, func(s *v3.NetworkPolicySpec) { s.Selector = "app == 'web'" })),
		state("deleted", base, enforced, bare),
		state("nothing to delete", base, bare),
		state("learning", base, enforced, staged(v3.StagedLearn, same)),
		state("turned down", base, enforced, staged(v3.StagedIgnore, same)),
		state("all kinds", base, []api.Object{kube, global, StagedGlobal(v3.StagedSet, global), StagedKube(v3.StagedDelete, KubePolicy("prod/protect-db", func(*networkingv1.NetworkPolicySpec) {}))}),
		state("another kind of that name", base, enforced, []api.Object{StagedGlobal(v3.StagedSet, global)}),
		state("host endpoint", base, []api.Object{host, global, StagedGlobal(v3.StagedSet, untracked)}),
		state("untracked in force", base, []api.Object{host, untracked, StagedGlobal(v3.StagedSet, untracked)}),
	}
}

func (w walk) staged() api.Object {
	action := pick(w, "", v3.StagedSet, v3.StagedSet, v3.StagedDelete, v3.StagedLearn, v3.StagedIgnore)
	switch p := pick(w, w.policy, w.globalPolicy, w.kubePolicy)().(type) {
	case *v3.NetworkPolicy:
		if action == v3.StagedDelete {
			p.Spec = v3.NetworkPolicySpec{Tier: p.Spec.Tier}
		}
		return Staged(action, p)
	case *v3.GlobalNetworkPolicy:
		if action == v3.StagedDelete {
			p.Spec = v3.GlobalNetworkPolicySpec{Tier: p.Spec.Tier}
		}
		return StagedGlobal(action, p)
	case *networkingv1.NetworkPolicy:
		if action == v3.StagedDelete {
			p.Spec = networkingv1.NetworkPolicySpec{}
		}
		return StagedKube(action, p)
	}
	return nil // there are no others
}
