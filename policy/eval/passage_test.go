// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Addresses of the node in these tests: cali1 has both families, cali2 IPv4 only; all else is behind eth0 or, 192.0.2.0/24, behind eth1.
var (
	pod1, pod16, pod2, own = addr("10.0.0.1"), addr("fd00::1"), addr("10.0.0.2"), addr("198.51.100.1")
	world0, world1         = addr("203.0.113.1"), addr("192.0.2.1")
	service                = addr("10.96.0.1")
)

func route(a netip.Addr) string {
	switch a {
	case pod1, pod16:
		return "cali1"
	case pod2, addr("fd00::2"):
		return "cali2"
	case addr("10.0.0.3"):
		return "cali3"
	case own:
		return ""
	}
	if net("192.0.2.0/24").Contains(a) {
		return "eth1"
	}
	return "eth0"
}

// toPod2 is NAT of a service.
func toPod2(p eval.Packet) eval.Packet {
	if p.Dst == service {
		p.Dst = pod2
	}
	return p
}

func allPolicies(name string) []desired.TierPolicies { return tiers(tier("t", rule.Deny, name)) }

func both(list []desired.TierPolicies) [2][]desired.TierPolicies {
	return [2][]desired.TierPolicies{list, list}
}

// passageView has two workloads, open but for what change does.
func passageView(t *testing.T, change func(pods []*desired.Endpoint, s *desired.Settings, d *desired.Delta)) *desired.State {
	t.Helper()
	d := &desired.Delta{}
	for _, name := range []string{"allow", "deny", "none"} {
		p := &desired.Policy{ID: named(name)}
		for dir := range p.Rules {
			switch name {
			case "allow":
				p.Rules[dir] = []rule.Rule{r("allow", 0, rule.Allow, rule.Match{})}
			case "deny":
				p.Rules[dir] = []rule.Rule{r("deny", 0, rule.Deny, rule.Match{})}
			}
		}
		d.Policies = append(d.Policies, p)
	}
	pods := []*desired.Endpoint{
		{ID: desired.EndpointID{Namespace: "ns", Name: "one"}, Interface: "cali1", Addrs: []netip.Addr{pod1, pod16}},
		{ID: desired.EndpointID{Namespace: "ns", Name: "two"}, Interface: "cali2", Addrs: []netip.Addr{pod2}},
	}
	for _, p := range pods {
		p.Tiers = both(allPolicies("allow"))
	}
	s := &desired.Settings{EndpointToHost: desired.HostAccept}
	change(pods, s, d)
	d.Endpoints, d.Settings = pods, s
	state := desired.NewState()
	if err := state.Apply(d); err != nil {
		t.Fatal(err)
	}
	return state
}

// passed renders what was asked, one place a word, and the verdict.
func passed(p eval.Passage) string {
	var words []string
	for _, at := range p.Places {
		where := at.Link
		if at.Host {
			where = at.Traffic.String() + "@" + at.ID.Name + "/" + at.Link
		}
		words = append(words, strings.ReplaceAll(at.Dir.String()+":"+where+"="+at.Verdict.String(), "-DNAT", ""))
	}
	out := p.Out
	if out == "" {
		out = "host"
	}
	if p.Verdict == rule.Deny {
		out = "denied"
	}
	if p.Untracked {
		out += " untracked"
	}
	return strings.Join(append(words, out), " ")
}

func syn(src, dst netip.Addr) eval.Packet {
	return eval.Packet{Src: src, Dst: dst, Protocol: 6, SrcPort: 1000, DstPort: 80}
}

