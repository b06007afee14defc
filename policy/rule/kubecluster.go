// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// CompileClusterNetworkPolicy compiles a policy into the tier kube-admin or kube-baseline, for pods of all namespaces.
//
// A rule that cannot be converted is noted; it matches nothing if it accepts, and denies everything otherwise, as the API demands of what an
// implementation does not know. One with unknown fields is treated as in [CompileNetworkPolicy]. Other results are as for [CompileNetworkPolicy].
func CompileClusterNetworkPolicy(p *clusterpolicy.ClusterNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	return compileForm(PolicyID{KindClusterNetworkPolicy, "", p.Name}, p, p.Form())
}

// CompileAdminNetworkPolicy compiles the older form of a policy in tier kube-admin, as [CompileClusterNetworkPolicy] does.
func CompileAdminNetworkPolicy(p *clusterpolicy.AdminNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	return compileForm(PolicyID{KindAdminNetworkPolicy, "", p.Name}, p, p.Form())
}

// CompileBaselineAdminNetworkPolicy compiles the older form of a policy in tier kube-baseline, as [CompileClusterNetworkPolicy] does. It comes
// behind all that have a priority there.
func CompileBaselineAdminNetworkPolicy(p *clusterpolicy.BaselineAdminNetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	return compileForm(PolicyID{KindBaselineAdminNetworkPolicy, "", p.Name}, p, p.Form())
}

// clusterTiers are the tiers of weft that those of the API are.
var clusterTiers = map[string]string{clusterpolicy.TierAdmin: v3.TierKubeAdmin, clusterpolicy.TierBaseline: v3.TierKubeBaseline}

// clusterActions are the actions of all forms.
var clusterActions = map[string]Action{
	clusterpolicy.Accept: Allow, clusterpolicy.Allow: Allow, clusterpolicy.Deny: Deny, clusterpolicy.Pass: Pass,
}

func compileForm(id PolicyID, obj metav1.Object, form clusterpolicy.Form) (*Policy, v3.FieldErrors, error) {
	c := newCompiler(id, "", obj)
	tier, known := clusterTiers[form.Tier]
	if !known {
		c.fail("spec.tier", fmt.Sprintf("%q is no tier; write Admin or Baseline", form.Tier))
	}
	subject, err := chosenPods(form.Subject.Namespaces, form.Subject.Pods)
	if err != nil {
		c.fail("spec.subject", err.Error())
	}
	c.local = subject
	out := &Policy{ID: id, Tier: tier, Selector: subject}
	if form.Priority != nil {
		order := float64(*form.Priority)
		out.Order = &order
	}
	for dir, rules := range [2][]clusterpolicy.FormRule{Ingress: form.Ingress, Egress: form.Egress} {
		out.Types[dir] = len(rules) > 0
		out.Rules[dir] = c.formRules(rules, Direction(dir))
	}
	return c.result(out)
}

// chosenPods selects pods by the labels of their namespaces, or by those and their own.
func chosenPods(namespaces *metav1.LabelSelector, pods *clusterpolicy.NamespacedPods) (*selector.Selector, error) {
	own := &metav1.LabelSelector{}
	switch {
	case (namespaces == nil) == (pods == nil):
		return nil, fmt.Errorf("needs exactly one of namespaces and pods")
	case pods != nil && pods.NamespaceSelector == nil:
		namespaces, own = &metav1.LabelSelector{}, &pods.PodSelector
	case pods != nil:
		namespaces, own = pods.NamespaceSelector, &pods.PodSelector
	}
	scope, err := labelSelector(namespaces)
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	of, err := labelSelector(own)
	if err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	return selector.And(selector.And(namespaced(scope), kubePods()), of), nil
}

