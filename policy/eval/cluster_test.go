// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// thing is what an address can belong to: a pod, a node or a network set. Network sets without namespace are global.
type thing struct {
	namespace string
	pod, node bool
	account   string // pods: service account
	labels    map[string]string
	nets      []netip.Prefix
	ports     []namedPort
}

type namedPort struct {
	name     string
	protocol uint8
	number   uint16
}

// cluster is a small world by hand: what compiled policies are judged in.
type cluster struct {
	namespaces map[string]map[string]string // labels
	accounts   map[string]map[string]string // labels, by "namespace/name"
	things     []*thing
	policies   []*rule.Policy
}

func (c *cluster) covering(a netip.Addr) []*thing {
	var out []*thing
	for _, t := range c.things {
		if slices.ContainsFunc(t.nets, func(n netip.Prefix) bool { return n.Contains(a) }) {
			out = append(out, t)
		}
	}
	return out
}

// effective returns all labels of a thing as weft sees them, the inherited ones included.
func (c *cluster) effective(t *thing) selector.Map {
	out := selector.Map(maps.Clone(t.labels))
	inherit := func(labels map[string]string) {
		for k, v := range labels {
			out[k] = v
		}
	}
	if t.namespace != "" {
		out[selector.NamespaceLabel] = t.namespace
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace, Labels: c.namespaces[t.namespace]}}
		inherit(rule.NamespaceProfile(ns).Spec.LabelsToApply)
	}
	if t.pod {
		out[rule.OrchestratorLabel] = "k8s"
		sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: t.namespace, Name: t.account, Labels: c.accounts[t.namespace+"/"+t.account],
		}}
		inherit(rule.ServiceAccountProfile(sa).Spec.LabelsToApply)
	}
	return out
}

// Policy implements eval.World; "open" is the profile that allows everything.
func (c *cluster) Policy(id rule.PolicyID) (*desired.Policy, bool) {
	if id == profile("open") {
		allow := []rule.Rule{{ID: "open", Action: rule.Allow}}
		return &desired.Policy{ID: id, Rules: [2][]rule.Rule{allow, allow}}, true
	}
	for _, p := range c.policies {
		if p.ID == id {
			return &desired.Policy{ID: id, Rules: p.Rules}, true
		}
	}
	return nil, false
}

// Contains implements eval.World by looking at everything.
func (c *cluster) Contains(id rule.SetID, m desired.Member) (holds, known bool) {
	for _, p := range c.policies {
		for set := range (&desired.Policy{Rules: p.Rules}).Sets() {
			if set.ID == id {
				return slices.ContainsFunc(c.covering(m.Prefix.Addr()), func(t *thing) bool { return c.member(t, set, m) }), true
			}
		}
	}
	return false, false
}

func (c *cluster) member(t *thing, set rule.Set, m desired.Member) bool {
	if set.Nodes != t.node || !set.Selector.Matches(c.effective(t)) {
		return false
	}
	return set.Kind == rule.SetNet || set.Protocol == m.Protocol && slices.Contains(t.ports, namedPort{set.Port, m.Protocol, m.Port})
}