func TestPassage(t *testing.T) {
	longer := 0 // places that were asked thoroughly
	type change = func(pods []*desired.Endpoint, s *desired.Settings, d *desired.Delta)
	hep := func(link string, set func(*desired.HostEndpoint)) *desired.HostEndpoint {
		ep := &desired.HostEndpoint{ID: desired.EndpointID{Name: strings.ReplaceAll(link, "*", "any")}, Interface: link}
		set(ep)
		return ep
	}
	hosts := func(eps ...*desired.HostEndpoint) change {
		return func(_ []*desired.Endpoint, _ *desired.Settings, d *desired.Delta) { d.HostEndpoints = eps }
	}
	returning := func(eps ...*desired.HostEndpoint) change {
		return func(_ []*desired.Endpoint, s *desired.Settings, d *desired.Delta) {
			s.EndpointToHost, d.HostEndpoints = desired.HostReturn, eps
		}
	}
	closed := func(*desired.HostEndpoint) {}
	allSorts := func(name string) func(*desired.HostEndpoint) {
		return func(ep *desired.HostEndpoint) {
			ep.Untracked, ep.PreDNAT, ep.Normal, ep.Forward = both(allPolicies(name)), allPolicies(name), both(allPolicies(name)), both(allPolicies(name))
		}
	}
	forward := func(name string) func(*desired.HostEndpoint) {
		return func(ep *desired.HostEndpoint) { ep.Forward = both(allPolicies(name)) }
	}
	preDNAT := func(name string) func(*desired.HostEndpoint) {
		return func(ep *desired.HostEndpoint) { ep.PreDNAT, ep.Forward = allPolicies(name), both(allPolicies("deny")) }
	}
	untracked := func(name string) func(*desired.HostEndpoint) {
		return func(ep *desired.HostEndpoint) {
			ep.Untracked, ep.PreDNAT, ep.Normal = both(allPolicies(name)), allPolicies("deny"), both(allPolicies("deny"))
		}
	}
	icmpv6 := func(typ uint8) eval.Packet {
		return eval.Packet{Src: addr("fe80::1"), Dst: own, Protocol: 58, ICMPType: typ}
	}
	solicitation := icmpv6(135)
	nothing := hosts()

	for _, c := range []struct {
		name   string
		change change
		in     string
		packet eval.Packet
		want   string
	}{
		{"pod to pod", nothing, "cali1", syn(pod1, pod2), "egress:cali1=Allow ingress:cali2=Allow cali2"},
		{"pod to pod, IPv4 in IPv6", nothing, "cali1", syn(addr("::ffff:10.0.0.1"), pod2), "egress:cali1=Allow ingress:cali2=Allow cali2"},
		{"pod to world", nothing, "cali1", syn(pod1, world0), "egress:cali1=Allow eth0"},
		{"world to pod", nothing, "eth0", syn(world0, pod2), "ingress:cali2=Allow cali2"},
		{"world to world", nothing, "eth0", syn(world0, world1), "eth1"},
		{"world to host", nothing, "eth0", syn(world0, own), "host"},
		{"host to world", nothing, "", syn(own, world0), "eth0"},
		{"host to pod", nothing, "", syn(own, pod1), "ingress:cali1=Allow cali1"},
		{"host to itself", nothing, "", syn(own, own), "host"},
		{"pod with the source of another", nothing, "cali1", syn(pod2, world0), "egress:cali1=Deny denied"},
		{"pod with an allowed prefix", func(pods []*desired.Endpoint, _ *desired.Settings, _ *desired.Delta) {
			pods[0].SpoofPrefixes = []netip.Prefix{net("10.0.0.0/24")}
		}, "cali1", syn(pod2, world0), "egress:cali1=Allow eth0"},
		{"unknown pod", nothing, "cali3", syn(addr("10.0.0.3"), world0), "egress:cali3=Deny denied"},
		{"to an unknown pod", nothing, "eth0", syn(world0, addr("10.0.0.3")), "ingress:cali3=Deny denied"},
		{"to a pod without the family", nothing, "cali1", syn(pod16, addr("fd00::2")), "egress:cali1=Allow ingress:cali2=Deny denied"},
		{"closed sender", func(pods []*desired.Endpoint, _ *desired.Settings, _ *desired.Delta) {
			pods[0].Tiers[rule.Egress] = allPolicies("deny")
		}, "cali1", syn(pod1, pod2), "egress:cali1=Deny denied"},
		{"pod to service", nothing, "cali1", syn(pod1, service), "egress:cali1=Allow ingress:cali2=Allow cali2"},

		{"pod to its host", nothing, "cali1", syn(pod1, own), "egress:cali1=Allow ingress:cali1=Allow host"},
		{"pod to its host, closed", func(_ []*desired.Endpoint, s *desired.Settings, _ *desired.Delta) {
			s.EndpointToHost = desired.HostDrop
		},
			"cali1", syn(pod1, own), "egress:cali1=Allow ingress:cali1=Deny denied"},
		{"pod to its host, left to others", returning(), "cali1", syn(pod1, own), "egress:cali1=Allow host"},
		{"pod to its host by egress policy", func(pods []*desired.Endpoint, _ *desired.Settings, _ *desired.Delta) {
			pods[0].Tiers[rule.Egress] = allPolicies("deny")
		}, "cali1", syn(pod1, own), "egress:cali1=Deny denied"},
		{"pod looks for its router", func(_ []*desired.Endpoint, s *desired.Settings, _ *desired.Delta) {
			s.EndpointToHost = desired.HostDrop
		},
			"cali1", solicitation, "egress:cali1=Allow host"},

		{"closed host endpoint, in", hosts(hep("eth0", closed)), "eth0", syn(world0, own), "ingress:normal@eth0/eth0=Deny denied"},
		{"closed host endpoint, out", hosts(hep("eth0", closed)), "", syn(own, world0), "egress:normal@eth0/eth0=Deny denied"},
		{"closed host endpoint, forwarded", hosts(hep("eth0", closed)), "eth0", syn(world0, world1), "ingress:forward@eth0/eth0=Allow eth1"},
		{"closed host endpoint, neighbour discovery", hosts(hep("eth0", closed)), "eth0", solicitation, "ingress:eth0=Allow host"},
		{"closed host endpoint, router advertisement", hosts(hep("eth0", closed)), "eth0", icmpv6(134), "ingress:eth0=Allow host"},
		{"closed host endpoint, MLDv2 report", hosts(hep("eth0", closed)), "eth0", icmpv6(143), "ingress:eth0=Allow host"},
		{"closed host endpoint, redirect", hosts(hep("eth0", closed)), "eth0", icmpv6(137), "ingress:normal@eth0/eth0=Deny denied"},
		{"router advertisement of a pod", nothing, "cali1", icmpv6(134), "egress:cali1=Deny denied"},
		{"another interface", hosts(hep("eth0", closed)), "eth1", syn(world1, own), "host"},
		{"closed anywhere", hosts(hep("*", closed)), "eth1", syn(world1, own), "ingress:normal@any/eth1=Deny denied"},
		{"closed anywhere, loopback", hosts(hep("*", closed)), "", syn(own, own), "egress:normal@any/lo=Deny denied"},
		{"open anywhere, loopback", hosts(hep("*", allSorts("allow"))), "", syn(own, own),
			"egress:normal@any/lo=Allow ingress:pre@any/lo=Allow host"},
		{"a name goes before any", hosts(hep("*", closed), hep("eth1", allSorts("none"))), "eth1", syn(world1, own),
			"ingress:untracked@eth1/eth1=NoMatch ingress:pre@eth1/eth1=NoMatch ingress:normal@eth1/eth1=Deny denied"},
		{"closed anywhere, host to pod", hosts(hep("*", closed)), "", syn(own, pod1), "ingress:cali1=Allow cali1"},
		{"closed anywhere, pod to host", hosts(hep("*", closed)), "cali1", syn(pod1, own), "egress:cali1=Allow ingress:cali1=Allow host"},
		{"closed anywhere, pod to host, left to others", returning(hep("*", closed)), "cali1", syn(pod1, own),
			"egress:cali1=Allow ingress:normal@any/cali1=Deny denied"},
		{"pre-DNAT anywhere, pod to host", returning(hep("*", preDNAT("allow"))), "cali1", syn(pod1, own),
			"ingress:pre@any/cali1=Allow egress:cali1=Allow host"},

		{"forward policy in", hosts(hep("eth0", forward("deny"))), "eth0", syn(world0, pod1), "ingress:forward@eth0/eth0=Deny denied"},
		{"forward policy out", hosts(hep("eth0", forward("deny"))), "cali1", syn(pod1, world0), "egress:cali1=Allow egress:forward@eth0/eth0=Deny denied"},
		{"forward policy of both", hosts(hep("eth0", forward("allow")), hep("eth1", forward("none"))), "eth0", syn(world0, world1),
			"ingress:forward@eth0/eth0=Allow egress:forward@eth1/eth1=Deny denied"},
		{"forward policy anywhere, pod to pod", hosts(hep("*", forward("allow"))), "cali1", syn(pod1, pod2),
			"ingress:forward@any/cali1=Allow egress:cali1=Allow egress:forward@any/cali2=Allow ingress:cali2=Allow cali2"},

		{"pre-DNAT allow is final in, not out", hosts(hep("*", preDNAT("allow"))), "eth0", syn(world0, world1),
			"ingress:pre@any/eth0=Allow egress:forward@any/eth1=Deny denied"},
		{"pre-DNAT undecided", hosts(hep("eth0", preDNAT("none"))), "eth0", syn(world0, service),
			"ingress:pre@eth0/eth0=NoMatch ingress:forward@eth0/eth0=Deny denied"},
		{"pre-DNAT allow to a pod", hosts(hep("eth0", preDNAT("allow"))), "eth0", syn(world0, service),
			"ingress:pre@eth0/eth0=Allow ingress:cali2=Allow cali2"},
		{"pre-DNAT deny", hosts(hep("eth0", preDNAT("deny"))), "eth0", syn(world0, service), "ingress:pre@eth0/eth0=Deny denied"},

		{"untracked allow, in", hosts(hep("eth0", untracked("allow"))), "eth0", syn(world0, own), "ingress:untracked@eth0/eth0=Allow host untracked"},
		{"untracked allow, out", hosts(hep("eth0", untracked("allow"))), "", syn(own, world0), "egress:untracked@eth0/eth0=Allow eth0 untracked"},
		{"untracked deny, out", hosts(hep("eth0", untracked("deny"))), "", syn(own, world0), "egress:untracked@eth0/eth0=Deny denied"},
		{"untracked undecided", hosts(hep("eth0", untracked("none"))), "eth0", syn(world0, own),
			"ingress:untracked@eth0/eth0=NoMatch ingress:pre@eth0/eth0=Deny denied"},
		{"untracked is not translated", hosts(hep("eth0", untracked("allow"))), "eth0", syn(world1, service),
			"ingress:untracked@eth0/eth0=Allow egress:forward@eth0/eth0=Allow eth0 untracked"},
		{"untracked policy does not reach what is forwarded out", hosts(hep("eth0", untracked("deny"))), "cali1", syn(pod1, world0),
			"egress:cali1=Allow egress:forward@eth0/eth0=Allow eth0"},
		{"untracked policy anywhere takes no part", hosts(hep("*", func(ep *desired.HostEndpoint) {
			ep.Untracked, ep.Normal = both(allPolicies("deny")), both(allPolicies("allow"))
		})), "eth0", syn(world0, own), "ingress:normal@any/eth0=Allow host"},
	} {
		node := eval.Node{View: passageView(t, c.change), WorkloadPrefix: "cali", Route: route, NAT: toPod2}
		p := node.Pass(c.in, c.packet)
		if got := passed(p); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s\n%v", c.name, got, c.want, p.String())
		}
		node.Thorough = true
		thorough := node.Pass(c.in, c.packet)
		if thorough.Verdict != p.Verdict || !reflect.DeepEqual(thorough.Places[:min(len(p.Places), len(thorough.Places))], p.Places) {
			t.Errorf("%s, thoroughly:\n%s\nwant it to begin with\n%s", c.name, thorough.String(), p.String())
		}
		longer += len(thorough.Places) - len(p.Places)
	}
	if longer < 10 {
		t.Errorf("%d more places are asked thoroughly: hardly any packet was denied before the end", longer)
	}
}

func TestPassageText(t *testing.T) {
	view := passageView(t, func(_ []*desired.Endpoint, s *desired.Settings, d *desired.Delta) {
		s.EndpointToHost = desired.HostDrop
		d.HostEndpoints = []*desired.HostEndpoint{{
			ID: desired.EndpointID{Name: "any"}, Interface: desired.AnyInterface, PreDNAT: allPolicies("none"),
		}}
	})
	p := eval.Node{View: view, WorkloadPrefix: "cali", Route: route}.Pass("cali1", syn(pod1, own))
	want := `pre-DNAT ingress at host endpoint any, link cali1
  tier t: NetworkPolicy ns/none: no rule decides
  no pre-DNAT policy decides; the packet goes on
  NoMatch
egress at workload ns/one, link cali1
  tier t: NetworkPolicy ns/allow: rule 0 (allow): Allow text
  Allow
ingress at link cali1
  a workload may not talk to its own host (defaultEndpointToHostAction Drop); Deny
  Deny
Deny`
	if got := p.String(); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	if i := slices.IndexFunc(p.Places, func(at eval.Place) bool { return at.Packet != syn(pod1, own) }); i >= 0 {
		t.Errorf("place %d saw %+v", i, p.Places[i].Packet)
	}
}
