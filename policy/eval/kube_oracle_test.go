// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/policy/rule"
)

// kubeOracle judges by the text of the Kubernetes API: a pod is isolated in a direction by the policies of its namespace
// that select it and have the direction; then what any rule of theirs lists is allowed. It shares no code with weft.
//
// Policies without types always have the direction Ingress, and Egress if they have egress rules.
type kubeOracle struct {
	*cluster
	policies []*networkingv1.NetworkPolicy
}

func (o kubeOracle) allowed(pod *thing, dir rule.Direction, f flow) bool {
	isolated, listed := o.verdict(pod, dir, f)
	return listed || !isolated
}

// verdict tells whether the pod is isolated, and whether a rule lists the flow.
func (o kubeOracle) verdict(pod *thing, dir rule.Direction, f flow) (isolated, listed bool) {
	for _, p := range o.policies {
		types := p.Spec.PolicyTypes
		if len(types) == 0 {
			types = []networkingv1.PolicyType{"Ingress"}
			if len(p.Spec.Egress) > 0 {
				types = append(types, "Egress")
			}
		}
		direction := []networkingv1.PolicyType{"Ingress", "Egress"}[dir]
		if p.Namespace != pod.namespace || !slices.Contains(types, direction) || !kubeSelects(&p.Spec.PodSelector, pod.labels) {
			continue
		}
		isolated = true
		listed = listed || o.listed(p, dir, f)
	}
	return isolated, listed
}

func (o kubeOracle) listed(p *networkingv1.NetworkPolicy, dir rule.Direction, f flow) bool {
	if dir == rule.Ingress {
		return slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return o.peers(p.Namespace, r.From, f.packet.Src, f.src) && ports(r.Ports, f)
		})
	}
	return slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
		return o.peers(p.Namespace, r.To, f.packet.Dst, f.dst) && ports(r.Ports, f)
	})
}

func (o kubeOracle) peers(namespace string, list []networkingv1.NetworkPolicyPeer, a netip.Addr, pod *thing) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPeer) bool {
		switch {
		case p.IPBlock != nil:
			in := func(text string) bool { return net(text).Contains(a) }
			return in(p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, in)
		case pod == nil:
			return false
		case p.NamespaceSelector == nil && pod.namespace != namespace:
			return false
		case p.NamespaceSelector != nil && !kubeSelects(p.NamespaceSelector, o.namespaceLabels(pod.namespace)):
			return false
		}
		return p.PodSelector == nil || kubeSelects(p.PodSelector, pod.labels)
	})
}

// namespaceLabels returns the labels that a namespace has in Kubernetes, where each is labelled with its name.
func (o kubeOracle) namespaceLabels(name string) map[string]string {
	out := map[string]string{"kubernetes.io/metadata.name": name}
	for k, v := range o.namespaces[name] {
		out[k] = v
	}
	return out
}

func ports(list []networkingv1.NetworkPolicyPort, f flow) bool {
	numbers := map[corev1.Protocol]uint8{"TCP": 6, "UDP": 17, "SCTP": 132}
	return len(list) == 0 || slices.ContainsFunc(list, func(p networkingv1.NetworkPolicyPort) bool {
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		got := f.packet.DstPort
		switch {
		case numbers[protocol] != f.packet.Protocol:
			return false
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.String:
			return f.dst != nil && slices.Contains(f.dst.ports, namedPort{p.Port.StrVal, f.packet.Protocol, got})
		case p.EndPort != nil:
			return int32(got) >= p.Port.IntVal && int32(got) <= *p.EndPort
		}
		return int32(got) == p.Port.IntVal
	})
}

func kubeSelects(s *metav1.LabelSelector, m map[string]string) bool {
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && sel.Matches(labels.Set(m))
}

