// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// byPort is a state with policies that are told apart by port: each with what rules can compare besides it.
func byPort(t testing.TB) *desired.State {
	t.Helper()
	var b build
	everybody := b.Set("everybody", "10.0.0.1", "10.0.0.2", "192.0.2.0/24", "fd00::1")
	named := b.Set("named", "10.65.0.1 6 8080")
	to := func(protocol uint8, side rule.Side, ports ...rule.PortRange) rule.Match {
		return rule.Match{Protocol: protocol, Src: side, Dst: rule.Side{Ports: ports}}
	}
	port := func(p uint16) rule.PortRange { return rule.PortRange{Min: p, Max: p} }
	all := rule.Side{Sets: []rule.Set{everybody}}
	six := to(17, rule.Side{}, port(53))
	six.IPVersion = 6
	policies := [][]rule.Rule{
		{deny(to(6, rule.Side{Nets: prefixes("10.0.0.2", "fd00::2")}, port(80), port(443))), allow(to(6, all, port(80), port(443)))},
		{allow(to(6, rule.Side{}, port(81))), deny(to(6, rule.Side{}, port(81)))},
		{allow(to(0, all, port(53))), allow(six), deny(to(17, rule.Side{}, port(53)))},
		{allow(to(17, rule.Side{NotSets: []rule.Set{everybody}}, rule.PortRange{Min: 1000, Max: 1002}))},
		{allow(to(6, rule.Side{Ports: []rule.PortRange{port(7)}, NotPortSets: []rule.Set{named}}, port(8080)))},
		{allow(to(6, rule.Side{Nets: prefixes("10.0.0.0/8", "172.16.0.0/12")}, port(9090)))},
	}
	var ids []rule.PolicyID
	for i, rules := range policies {
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), rules, nil))
	}
	open := b.Policy(np("named"), []rule.Rule{allow(rule.Match{Protocol: 6, Dst: rule.Side{PortSets: []rule.Set{named}}})}, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, append(ids, open)...)}, nil, "10.65.0.1", "fd00::1")
	return b.State(t)
}

// alike is n policies that let the same peers in, each to a port of its own; the version changes the port of the first.
func alike(t testing.TB, n int, version uint16) *desired.State {
	t.Helper()
	var b build
	set := b.Set("all", "10.65.0.0/16", "10.66.0.1")
	var ids []rule.PolicyID
	for i := range n {
		port := uint16(1000 + i)
		if i == 0 {
			port += 1000 * version
		}
		r := allow(rule.Match{Protocol: 17, Src: rule.Side{Sets: []rule.Set{set}}, Dst: rule.Side{Ports: ports(port)}})
		r.ID = rule.ID(fmt.Sprintf("to%d", port))
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), []rule.Rule{r}, nil))
	}
	open := b.Policy(profile("open"), nil, []rule.Rule{allow(rule.Match{})})
	b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.65.0.1")
	b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, ids...)}, nil, "10.65.0.2").Tiers[rule.Egress] = nil
	return b.State(t)
}

// TestPortsBoundRules: however many policies there are, a packet meets as few rules.
func TestPortsBoundRules(t *testing.T) {
	for _, n := range []int{portsFrom, 100} {
		l := newLedger(alike(t, n, 0), Options{})
		check(t, l.putView(nil, nil))
		p, err := l.finish()
		check(t, err)
		longest, tried := 0, 0
		for _, c := range p.chains {
			longest = max(longest, len(c.rules))
			if strings.HasPrefix(c.chain.Name, "ports/in4/") {
				tried = max(tried, len(c.rules))
			}
		}
		if longest > 10 || tried != 2 { // members that are hosts, members that are prefixes
			t.Errorf("%d policies: chains of up to %d rules, of up to %d for a port; want at most 10, and 2", n, longest, tried)
		}
	}
}

// TestPortsLeftAlone: policies stay with chains of their own in the plain rendering, where they are few, and where the port tells too little.
func TestPortsLeftAlone(t *testing.T) {
	same := alike(t, portsFrom, 0)
	for p := range same.Policies() {
		for i := range p.Rules[rule.Ingress] {
			p.Rules[rule.Ingress][i].Match.Dst.Ports = ports(80)
		}
	}
	other := alike(t, portsFrom, 0)
	for p := range other.Policies() {
		for i := range p.Rules[rule.Ingress] {
			p.Rules[rule.Ingress][i].Match.IPVersion = 6
		}
	}
	for name, c := range map[string]struct {
		view    *desired.State
		options Options
		want    bool
	}{
		"of another family": {other, Options{}, false},
		"many":              {alike(t, portsFrom, 0), Options{}, true},
		"plain":             {alike(t, portsFrom, 0), Options{Plain: true}, false},
		"few":               {alike(t, portsFrom-1, 0), Options{}, false},
		"of one port":       {same, Options{}, false},
	} {
		text, err := Render(c.view, c.options)
		check(t, err)
		if got := strings.Contains(text, "chain ports/"); got != c.want {
			t.Errorf("%s: told apart by port %v; want %v", name, got, c.want)
		}
		if got := strings.Contains(text, "map const/"); got != c.want {
			t.Errorf("%s: a map %v; want %v", name, got, c.want)
		}
	}
}

