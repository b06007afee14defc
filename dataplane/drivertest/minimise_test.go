// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// without is a creation as a driver would take it that forgets a rule.
func without(t *testing.T, d *desired.Delta, id rule.ID) *desired.State {
	t.Helper()
	out := *d
	out.Policies = nil
	for _, p := range d.Policies {
		less := *p
		for dir := range less.Rules {
			less.Rules[dir] = slices.DeleteFunc(slices.Clone(less.Rules[dir]), func(r rule.Rule) bool { return r.ID == id })
		}
		out.Policies = append(out.Policies, &less)
	}
	s, err := stateOf(&out)
	must(t, err)
	return s
}

// forgets finds a rule and a packet to which it makes a difference.
func forgets(t *testing.T, g *generator) (scenario, rule.ID) {
	t.Helper()
	for range 200 {
		before, now := g.state(t), g.state(t)
		for range packetsPerState {
			p := g.probe()
			want := expect(now, p)
			for id := range want.hits {
				if expect(without(t, creation(now), id), p).out != want.out {
					return scenarioOf(before, now, p), id
				}
			}
		}
	}
	t.Fatal("no rule ever makes a difference")
	return scenario{}, ""
}

func TestMinimise(t *testing.T) {
	for seed := range uint64(8) {
		s, id := forgets(t, newGenerator(seed, true))
		differs := func(s scenario) bool {
			now, err := stateOf(s.now)
			must(t, err)
			return expect(now, s.probe).out != expect(without(t, s.now, id), s.probe).out
		}
		small := minimise(differs, s)
		if !differs(small) {
			t.Fatalf("seed %d: what is left does not differ:\n%s", seed, small)
		}
		if small.before != nil {
			t.Errorf("seed %d: the state before is still there", seed)
		}
		for i := 0; ; i++ {
			next, ok := reduced(small.now, i)
			if next == nil {
				break
			}
			if ok && differs(scenario{now: next, probe: small.probe}) {
				t.Fatalf("seed %d: step %d still makes it smaller:\n%s", seed, i, small)
			}
		}
		if !strings.Contains(small.String(), "id: "+string(id)+"\n") {
			t.Errorf("seed %d: rule %s is not in\n%s", seed, id, small)
		}
		rules := strings.Count(small.String(), "- action:")
		if rules > 3 {
			t.Errorf("seed %d: %d rules are left:\n%s", seed, rules, small)
		}
	}
}

// TestMinimiseKeepsWhatWentBefore is about a driver that goes wrong on the way from one state to another.
func TestMinimiseKeepsWhatWentBefore(t *testing.T) {
	g := newGenerator(1, true)
	before, now := g.state(t), g.state(t)
	differs := func(s scenario) bool { return s.before != nil && len(s.before.IPSets) > 0 && len(s.now.Policies) > 0 }
	small := minimise(differs, scenarioOf(before, now, g.probe()))
	if small.before == nil || len(small.before.IPSets) != 1 || len(small.before.IPSets[0].Added) != 0 || len(small.now.Policies) != 1 {
		t.Errorf("left is\n%s", small)
	}
}

func TestMinimiseGivesUp(t *testing.T) {
	g := newGenerator(2, true)
	s := scenarioOf(g.state(t), g.state(t), g.probe())
	if got := minimise(func(scenario) bool { return false }, s); got.before != s.before || got.now != s.now {
		t.Errorf("a scenario that does not differ was changed to\n%s", got)
	}
}

func TestScenarioText(t *testing.T) {
	id := rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "ns", Name: "p"}
	d := &desired.Delta{
		IPSets: []desired.IPSetChange{{ID: "web", Created: true, Kind: rule.SetPort, Added: []desired.Member{
			{Prefix: desired.HostPrefix(WorkloadAddr(1, false)), Protocol: protoTCP, Port: 80},
		}}},
		Policies: []*desired.Policy{{ID: id, Rules: [2][]rule.Rule{rule.Egress: {{
			ID: "r", Action: rule.Deny, Match: rule.Match{Protocol: protoTCP, Dst: rule.Side{
				Ports: []rule.PortRange{{Min: 80, Max: 81}}, PortSets: []rule.Set{{ID: "web", Kind: rule.SetPort}},
			}},
		}}}}},
		HostEndpoints: []*desired.HostEndpoint{{
			ID: desired.EndpointID{Name: "hep"}, Interface: "up0",
			PreDNAT: []desired.TierPolicies{{Tier: "t", Policies: []rule.PolicyID{id}, DefaultAction: rule.Pass}},
		}},
		Settings: &desired.Settings{EndpointToHost: desired.HostReturn, Failsafe: [2][]desired.Failsafe{rule.Egress: {{Protocol: protoUDP, Port: 53}}}},
	}
	s := scenario{now: d, probe: probe{packet: udp(WorkloadAddr(1, false), WorkloadAddr(2, false), 53)}}
	want := `from: the host itself
packet:
  dst: 10.65.0.2
  dstPort: 53
  protocol: UDP
  src: 10.65.0.1
  srcPort: 2000
state:
  hostEndpoints:
  - id: /hep
    interface: up0
    preDNAT:
    - defaultAction: Pass
      policies:
      - NetworkPolicy ns/p
      tier: t
  ipSets:
  - added:
    - 10.65.0.1 TCP 80
    created: true
    id: web
    kind: port
  policies:
  - id: NetworkPolicy ns/p
    rules:
      egress:
      - action: Deny
        id: r
        match:
          dst:
            portSets:
            - id: web
              kind: port
            ports:
            - 80-81
          protocol: TCP
  settings:
    endpointToHost: Return
    failsafe:
      egress:
      - port: 53
        protocol: UDP
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestHostCasesJudged holds the cases that drivers are tested with against the judge.
func TestHostCasesJudged(t *testing.T) {
	for _, c := range hostCases {
		now := hostState(t, c.settings, c.hosts...)
		for _, s := range c.packets {
			for _, v6 := range []bool{false, true} {
				if want := expect(now, probe{s.from, s.packet(v6, 1)}); want.out != s.want {
					t.Errorf("%s: %+v: the judge says %q\n%s", c.name, s, want.out, want.why)
				}
			}
		}
	}
}
