// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// CompileNetworkPolicy compiles a policy of one namespace. Defaults need not be filled in.
//
// Notes name fields whose behaviour is not there yet, and those that this version does not know ([v3.UnknownFields]); the result is then at least as
// strict as what the user wrote, and never allows more than what is known of it. The error is a [v3.FieldErrors] with everything that is wrong; there is no policy then.
func CompileNetworkPolicy(p *v3.NetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindNetworkPolicy, p.Namespace, p.Name}, p.Namespace, p)
	return c.result(c.networkPolicy(&p.Spec))
}

func (c *compiler) networkPolicy(s *v3.NetworkPolicySpec) *Policy {
	sel := selector.And(inNamespace(c.namespace), c.plainSelector(s.Selector, "spec.selector"))
	sel = c.withServiceAccount(sel, s.ServiceAccountSelector)
	c.local = sel
	out := &Policy{ID: c.id, Tier: tierName(s.Tier), Order: s.Order, Selector: sel}
	out.Everywhere = slices.Contains(s.PerformanceHints, v3.AssumeNeededOnEveryNode)
	c.types(out, s.Types, s.Ingress, s.Egress)
	return out
}

// CompileGlobalNetworkPolicy compiles a policy of the whole cluster. Results are as for [CompileNetworkPolicy].
//
// A policy with doNotTrack or preDNAT is for host endpoints only, see [Policy.HostOnly].
func CompileGlobalNetworkPolicy(p *v3.GlobalNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindGlobalNetworkPolicy, "", p.Name}, "", p)
	return c.result(c.globalNetworkPolicy(&p.Spec))
}

func (c *compiler) globalNetworkPolicy(s *v3.GlobalNetworkPolicySpec) *Policy {
	sel := c.plainSelector(s.Selector, "spec.selector")
	if s.NamespaceSelector != "" {
		sel = selector.And(namespaced(c.plainSelector(s.NamespaceSelector, "spec.namespaceSelector")), sel)
	}
	sel = c.withServiceAccount(sel, s.ServiceAccountSelector)
	out := &Policy{ID: c.id, Tier: tierName(s.Tier), Order: s.Order, Selector: sel}
	out.DoNotTrack, out.PreDNAT, out.ApplyOnForward = isTrue(s.DoNotTrack), isTrue(s.PreDNAT), isTrue(s.ApplyOnForward)
	out.Everywhere = slices.Contains(s.PerformanceHints, v3.AssumeNeededOnEveryNode)
	c.types(out, s.Types, s.Ingress, s.Egress)
	if out.PreDNAT && out.Types[Egress] {
		c.fail("spec.types", "must not hold Egress with preDNAT, which acts on arriving packets only")
	}
	return out
}

// CompileProfile compiles a profile's rules. Results are as for [CompileNetworkPolicy].
func CompileProfile(p *v3.Profile) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindProfile, "", p.Name}, "", p)
	out := &Policy{ID: c.id, Types: [2]bool{true, true}}
	out.Rules[Ingress] = c.rules(p.Spec.Ingress, Ingress)
	out.Rules[Egress] = c.rules(p.Spec.Egress, Egress)
	return c.result(out)
}

// CompileTier compiles a tier; without a default action it denies. The fixed tiers have their own values whatever the
// object says. The error is a [v3.FieldErrors].
func CompileTier(t *v3.Tier) (Tier, error) {
	spec := t.Spec
	for _, fixed := range v3.FixedTiers() {
		if fixed.Name == t.Name {
			spec = fixed.Spec
		}
	}
	switch spec.DefaultAction {
	case v3.Deny, "":
		return Tier{Name: t.Name, Order: spec.Order, DefaultAction: Deny}, nil
	case v3.Pass:
		return Tier{Name: t.Name, Order: spec.Order, DefaultAction: Pass}, nil
	}
	return Tier{}, v3.FieldErrors{{
		Path:   "spec.defaultAction",
		Reason: "\"" + string(spec.DefaultAction) + "\" ends no tier; write Deny or Pass",
	}}
}

func tierName(name string) string {
	if name == "" {
		return v3.TierDefault
	}
	return name
}

// compiler holds what the rules of one policy share while they are compiled.
type compiler struct {
	id        PolicyID
	namespace string // rules' selectors are limited to it; empty: the whole cluster
	// local is what the policy's endpoints are known to match, nil if not only workloads are meant. It keeps sets of named
	// ports of the endpoint itself small.
	local  *selector.Selector
	doubts doubts
	notes  v3.FieldErrors
	errs   v3.FieldErrors
	seen   [2]map[string]int // rules by direction and content, how often so far
}

// newCompiler returns a compiler for obj.
func newCompiler(id PolicyID, namespace string, obj metav1.Object) *compiler {
	c := &compiler{id: id, namespace: namespace, seen: [2]map[string]int{{}, {}}}
	c.doubt(obj)
	return c
}

func (c *compiler) result(p *Policy) (*Policy, v3.FieldErrors, error) {
	if err := c.errs.Err(); err != nil {
		return nil, nil, err
	}
	return p, c.notes, nil
}

func (c *compiler) note(path, reason string) {
	c.notes = append(c.notes, v3.FieldError{Path: path, Reason: reason})
}

func (c *compiler) fail(path, reason string) {
	c.errs = append(c.errs, v3.FieldError{Path: path, Reason: reason})
}

// types sets the directions the policy governs, and compiles the rules of those.
func (c *compiler) types(p *Policy, types []v3.PolicyType, ingress, egress []v3.Rule) {
	for _, t := range types {
		switch t {
		case v3.Ingress:
			p.Types[Ingress] = true
		case v3.Egress:
			p.Types[Egress] = true
		default:
			c.fail("spec.types", "\""+string(t)+"\" is no direction; write Ingress or Egress")
		}
	}
	if len(types) == 0 {
		p.Types[Egress] = len(egress) > 0
		p.Types[Ingress] = len(ingress) > 0 || !p.Types[Egress]
	}
	if p.Types[Ingress] {
		p.Rules[Ingress] = c.rules(ingress, Ingress)
	}
	if p.Types[Egress] {
		p.Rules[Egress] = c.rules(egress, Egress)
	}
}

func isTrue(flag *bool) bool { return flag != nil && *flag }
