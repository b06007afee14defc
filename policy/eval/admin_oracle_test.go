// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// adminPolicy is a policy of the administrators in no form of the API; it is written out as one of the three kinds.
type adminPolicy struct {
	baseline bool
	priority int // the older form of a baseline policy has none and comes last
	subject  podChoice
	rules    [2][]adminRule
}

type adminRule struct {
	action string // Accept, Deny or Pass
	peers  []adminPeer
	ports  []adminPort // nil: all
}

// podChoice chooses pods by namespace labels and, unless they are nil, pod labels.
type podChoice struct{ namespaces, pods *metav1.LabelSelector }

// adminPeer is one of its fields; a peer without any is what a newer version of the API may have.
type adminPeer struct {
	pods  *podChoice
	nodes *metav1.LabelSelector
	nets  []string
}

func (p adminPeer) unknown() bool { return p.pods == nil && p.nodes == nil && p.nets == nil }

// adminPort is a range of ports of a protocol, or the name of ports of any protocol.
type adminPort struct {
	protocol    corev1.Protocol
	first, last int32
	name        string
}

// adminOracle judges by the text of the network policy API. Policies of tier Admin come first, by priority, and in each the rules as they
// stand: Accept and Deny are final, Pass goes on with the namespaces' policies. Those decide about the pods that they isolate. Of the others
// the policies of tier Baseline decide in the same way; what is left is allowed.
//
// A rule with a peer that is not understood matches nothing if it accepts, and denies everything otherwise.
type adminOracle struct {
	kubeOracle
	admin []adminPolicy
}

func (o adminOracle) allowed(pod *thing, dir rule.Direction, f flow) bool {
	if action := o.tier(false, pod, dir, f); action == "Accept" || action == "Deny" {
		return action == "Accept"
	}
	if isolated, listed := o.verdict(pod, dir, f); isolated {
		return listed
	}
	return o.tier(true, pod, dir, f) != "Deny"
}

// tier returns the action of the first rule of a tier that matches, empty if none does.
func (o adminOracle) tier(baseline bool, pod *thing, dir rule.Direction, f flow) string {
	for _, p := range o.admin { // sorted by priority
		if p.baseline != baseline || !o.chooses(p.subject, pod) {
			continue
		}
		for _, r := range p.rules[dir] {
			switch understood := !slices.ContainsFunc(r.peers, adminPeer.unknown); {
			case !understood && r.action != "Accept":
				return "Deny"
			case understood && o.matches(r, dir, f):
				return r.action
			}
		}
	}
	return ""
}

func (o adminOracle) matches(r adminRule, dir rule.Direction, f flow) bool {
	other, a := f.src, f.packet.Src
	if dir == rule.Egress {
		other, a = f.dst, f.packet.Dst
	}
	peer := func(p adminPeer) bool {
		if p.nets != nil {
			return slices.ContainsFunc(p.nets, func(text string) bool { return net(text).Contains(a) })
		}
		if p.nodes != nil {
			return slices.ContainsFunc(o.covering(a), func(t *thing) bool { return t.node && kubeSelects(p.nodes, t.labels) })
		}
		return other != nil && o.chooses(*p.pods, other)
	}
	port := func(p adminPort) bool {
		number := map[corev1.Protocol]uint8{"TCP": 6, "UDP": 17, "SCTP": 132}[p.protocol]
		if p.name != "" {
			return f.dst != nil && slices.Contains(f.dst.ports, namedPort{p.name, f.packet.Protocol, f.packet.DstPort})
		}
		return f.packet.Protocol == number && int32(f.packet.DstPort) >= p.first && int32(f.packet.DstPort) <= p.last
	}
	return slices.ContainsFunc(r.peers, peer) && (r.ports == nil || slices.ContainsFunc(r.ports, port))
}

func (o adminOracle) chooses(c podChoice, pod *thing) bool {
	return kubeSelects(c.namespaces, o.namespaceLabels(pod.namespace)) && (c.pods == nil || kubeSelects(c.pods, pod.labels))
}

func randomChoice(r *rand.Rand) podChoice {
	c := podChoice{namespaces: randomNamespaces(r)}
	if chance(r, 50) {
		c.pods = randomKubeSelector(r)
	}
	return c
}