// endpoint returns a pod's endpoint: the policies in the tiers that always exist, then the open profile.
func (c *cluster) endpoint(pod *thing) *desired.Endpoint {
	ep := &desired.Endpoint{Profiles: []rule.PolicyID{profile("open")}}
	ordered := slices.SortedFunc(slices.Values(c.policies), rule.ComparePolicies)
	for dir := range ep.Tiers {
		for _, fixed := range v3.FixedTiers() {
			t := desired.TierPolicies{Tier: fixed.Name, DefaultAction: rule.Deny}
			if fixed.Spec.DefaultAction == v3.Pass {
				t.DefaultAction = rule.Pass
			}
			for _, p := range ordered {
				if p.Tier == fixed.Name && p.Types[dir] && p.Selector.Matches(c.effective(pod)) {
					t.Policies = append(t.Policies, p.ID)
				}
			}
			if len(t.Policies) > 0 {
				ep.Tiers[dir] = append(ep.Tiers[dir], t)
			}
		}
	}
	return ep
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomLabels(r *rand.Rand) map[string]string {
	m := map[string]string{}
	for _, k := range []string{"app", "env"} {
		if chance(r, 60) {
			m[k] = oneOf(r, "x", "y", "z", "")
		}
	}
	return m
}

// randomCluster has three namespaces with pods and, if asked for, network sets.
func randomCluster(r *rand.Rand, networkSets bool) *cluster {
	c := &cluster{namespaces: map[string]map[string]string{}, accounts: map[string]map[string]string{}}
	for n, ns := range []string{"a", "b", "c"} {
		c.namespaces[ns] = randomLabels(r)
		for _, account := range []string{"s1", "s2"} {
			c.accounts[ns+"/"+account] = randomLabels(r)
		}
		for i := range 3 {
			c.things = append(c.things, &thing{
				namespace: ns, pod: true, account: oneOf(r, "s1", "s2"), labels: randomLabels(r),
				nets:  []netip.Prefix{net(fmt.Sprintf("10.0.%d.%d/32", n, i)), net(fmt.Sprintf("fd00::%d:%d/128", n, i))},
				ports: []namedPort{{"http", 6, oneOf[uint16](r, 80, 81)}, {"dns", 17, 53}},
			})
		}
	}
	if networkSets {
		for _, ns := range []string{"a", "b", "", ""} {
			nets := []netip.Prefix{oneOf(r, net("192.0.2.0/24"), net("192.0.2.128/25"), net("10.0.1.0/24"), net("2001:db8::/32"))}
			c.things = append(c.things, &thing{namespace: ns, labels: randomLabels(r), nets: nets})
		}
	}
	return c
}

// addNodes adds nodes with some of the addresses outside.
func (c *cluster) addNodes(r *rand.Rand) {
	for i, v4 := range []string{"192.0.2.1/32", "198.51.100.1/32"} {
		v6 := []string{"2001:db8::1/128", "2001:db9::1/128"}[i]
		c.things = append(c.things, &thing{node: true, labels: randomLabels(r), nets: []netip.Prefix{net(v4), net(v6)}})
	}
}

// flow is a packet and the pods at its ends, nil for the world outside.
type flow struct {
	packet   eval.Packet
	src, dst *thing
}

func (c *cluster) randomFlow(r *rand.Rand) flow {
	family := r.IntN(2)
	outside := []netip.Addr{addr(oneOf(r, "192.0.2.1", "192.0.2.200", "198.51.100.1")), addr(oneOf(r, "2001:db8::1", "2001:db9::1"))}
	end := func() (netip.Addr, *thing) {
		t := c.things[r.IntN(9)] // the pods come first
		if chance(r, 20) {
			return outside[family], nil
		}
		return t.nets[family].Addr(), t
	}
	f := flow{packet: eval.Packet{
		Protocol: oneOf[uint8](r, 6, 6, 17, 17, 132, 1, 47), SrcPort: oneOf[uint16](r, 80, 1000), DstPort: oneOf[uint16](r, 1, 53, 80, 81, 82, 65535),
	}}
	f.packet.Src, f.src = end()
	f.packet.Dst, f.dst = end()
	if f.packet.Protocol == 47 {
		f.packet.SrcPort, f.packet.DstPort = 0, 0
	}
	if f.packet.Protocol == 1 {
		f.packet.SrcPort, f.packet.DstPort, f.packet.ICMPType, f.packet.ICMPCode = 0, 0, oneOf[uint8](r, 0, 8), oneOf[uint8](r, 0, 1)
		if family == 1 {
			f.packet.Protocol = 58
		}
	}
	return f
}

// compare judges random flows at every end that is a pod and reports the first where want says otherwise.
func (c *cluster) compare(t *testing.T, r *rand.Rand, want func(pod *thing, dir rule.Direction, f flow) bool) (allowed, denied int) {
	t.Helper()
	for range 40 {
		f := c.randomFlow(r)
		for dir, pod := range map[rule.Direction]*thing{rule.Ingress: f.dst, rule.Egress: f.src} {
			if pod == nil {
				continue
			}
			result := eval.Evaluate(c, c.endpoint(pod), dir, f.packet)
			if w := want(pod, dir, f); (result.Verdict == rule.Allow) != w {
				t.Fatalf("%s of %+v: allowed should be %v, but:\n%s", dir, f.packet, w, &result)
			}
			if result.Verdict == rule.Allow {
				allowed++
			} else {
				denied++
			}
		}
	}
	return allowed, denied
}
