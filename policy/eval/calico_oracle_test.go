// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// calicoPolicy is a policy of one namespace or, without one, of the cluster, as the user wrote it.
type calicoPolicy struct {
	namespace, selector, namespaceSelector, accountSelector string
	rules                                                   []v3.Rule // for both directions
}

// calicoOracle judges by calico-behaviour §2.7 and §3, straight from what users write: it asks each object at an address
// for its own, its namespace's and its account's labels, without compiling anything.
type calicoOracle struct {
	*cluster
	policies []calicoPolicy // in order of evaluation
}

// selects evaluates the text of a selector over plain labels; empty text selects everything.
func selects(text string, labels map[string]string) bool {
	s, err := selector.Parse(text)
	return err == nil && s.Matches(selector.Map(labels))
}

func (o calicoOracle) allowed(pod *thing, _ rule.Direction, f flow) bool {
	isolated := false
	for _, p := range o.policies {
		account := o.accounts[pod.namespace+"/"+pod.account]
		if p.namespace != "" && p.namespace != pod.namespace || !selects(p.selector, pod.labels) ||
			!selects(p.namespaceSelector, o.namespaces[pod.namespace]) || !selects(p.accountSelector, account) {
			continue
		}
		isolated = true
		for _, r := range p.rules {
			if r.Action != v3.Log && o.matches(p.namespace, &r, f) {
				return r.Action == v3.Allow || r.Action == v3.Pass // Pass leaves the only tier: the open profile decides
			}
		}
	}
	return !isolated
}

func (o calicoOracle) matches(scope string, r *v3.Rule, f flow) bool {
	is := func(p *intstr.IntOrString) bool {
		n, err := v3.ProtocolNumber(*p)
		return err == nil && n == f.packet.Protocol
	}
	icmp := func(i *v3.ICMPFields) bool {
		return *i.Type == int(f.packet.ICMPType) && (i.Code == nil || *i.Code == int(f.packet.ICMPCode))
	}
	version := 4
	if f.packet.Dst.Is6() {
		version = 6
	}
	return (r.IPVersion == nil || *r.IPVersion == version) &&
		(r.Protocol == nil || is(r.Protocol)) && (r.NotProtocol == nil || !is(r.NotProtocol)) &&
		(r.ICMP == nil || icmp(r.ICMP)) && (r.NotICMP == nil || !icmp(r.NotICMP)) &&
		o.end(scope, r.Source, f.packet.Src, f.packet.SrcPort, f) && o.end(scope, r.Destination, f.packet.Dst, f.packet.DstPort, f)
}

func (o calicoOracle) end(scope string, e *v3.EntityRule, a netip.Addr, port uint16, f flow) bool {
	if e == nil {
		return true
	}
	inNet := func(text string) bool {
		p, err := v3.ParseCIDR(text)
		return err == nil && p.Contains(a)
	}
	sameFamily := func(text string) bool { return strings.Contains(text, ":") == a.Is6() }
	objects := o.covering(a)
	isPort := func(p intstr.IntOrString) bool {
		first, last, name, err := v3.ParsePort(p)
		named := func(t *thing) bool { return slices.Contains(t.ports, namedPort{name, f.packet.Protocol, port}) }
		return err == nil && (name != "" && slices.ContainsFunc(objects, named) || name == "" && first <= port && port <= last)
	}
	notSelected := func(t *thing) bool { return e.NotSelector != "" && o.labelled(t, e.NotSelector) }
	return (len(e.Nets) == 0 || slices.ContainsFunc(e.Nets, inNet)) &&
		(len(e.NotNets) == 0 || slices.ContainsFunc(e.NotNets, sameFamily) && !slices.ContainsFunc(e.NotNets, inNet)) &&
		(len(e.Ports) == 0 || slices.ContainsFunc(e.Ports, isPort)) && !slices.ContainsFunc(e.NotPorts, isPort) &&
		(!byLabels(scope, e) || slices.ContainsFunc(objects, func(t *thing) bool { return o.peer(scope, e, t) })) &&
		!slices.ContainsFunc(objects, notSelected)
}

// byLabels tells whether an end has to be a known object. A notSelector alone demands one only in a namespaced policy.
func byLabels(scope string, e *v3.EntityRule) bool {
	return e.Selector != "" || e.NamespaceSelector != "" || e.ServiceAccounts != nil || e.NotSelector != "" && scope != ""
}

// labelled evaluates a selector of the user on an object, which also carries what weft puts on it.
func (o calicoOracle) labelled(t *thing, text string) bool { return selects(text, o.effective(t)) }

func (o calicoOracle) peer(scope string, e *v3.EntityRule, t *thing) bool {
	switch {
	case e.NamespaceSelector == "global()":
		if t.namespace != "" {
			return false
		}
	case e.NamespaceSelector != "":
		if t.namespace == "" || !selects(e.NamespaceSelector, o.namespaces[t.namespace]) {
			return false
		}
	case scope != "" && t.namespace != scope:
		return false
	}
	if m := e.ServiceAccounts; m != nil {
		// A network set of a namespace has no account, hence no labels of one.
		account := o.accounts[t.namespace+"/"+t.account]
		if t.namespace == "" || len(m.Names) > 0 && !slices.Contains(m.Names, t.account) || !selects(m.Selector, account) {
			return false
		}
	}
	return selects(e.Selector, o.effective(t))
}