func randomKubeSelector(r *rand.Rand) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	some := func() int { return oneOf(r, 0, 0, 0, 1, 1, 2) }
	for range some() {
		if s.MatchLabels == nil {
			s.MatchLabels = map[string]string{}
		}
		s.MatchLabels[oneOf(r, "app", "env")] = oneOf(r, "x", "y", "")
	}
	for range some() {
		e := metav1.LabelSelectorRequirement{Key: oneOf(r, "app", "env"), Operator: oneOf[metav1.LabelSelectorOperator](r, "In", "NotIn", "Exists", "DoesNotExist")}
		if e.Operator == "In" || e.Operator == "NotIn" {
			e.Values = oneOf(r, []string{"x"}, []string{"z", "y"}, []string{""}, []string{"x", "x", "none"})
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

// randomNamespaces chooses namespaces, sometimes by name.
func randomNamespaces(r *rand.Rand) *metav1.LabelSelector {
	if chance(r, 20) {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": oneOf(r, "a", "b")}}
	}
	return randomKubeSelector(r)
}

func randomKubePeers(r *rand.Rand) (out []networkingv1.NetworkPolicyPeer) {
	if chance(r, 10) {
		return []networkingv1.NetworkPolicyPeer{} // as good as none
	}
	for range r.IntN(4) {
		var p networkingv1.NetworkPolicyPeer
		switch r.IntN(4) {
		case 0:
			p.PodSelector = randomKubeSelector(r)
		case 1:
			p.NamespaceSelector = randomNamespaces(r)
		case 2:
			p.PodSelector, p.NamespaceSelector = randomKubeSelector(r), randomNamespaces(r)
		case 3:
			p.IPBlock = &networkingv1.IPBlock{CIDR: oneOf(r, "10.0.0.0/8", "192.0.2.77/24", "fd00::/64", "0.0.0.0/0", "::/0", "10.0.0.1/32")}
			p.IPBlock.Except = oneOf(r, nil, []string{}, oneOf(r, exceptions[p.IPBlock.CIDR]...))
		}
		out = append(out, p)
	}
	return out
}

// exceptions are parts of address blocks.
var exceptions = map[string][][]string{
	"10.0.0.0/8":    {{"10.0.1.0/24"}, {"10.0.0.0/32", "10.0.2.0/24"}, {"10.0.0.0/9", "10.128.0.0/9"}},
	"192.0.2.77/24": {{"192.0.2.128/25"}},
	"fd00::/64":     {{"fd00::1:0/112"}, {"fd00::/127", "fd00::2:1/128"}},
	"0.0.0.0/0":     {{"10.0.0.0/8"}, {"0.0.0.0/1"}},
	"::/0":          {{"fd00::/8", "2001:db8::/32"}},
	"10.0.0.1/32":   {nil},
}

func randomKubePorts(r *rand.Rand) (out []networkingv1.NetworkPolicyPort) {
	if chance(r, 10) {
		return []networkingv1.NetworkPolicyPort{} // as good as none
	}
	for range r.IntN(4) {
		p := networkingv1.NetworkPolicyPort{}
		if chance(r, 60) {
			p.Protocol = new(oneOf(r, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP))
		}
		if chance(r, 80) {
			p.Port = new(oneOf(r, intstr.FromInt32(80), intstr.FromInt32(53), intstr.FromInt32(1), intstr.FromString("http"), intstr.FromString("dns")))
			if p.Port.Type == intstr.Int && chance(r, 40) {
				p.EndPort = new(oneOf[int32](r, 80, 81, 65535))
			}
		}
		out = append(out, p)
	}
	return out
}

func randomKubePolicy(r *rand.Rand, name string) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: oneOf(r, "a", "b"), Name: name}}
	p.Spec.PodSelector = *randomKubeSelector(r)
	p.Spec.PolicyTypes = oneOf(r, []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"},
		[]networkingv1.PolicyType{"Ingress", "Egress"}, []networkingv1.PolicyType{"Egress", "Ingress"}, []networkingv1.PolicyType{}, nil)
	for range r.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: randomKubePeers(r), Ports: randomKubePorts(r)})
	}
	if chance(r, 20) {
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{} // as good as none
	}
	for range r.IntN(3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: randomKubePeers(r), Ports: randomKubePorts(r)})
	}
	return p
}

// TestKubeSemantics compiles random Kubernetes policies and compares verdicts with the oracle's.
func TestKubeSemantics(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		o := kubeOracle{cluster: randomCluster(r, true)}
		for _, name := range []string{"p", "q", "r"} {
			p := randomKubePolicy(r, name)
			compiled, notes, err := rule.CompileKubeNetworkPolicy(p)
			if err != nil || len(notes) > 0 {
				t.Fatalf("seed %d: %v %v", seed, notes, err)
			}
			o.policies = append(o.policies, p)
			o.cluster.policies = append(o.cluster.policies, compiled)
		}
		a, d := o.compare(t, r, o.allowed)
		allowed, denied = allowed+a, denied+d
	}
	if allowed < 2000 || denied < 2000 {
		t.Errorf("%d allowed and %d denied: the generator hardly tries one of them", allowed, denied)
	}
}