// TestPortsWithoutSet: a set that is not there is an error of the rule, and no rule without it.
func TestPortsWithoutSet(t *testing.T) {
	view := alike(t, portsFrom, 0)
	r := renderer{policy: view.Policy, shape: func(rule.SetID) (shape, bool) { return shape{}, false }}
	e, _ := view.Endpoint(endpointID("cali2"))
	_, err := r.chain(chainSpec{role: roleIn, fam: ipv4}.tierSpec(e.Tiers[rule.Ingress][0]))
	if err == nil || !strings.Contains(err.Error(), "rule 0 (to1000): IP set all") {
		t.Errorf("error %v; want rule 0 (to1000) and IP set all in it", err)
	}
}

// TestPortsWorth: where the port tells too little, or where it takes too many rules in all, policies stay with chains of their own.
func TestPortsWorth(t *testing.T) {
	list := func(n int, of func(i int) []rule.PortRange) []rule.Rule {
		var out []rule.Rule
		for i := range n {
			out = append(out, allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: of(i)}}))
		}
		return out
	}
	for name, c := range map[string]struct {
		rules []rule.Rule
		want  bool
	}{
		"each its own":           {list(10, func(i int) []rule.PortRange { return ports(uint16(i)) }), true},
		"all the same":           {list(10, func(int) []rule.PortRange { return ports(80) }), false},
		"half the same":          {list(10, func(i int) []rule.PortRange { return ports(uint16(i / 5)) }), true},
		"more than half":         {list(10, func(i int) []rule.PortRange { return ports(uint16(i / 6)) }), false},
		"wide ranges that cross": {list(100, func(i int) []rule.PortRange { return []rule.PortRange{{Min: uint16(i), Max: uint16(i + 20)}} }), false},
	} {
		if got := listPorts(c.rules).worth(len(c.rules)); got != c.want {
			t.Errorf("%s: worth it %v; want %v", name, got, c.want)
		}
	}
}

// TestNamesPorts says which rules can be told apart by port.
func TestNamesPorts(t *testing.T) {
	to80 := rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80)}}
	for name, c := range map[string]struct {
		rule rule.Rule
		want bool
	}{
		"a port":              {allow(to80), true},
		"denied":              {deny(to80), true},
		"of three protocols":  {allow(rule.Match{Dst: rule.Side{Ports: ports(80)}}), true},
		"no port":             {allow(rule.Match{Protocol: 6}), false},
		"a named port too":    {allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(80), PortSets: []rule.Set{{ID: "web"}}}}), false},
		"a wide range":        {allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: []rule.PortRange{{Min: 1, Max: 65}}}}), false},
		"three times a third": {allow(rule.Match{Dst: rule.Side{Ports: []rule.PortRange{{Min: 1, Max: 22}}}}), false},
		"passed":              {rule.Rule{Action: rule.Pass, Match: to80}, false},
		"logged":              {rule.Rule{Action: rule.Log, Match: to80}, false},
	} {
		p := &desired.Policy{Rules: [2][]rule.Rule{{allow(to80), c.rule}, nil}}
		if got := namesPorts(p, rule.Ingress); got != c.want {
			t.Errorf("%s: %v; want %v", name, got, c.want)
		}
	}
}

// TestCountersByPort: rules that are told apart by port are counted one by one, and a change of one leaves the counters of the others alone.
func TestCountersByPort(t *testing.T) {
	p := newPath(t)
	d := newDriver(t, p.router)
	old, now := alike(t, 10, 0), alike(t, 10, 1)
	apply(t, d, old, nil)
	p.sendTo(t, d, "1000", "1003", "1003")
	ledger := d.ledger
	apply(t, d, now, desired.Diff(old, now))
	if d.ledger != ledger {
		t.Error("the change was not applied as a delta")
	}
	hits := p.sendTo(t, d, "2000")
	if hits["to1000"] != 0 || hits["to1003"] != 2 || hits["to1004"] != 0 || hits["to2000"] != 1 {
		t.Errorf("hits %v; want to1003 2, to2000 1", hits)
	}
	if n := differences(t, d, now); n != 0 {
		t.Errorf("%d differences", n)
	}
}
