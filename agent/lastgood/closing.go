// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lastgood

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

// Closing returns versions of an object that deny everything it governs, for when its last good version is lost: of its newest version, which is invalid,
// they take what says where it applies, not its rules. The first that is valid is meant. newest is nil if it cannot be read. A policy of a namespace whose
// own choice of endpoints is not known governs all of the namespace; of other objects then nothing is returned.
func Closing(key api.Key, newest api.Object) []api.Object {
	switch o := newest.(type) {
	case *v3.GlobalNetworkPolicy:
		return closedGlobalPolicies(o)
	case *v3.Tier:
		return closedTiers(o)
	case *v3.HostEndpoint:
		closed := &v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: o.Name, Labels: o.Labels}} // without profiles, which would allow
		closed.Spec.Node, closed.Spec.InterfaceName, closed.Spec.ExpectedIPs = o.Spec.Node, o.Spec.InterfaceName, o.Spec.ExpectedIPs
		return []api.Object{closed}
	case *clusterpolicy.ClusterNetworkPolicy:
		return closedClusterPolicy(o)
	case *clusterpolicy.AdminNetworkPolicy:
		return closedAdminPolicy(o)
	case *clusterpolicy.BaselineAdminNetworkPolicy:
		return closedBaselinePolicy(o)
	}
	switch key.Resource {
	case api.NetworkPolicies:
		return closedPolicies(key, newest)
	case api.KubeNetworkPolicies:
		return closedKubePolicies(key, newest)
	}
	return nil
}

var (
	denyAll  = []v3.Rule{{Action: v3.Deny}}
	bothWays = []v3.PolicyType{v3.Ingress, v3.Egress}
)

// rulesFor returns rules that deny everything in the directions of types.
func rulesFor(types []v3.PolicyType) (ingress, egress []v3.Rule) {
	for _, t := range types {
		switch t {
		case v3.Ingress:
			ingress = denyAll
		case v3.Egress:
			egress = denyAll
		}
	}
	return ingress, egress
}

func closedPolicies(key api.Key, newest api.Object) (out []api.Object) {
	closed := &v3.NetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
	put := func(spec v3.NetworkPolicySpec) {
		c := *closed
		c.Spec = spec
		c.Spec.Ingress, c.Spec.Egress = rulesFor(spec.Types)
		out = append(out, &c)
	}
	whole := v3.NetworkPolicySpec{Types: bothWays}
	if p, ok := newest.(*v3.NetworkPolicy); ok {
		p = api.Clone(p)
		api.SetDefaults(p)
		s := v3.NetworkPolicySpec{Tier: p.Spec.Tier, Order: p.Spec.Order, Selector: p.Spec.Selector, ServiceAccountSelector: p.Spec.ServiceAccountSelector, Types: p.Spec.Types}
		put(s)
		s.Types = bothWays
		put(s)
		whole.Tier, whole.Order = s.Tier, s.Order
		put(whole)
	}
	whole.Tier, whole.Order = tierIn(key.Name), nil
	put(whole)
	return out
}

// tierIn returns the tier that the name of a policy begins with, empty if it names none.
func tierIn(name string) string {
	tier, _, found := strings.Cut(name, ".")
	if !found {
		return ""
	}
	return tier
}

func closedGlobalPolicies(o *v3.GlobalNetworkPolicy) (out []api.Object) {
	p := api.Clone(o)
	api.SetDefaults(p)
	for _, types := range [][]v3.PolicyType{p.Spec.Types, bothWays} {
		c := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: p.Name}, Spec: p.Spec}
		c.Spec.PerformanceHints = nil
		c.Spec.Types = types
		c.Spec.Ingress, c.Spec.Egress = rulesFor(types)
		out = append(out, c)
	}
	return out
}

func closedTiers(o *v3.Tier) (out []api.Object) {
	for _, order := range []*float64{o.Spec.Order, nil} {
		c := &v3.Tier{ObjectMeta: v3.ObjectMeta{Name: o.Name}}
		c.Spec.Order, c.Spec.DefaultAction = order, v3.Deny
		out = append(out, c)
	}
	return out
}

func closedKubePolicies(key api.Key, newest api.Object) (out []api.Object) {
	put := func(selector metav1.LabelSelector, types ...networkingv1.PolicyType) {
		c := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
		c.Spec.PodSelector, c.Spec.PolicyTypes = selector, types
		out = append(out, c)
	}
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	if o, ok := newest.(*networkingv1.NetworkPolicy); ok {
		types := o.Spec.PolicyTypes
		if len(types) == 0 { // ingress always, egress where there are rules for it
			types = both[:1+min(1, len(o.Spec.Egress))]
		}
		put(o.Spec.PodSelector, types...)
		put(o.Spec.PodSelector, both...)
	}
	put(metav1.LabelSelector{}, both...)
	return out
}

// Peers of the policies of clusters that stand for everything that these can mean.
var (
	anySource      = []clusterpolicy.IngressPeer{{Namespaces: &metav1.LabelSelector{}}}
	anyNetwork     = []string{"0.0.0.0/0", "::/0"}
	anyDestination = []clusterpolicy.EgressPeer{{Networks: anyNetwork}}
)

// directions tells which ways a policy of a cluster governs: those that it has rules for, both if it has none.
func directions(ingress, egress int) (in, out bool) {
	return ingress > 0 || egress == 0, egress > 0 || ingress == 0
}

func closedClusterPolicy(o *clusterpolicy.ClusterNetworkPolicy) []api.Object {
	c := &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
	c.Spec.Tier, c.Spec.Priority, c.Spec.Subject = o.Spec.Tier, o.Spec.Priority, o.Spec.Subject
	in, out := directions(len(o.Spec.Ingress), len(o.Spec.Egress))
	if in {
		c.Spec.Ingress = []clusterpolicy.ClusterIngressRule{{Action: clusterpolicy.Deny, From: anySource}}
	}
	if out {
		c.Spec.Egress = []clusterpolicy.ClusterEgressRule{{Action: clusterpolicy.Deny, To: anyDestination}}
	}
	return []api.Object{c}
}

func closedAdminPolicy(o *clusterpolicy.AdminNetworkPolicy) []api.Object {
	c := &clusterpolicy.AdminNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
	c.Spec.Priority, c.Spec.Subject = o.Spec.Priority, o.Spec.Subject
	in, out := directions(len(o.Spec.Ingress), len(o.Spec.Egress))
	if in {
		c.Spec.Ingress = []clusterpolicy.AdminIngressRule{{Action: clusterpolicy.Deny, From: anySource}}
	}
	if out {
		c.Spec.Egress = []clusterpolicy.AdminEgressRule{{Action: clusterpolicy.Deny, To: anyDestination}}
	}
	return []api.Object{c}
}

func closedBaselinePolicy(o *clusterpolicy.BaselineAdminNetworkPolicy) []api.Object {
	c := &clusterpolicy.BaselineAdminNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
	c.Spec.Subject = o.Spec.Subject
	in, out := directions(len(o.Spec.Ingress), len(o.Spec.Egress))
	if in {
		c.Spec.Ingress = []clusterpolicy.BaselineIngressRule{{Action: clusterpolicy.Deny, From: anySource}}
	}
	if out {
		c.Spec.Egress = []clusterpolicy.BaselineEgressRule{{Action: clusterpolicy.Deny, To: []clusterpolicy.BaselineEgressPeer{{Networks: anyNetwork}}}}
	}
	return []api.Object{c}
}