var userSelectors = []string{"app == 'x'", "has(env)", "app != 'y' && env in {'x', 'z'}", "!has(app)", "all()", "env not in {'x'}"}

func randomEnd(r *rand.Rand, ports bool) *v3.EntityRule {
	e := &v3.EntityRule{}
	some := func(percent int, f func()) {
		if chance(r, percent) {
			f()
		}
	}
	some(20, func() {
		e.Nets = oneOf(r, []string{"10.0.0.0/16"}, []string{"192.0.2.0/24", "10.0.1.0/24"}, []string{"fd00::/16"})
	})
	some(20, func() { e.NotNets = oneOf(r, []string{"10.0.1.0/24"}, []string{"192.0.2.1", "fd00::/112"}) })
	some(35, func() { e.Selector = oneOf(r, userSelectors...) })
	some(15, func() { e.NotSelector = oneOf(r, userSelectors...) })
	some(25, func() { e.NamespaceSelector = oneOf(r, append(userSelectors, "global()")...) })
	some(15, func() {
		e.ServiceAccounts = &v3.ServiceAccountMatch{Names: oneOf(r, nil, []string{"s1"}), Selector: oneOf(r, append(userSelectors, "")...)}
	})
	port := func() []intstr.IntOrString {
		return oneOf(r, []intstr.IntOrString{intstr.FromString("http"), intstr.FromInt32(53)}, []intstr.IntOrString{intstr.FromString("80:81")}, []intstr.IntOrString{intstr.FromString("dns")})
	}
	if ports {
		some(30, func() { e.Ports = port() })
		some(15, func() { e.NotPorts = port() })
	}
	return e
}

func randomRule(r *rand.Rand) v3.Rule {
	out := v3.Rule{Action: oneOf(r, v3.Allow, v3.Allow, v3.Deny, v3.Pass, v3.Log)}
	protocol := oneOf(r, "", "TCP", "UDP", "ICMP", "ICMPv6")
	if protocol != "" {
		out.Protocol = new(intstr.FromString(protocol))
	} else if chance(r, 30) {
		out.NotProtocol = new(intstr.FromString("TCP"))
	}
	if protocol == "ICMP" || protocol == "ICMPv6" {
		out.ICMP = oneOf(r, nil, &v3.ICMPFields{Type: new(8)}, &v3.ICMPFields{Type: new(0), Code: new(1)})
		out.NotICMP = oneOf(r, nil, &v3.ICMPFields{Type: new(8), Code: new(0)})
	}
	if chance(r, 15) {
		out.IPVersion = new(oneOf(r, 4, 6))
	}
	hasPorts := protocol == "TCP" || protocol == "UDP"
	if chance(r, 60) {
		out.Source = randomEnd(r, hasPorts)
	}
	if chance(r, 60) {
		out.Destination = randomEnd(r, hasPorts)
	}
	return out
}

// randomCalicoPolicy returns a policy as the oracle and as the compiler know it.
func randomCalicoPolicy(r *rand.Rand, n int) (calicoPolicy, *rule.Policy, error) {
	p := calicoPolicy{namespace: oneOf(r, "", "a", "b"), selector: oneOf(r, userSelectors...)}
	if chance(r, 20) {
		p.accountSelector = oneOf(r, userSelectors...)
	}
	for range 1 + r.IntN(3) {
		p.rules = append(p.rules, randomRule(r))
	}
	types := []v3.PolicyType{v3.Ingress, v3.Egress}
	meta := v3.ObjectMeta{Name: fmt.Sprint("p", n), Namespace: p.namespace}
	order := float64(n)
	if p.namespace != "" {
		compiled, _, err := rule.CompileNetworkPolicy(&v3.NetworkPolicy{ObjectMeta: meta, Spec: v3.NetworkPolicySpec{
			Order: &order, Selector: p.selector, ServiceAccountSelector: p.accountSelector, Types: types, Ingress: p.rules, Egress: p.rules,
		}})
		return p, compiled, err
	}
	if chance(r, 30) {
		p.namespaceSelector = oneOf(r, userSelectors...)
	}
	compiled, _, err := rule.CompileGlobalNetworkPolicy(&v3.GlobalNetworkPolicy{ObjectMeta: meta, Spec: v3.GlobalNetworkPolicySpec{
		Order: &order, Selector: p.selector, NamespaceSelector: p.namespaceSelector, ServiceAccountSelector: p.accountSelector,
		Types: types, Ingress: p.rules, Egress: p.rules,
	}})
	return p, compiled, err
}

// TestCalicoSemantics compiles random Calico policies and compares verdicts with the oracle's.
func TestCalicoSemantics(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 3))
		o := calicoOracle{cluster: randomCluster(r, true)}
		for n := range 3 {
			p, compiled, err := randomCalicoPolicy(r, n)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
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
