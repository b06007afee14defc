// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// KubeOrder is the order of Kubernetes policies in the default tier.
const KubeOrder = 1000.0

// CompileKubeNetworkPolicy compiles a Kubernetes NetworkPolicy into the default tier, for pods of its namespace.
//
// A peer or port that cannot be converted is left out and noted, and so is a rule with unknown fields: all rules allow, so the result can only be
// stricter.
// Other results are as for [CompileNetworkPolicy].
func CompileKubeNetworkPolicy(p *networkingv1.NetworkPolicy) (policy *Policy, notes v3.FieldErrors, err error) {
	c := newCompiler(PolicyID{KindKubeNetworkPolicy, p.Namespace, p.Name}, p.Namespace, p)
	return c.result(c.kubeNetworkPolicy(p))
}

// kubeNetworkPolicy returns nil if the pods cannot be told.
func (c *compiler) kubeNetworkPolicy(p *networkingv1.NetworkPolicy) *Policy {
	pods, err := labelSelector(&p.Spec.PodSelector)
	if err != nil {
		c.fail("spec.podSelector", err.Error())
		return nil
	}
	c.local = selector.And(selector.And(inNamespace(p.Namespace), kubePods()), pods)
	order := KubeOrder
	out := &Policy{ID: c.id, Tier: v3.TierDefault, Order: &order, Selector: c.local}
	out.Types = c.kubeTypes(p)
	if out.Types[Ingress] {
		for i, r := range p.Spec.Ingress {
			k := kubeRule{compiler: c, dir: Ingress, index: i, action: Allow}
			out.Rules[Ingress] = append(out.Rules[Ingress], k.compile(r.From, r.Ports)...)
		}
	}
	if out.Types[Egress] {
		for i, r := range p.Spec.Egress {
			k := kubeRule{compiler: c, dir: Egress, index: i, action: Allow}
			out.Rules[Egress] = append(out.Rules[Egress], k.compile(r.To, r.Ports)...)
		}
	}
	return out
}

// kubeTypes returns the directions: those listed; with none listed Ingress, and Egress if there are egress rules.
func (c *compiler) kubeTypes(p *networkingv1.NetworkPolicy) (types [2]bool) {
	for _, t := range p.Spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			types[Ingress] = true
		case networkingv1.PolicyTypeEgress:
			types[Egress] = true
		default:
			c.fail("spec.policyTypes", fmt.Sprintf("%q is no direction; write Ingress or Egress", t))
		}
	}
	if len(p.Spec.PolicyTypes) == 0 {
		types = [2]bool{Ingress: true, Egress: len(p.Spec.Egress) > 0}
	}
	return types
}

// kubePods selects pods among all endpoints.
func kubePods() *selector.Selector { return selector.Equal(OrchestratorLabel, "k8s") }

// kubeRule is one rule of a Kubernetes policy, apart from what it matches.
type kubeRule struct {
	*compiler
	dir    Direction
	index  int
	action Action
	name   string
}

// compile converts a rule; no peers, and no ports, are all of them.
func (k kubeRule) compile(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) []Rule {
	if _, stays := k.cautious(k.action, fmt.Sprintf("spec.%s[%d]", k.dir, k.index)); !stays {
		return nil
	}
	sides := []kubeSide{{}}
	if len(peers) > 0 {
		sides = k.peerSides(peers)
	}
	matches := []kubePorts{{}}
	if len(ports) > 0 {
		matches = k.protocols(ports)
	}
	return k.expand(sides, matches)
}

// expand returns one rule for each peer and protocol.
func (k kubeRule) expand(sides []kubeSide, ports []kubePorts) []Rule {
	var out []Rule
	for _, s := range sides {
		for _, p := range ports {
			m := k.match(s, p)
			if m.settleFamily() {
				out = append(out, k.finish(k.action, m, k.dir, k.index).named(k.name))
			}
		}
	}
	return out
}

// match joins a peer and the ports of one protocol. The ports are always the destination's.
func (k kubeRule) match(peer kubeSide, ports kubePorts) Match {
	m := Match{Protocol: ports.protocol}
	peerSide, declaring := &m.Src, k.local
	if k.dir == Egress {
		peerSide, declaring = &m.Dst, peer.pods
	}
	*peerSide = Side{Nets: peer.nets, NotNets: peer.notNets}
	switch {
	case peer.pods != nil:
		peerSide.Sets = []Set{NetSet(peer.pods)}
	case peer.nodes != nil:
		peerSide.Sets = []Set{NodeSet(peer.nodes)}
	}
	if declaring == nil {
		declaring = kubePods()
	}
	m.Dst.Ports = ports.ranges
	m.Dst.PortSets = portSets(ports.names, declaring, ports.protocol)
	return m
}

// leaveOut notes something that could not be converted.
func (k kubeRule) leaveOut(field string, reason string) {
	k.note(fmt.Sprintf("spec.%s[%d].%s", k.dir, k.index, field), reason+"; left out")
}