func randomAdminRule(r *rand.Rand, dir rule.Direction, pass bool) adminRule {
	out := adminRule{action: oneOf(r, "Accept", "Deny", "Pass")}
	if !pass && out.action == "Pass" {
		out.action = "Deny"
	}
	named := true
	for range 1 + r.IntN(2) {
		switch choice := randomChoice(r); {
		case chance(r, 3):
			out.peers = append(out.peers, adminPeer{})
		case dir == rule.Egress && chance(r, 20):
			named = false // neither have nodes
			out.peers = append(out.peers, adminPeer{nodes: randomKubeSelector(r)})
		case dir == rule.Egress && chance(r, 40):
			named = false // networks have no port names
			out.peers = append(out.peers, adminPeer{nets: oneOf(r, []string{"10.0.0.0/8"}, []string{"0.0.0.0/0", "::/0"}, []string{"10.0.1.9/24", "fd00::2:0/112", "192.0.2.0/24"})})
		default:
			out.peers = append(out.peers, adminPeer{pods: &choice})
		}
	}
	for range oneOf(r, 0, 0, 1, 2, 3) {
		p := adminPort{protocol: oneOf(r, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP), first: oneOf[int32](r, 1, 53, 80)}
		p.last = oneOf(r, p.first, 81, 65535)
		if named && chance(r, 30) {
			p = adminPort{name: oneOf(r, "http", "dns")}
		}
		out.ports = append(out.ports, p)
	}
	return out
}

func randomAdminPolicy(r *rand.Rand, priority int, baseline, pass bool) adminPolicy {
	p := adminPolicy{baseline: baseline, priority: priority, subject: randomChoice(r)}
	for dir := range p.rules {
		for range r.IntN(4) {
			p.rules[dir] = append(p.rules[dir], randomAdminRule(r, rule.Direction(dir), pass))
		}
	}
	return p
}

// The writers of the forms.

func (c podChoice) subject() clusterpolicy.PolicySubject {
	p := c.peer()
	return clusterpolicy.PolicySubject{Namespaces: p.Namespaces, Pods: p.Pods}
}

func (c podChoice) peer() clusterpolicy.EgressPeer {
	if c.pods == nil {
		return clusterpolicy.EgressPeer{Namespaces: c.namespaces}
	}
	return clusterpolicy.EgressPeer{Pods: &clusterpolicy.NamespacedPods{NamespaceSelector: c.namespaces, PodSelector: *c.pods}}
}

func (r adminRule) from() (out []clusterpolicy.IngressPeer) {
	for _, p := range r.to() {
		out = append(out, clusterpolicy.IngressPeer{Namespaces: p.Namespaces, Pods: p.Pods})
	}
	return out
}

func (r adminRule) to() (out []clusterpolicy.EgressPeer) {
	for _, p := range r.peers {
		switch {
		case p.pods != nil:
			out = append(out, p.pods.peer())
		case p.nodes != nil:
			out = append(out, clusterpolicy.EgressPeer{Nodes: p.nodes})
		default:
			out = append(out, clusterpolicy.EgressPeer{Networks: p.nets})
		}
	}
	return out
}

func (r adminRule) toBaseline() (out []clusterpolicy.BaselineEgressPeer) {
	for _, p := range r.to() {
		out = append(out, clusterpolicy.BaselineEgressPeer{Namespaces: p.Namespaces, Pods: p.Pods, Nodes: p.Nodes, Networks: p.Networks})
	}
	return out
}

func (r adminRule) protocols() (out []clusterpolicy.ProtocolMatch) {
	for _, p := range r.ports {
		m := &clusterpolicy.TransportMatch{DestinationPort: &clusterpolicy.PortMatch{Range: &clusterpolicy.PortMatchRange{Start: p.first, End: p.last}}}
		if p.first == p.last {
			m.DestinationPort = &clusterpolicy.PortMatch{Number: &p.first}
		}
		switch {
		case p.name != "":
			out = append(out, clusterpolicy.ProtocolMatch{DestinationNamedPort: p.name})
		case p.protocol == "TCP":
			out = append(out, clusterpolicy.ProtocolMatch{TCP: m})
		case p.protocol == "UDP":
			out = append(out, clusterpolicy.ProtocolMatch{UDP: m})
		default:
			out = append(out, clusterpolicy.ProtocolMatch{SCTP: m})
		}
	}
	return out
}

func (r adminRule) adminPorts() (out []clusterpolicy.AdminPort) {
	for _, p := range r.ports {
		protocol := p.protocol
		if protocol == "TCP" {
			protocol = "" // the default
		}
		switch {
		case p.name != "":
			out = append(out, clusterpolicy.AdminPort{NamedPort: &p.name})
		case p.first == p.last:
			out = append(out, clusterpolicy.AdminPort{PortNumber: &clusterpolicy.AdminPortNumber{Protocol: protocol, Port: p.first}})
		default:
			out = append(out, clusterpolicy.AdminPort{PortRange: &clusterpolicy.AdminPortRange{Protocol: protocol, Start: p.first, End: p.last}})
		}
	}
	return out
}