func (c *compiler) formRules(rules []clusterpolicy.FormRule, dir Direction) []Rule {
	var out []Rule
	for i := range rules {
		r, path := &rules[i], fmt.Sprintf("spec.%s[%d]", dir, i)
		action, known := clusterActions[r.Action]
		if !known {
			c.fail(path+".action", fmt.Sprintf("%q is no action; write Accept (or Allow), Deny or Pass", r.Action))
			continue
		}
		action, stays := c.cautious(action, path)
		if !stays {
			continue
		}
		k := kubeRule{c, dir, i, action, r.Name}
		sides, ports, bad := formMatches(r)
		if bad == nil {
			out = append(out, k.expand(sides, ports)...)
			continue
		}
		instead, action, stays := c.instead(action, path+"."+bad.Path, bad.Reason)
		if stays {
			out = append(out, c.finish(action, instead, dir, i).named(r.Name))
		}
	}
	return out
}

// formMatches converts what a rule matches, or says what of it cannot be converted.
func formMatches(r *clusterpolicy.FormRule) (sides []kubeSide, ports []kubePorts, bad *v3.FieldError) {
	if len(r.Peers) == 0 {
		return nil, nil, &v3.FieldError{Path: r.PeersField, Reason: "is empty"}
	}
	for i := range r.Peers {
		side, err := formPeer(&r.Peers[i])
		if err != nil {
			return nil, nil, &v3.FieldError{Path: fmt.Sprintf("%s[%d]", r.PeersField, i), Reason: err.Error()}
		}
		sides = append(sides, side)
	}
	if r.Ports == nil {
		return sides, []kubePorts{{}}, nil
	}
	ports, bad = formPorts(r)
	if bad == nil && hasNames(ports) {
		for i, s := range sides {
			if s.pods == nil {
				return nil, nil, &v3.FieldError{Path: fmt.Sprintf("%s[%d]", r.PeersField, i), Reason: "has no port names, which only pods have"}
			}
		}
	}
	return sides, ports, bad
}

// formPeer converts one peer.
func formPeer(p *clusterpolicy.EgressPeer) (kubeSide, error) {
	switch {
	case p.Stated() != 1:
		return kubeSide{}, fmt.Errorf("states %d fields that are known, not one", p.Stated())
	case p.Namespaces != nil || p.Pods != nil:
		pods, err := chosenPods(p.Namespaces, p.Pods)
		return kubeSide{pods: pods}, err
	case p.Nodes != nil:
		nodes, err := labelSelector(p.Nodes)
		if err != nil {
			err = fmt.Errorf("nodes: %w", err)
		}
		return kubeSide{nodes: nodes}, err
	case len(p.DomainNames) > 0:
		return kubeSide{}, fmt.Errorf("domain names are not looked up; list networks")
	}
	var nets []netip.Prefix
	for _, text := range p.Networks {
		net, err := v3.ParseKubeCIDR(text)
		if err != nil {
			return kubeSide{}, fmt.Errorf("networks: %w", err)
		}
		nets = append(nets, net)
	}
	return kubeSide{nets: sortedNets(nets)}, nil
}

// formPorts groups ports by protocol. A name stands for the ports of that name of any protocol.
func formPorts(r *clusterpolicy.FormRule) ([]kubePorts, *v3.FieldError) {
	var out []kubePorts
	for i, p := range r.Ports {
		switch {
		case p.Wrong != "":
			return nil, &v3.FieldError{Path: fmt.Sprintf("%s[%d]", r.PortsField, i), Reason: p.Wrong}
		case p.Name != "":
			for _, protocol := range []uint8{protoTCP, protoUDP, protoSCTP} {
				out = addPorts(out, kubePorts{protocol: protocol, names: []string{p.Name}})
			}
		default:
			out = addPorts(out, kubePorts{protocol: kubeProtocols[p.Protocol], ranges: []PortRange{{uint16(p.First), uint16(p.Last)}}})
		}
	}
	if len(out) == 0 {
		return nil, &v3.FieldError{Path: r.PortsField, Reason: "is empty"}
	}
	return out, nil
}

func hasNames(ports []kubePorts) bool {
	for _, p := range ports {
		if len(p.names) > 0 {
			return true
		}
	}
	return false
}