func (r adminRule) oldAction() string {
	if r.action == "Accept" {
		return "Allow"
	}
	return r.action
}

func (p adminPolicy) compileNew(name string) (*rule.Policy, v3.FieldErrors, error) {
	return rule.CompileClusterNetworkPolicy(p.newForm(name))
}

func (p adminPolicy) newForm(name string) *clusterpolicy.ClusterNetworkPolicy {
	spec := clusterpolicy.ClusterNetworkPolicySpec{Tier: "Admin", Priority: int32(p.priority), Subject: p.subject.subject()}
	if p.baseline {
		spec.Tier = "Baseline"
	}
	for _, r := range p.rules[rule.Ingress] {
		spec.Ingress = append(spec.Ingress, clusterpolicy.ClusterIngressRule{Action: r.action, From: r.from(), Protocols: r.protocols()})
	}
	for _, r := range p.rules[rule.Egress] {
		spec.Egress = append(spec.Egress, clusterpolicy.ClusterEgressRule{Action: r.action, To: r.to(), Protocols: r.protocols()})
	}
	return &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func (p adminPolicy) compileOld(name string) (*rule.Policy, v3.FieldErrors, error) {
	if p.baseline {
		spec := clusterpolicy.BaselineAdminNetworkPolicySpec{Subject: p.subject.subject()}
		for _, r := range p.rules[rule.Ingress] {
			spec.Ingress = append(spec.Ingress, clusterpolicy.BaselineIngressRule{Action: r.oldAction(), From: r.from(), Ports: r.adminPorts()})
		}
		for _, r := range p.rules[rule.Egress] {
			spec.Egress = append(spec.Egress, clusterpolicy.BaselineEgressRule{Action: r.oldAction(), To: r.toBaseline(), Ports: r.adminPorts()})
		}
		return rule.CompileBaselineAdminNetworkPolicy(&clusterpolicy.BaselineAdminNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: spec})
	}
	spec := clusterpolicy.AdminNetworkPolicySpec{Priority: int32(p.priority), Subject: p.subject.subject()}
	for _, r := range p.rules[rule.Ingress] {
		spec.Ingress = append(spec.Ingress, clusterpolicy.AdminIngressRule{Action: r.oldAction(), From: r.from(), Ports: r.adminPorts()})
	}
	for _, r := range p.rules[rule.Egress] {
		spec.Egress = append(spec.Egress, clusterpolicy.AdminEgressRule{Action: r.oldAction(), To: r.to(), Ports: r.adminPorts()})
	}
	return rule.CompileAdminNetworkPolicy(&clusterpolicy.AdminNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
}

// TestAdminSemantics compiles random mixtures of the three kinds and NetworkPolicies, and compares verdicts with the oracle's.
func TestAdminSemantics(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 4))
		o := adminOracle{kubeOracle: kubeOracle{cluster: randomCluster(r, true)}}
		o.addNodes(r)
		for _, name := range []string{"p", "q"}[:r.IntN(3)] {
			p := randomKubePolicy(r, name)
			compiled, _, err := rule.CompileKubeNetworkPolicy(p)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			o.policies = append(o.policies, p)
			o.cluster.policies = append(o.cluster.policies, compiled)
		}
		priorities := r.Perm(1001) // no two are equal: then the API leaves the order open
		for n := range 4 {
			old, baseline := chance(r, 40) && n < 3, n >= 2 // the third may be the one baseline policy of the older form
			p := randomAdminPolicy(r, priorities[n], baseline, !old || !baseline)
			compile := p.compileNew
			if old {
				compile = p.compileOld
			}
			compiled, _, err := compile(fmt.Sprint("p", n))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if old && baseline {
				p.priority = 1001
			}
			o.admin = append(o.admin, p)
			o.cluster.policies = append(o.cluster.policies, compiled)
		}
		slices.SortFunc(o.admin, func(a, b adminPolicy) int { return cmp.Compare(a.priority, b.priority) })
		a, d := o.compare(t, r, o.allowed)
		allowed, denied = allowed+a, denied+d
	}
	if allowed < 2000 || denied < 2000 {
		t.Errorf("%d allowed and %d denied: the generator hardly tries one of them", allowed, denied)
	}
	t.Logf("%d allowed, %d denied", allowed, denied)
}
