// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/xtables"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden shows the rendering of every kind of match, set, action and endpoint.
func TestGolden(t *testing.T) {
	for name, action := range map[string]desired.HostAction{"onward": desired.HostAccept, "backward": desired.HostReturn} {
		view := sample(t)
		settings := *desired.DefaultSettings()
		settings.EndpointToHost, settings.Reject = action, action == desired.HostReturn
		settings.Failsafe[rule.Ingress] = append(settings.Failsafe[rule.Ingress], desired.Failsafe{Protocol: 6, Port: 9, Net: prefix("10.0.0.0/8")})
		if err := view.Apply(&desired.Delta{Settings: &settings}); err != nil {
			t.Fatal(err)
		}
		d, _, _ := fakeDriver(t)
		apply(t, d, view, nil)
		got, file := dump(t, d), "testdata/"+name+".txt"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nrun with -update and look at the difference", name, got)
		}
	}
}

// TestGoldenTranslation shows what translates addresses.
func TestGoldenTranslation(t *testing.T) {
	d, _, _ := fakeDriver(t)
	apply(t, d, translations(t), nil)
	got, file := dump(t, d), "testdata/nat.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nrun with -update and look at the difference", got)
	}
}

// TestUnreadableTranslationOfOthers: rules in the table nat that the tools cannot read stand in the way of what is wanted there, and of nothing else.
func TestUnreadableTranslationOfOthers(t *testing.T) {
	ns := netnstest.New(t)
	tool(t, ns, "nft", "table ip nat { chain POSTROUTING { type nat hook postrouting priority 100; ip daddr { 192.0.2.1, 192.0.2.2 } masquerade; }; }")
	d := openDriver(t, ns, Options{Flavour: xtables.NFT})
	if r := apply(t, d, sample(t), nil); len(r.Failed) > 0 {
		t.Errorf("failed %v", r.Failed)
	}
	view := translations(t)
	r, err := d.Apply(t.Context(), view, nil)
	if why := r.Failed[endpointID("cali1")]; err != nil || why == nil || !strings.Contains(why.Error(), "table nat") || r.Settings[dataplane.NATOutgoing] == nil {
		t.Errorf("translation beside rules that cannot be read: %+v, %v", r, err)
	}
	tool(t, ns, "nft", "delete table ip nat")
	if r := apply(t, d, view, nil); len(r.Failed)+len(r.Settings) > 0 {
		t.Errorf("without them: %+v", r)
	}
}

// TestKernelPrintsWhatWasWritten: what is written in the tool's own words is recognised by another driver, which so writes nothing. The protocol
// IP-in-IP has no word of the tool's own, but one of the host's list of names.
func TestKernelPrintsWhatWasWritten(t *testing.T) {
	for _, flavour := range flavours {
		ns, view := netnstest.New(t), sample(t)
		settings := *view.Settings()
		settings.Tunnels.AllowIPIP = true
		if err := view.Apply(&desired.Delta{Settings: &settings}); err != nil {
			t.Fatal(err)
		}
		apply(t, openDriver(t, ns, Options{Flavour: flavour}), view, nil)
		d := openDriver(t, ns, Options{Flavour: flavour})
		d.synced = true
		if r := apply(t, d, view, nil); r.Repaired != 0 {
			t.Errorf("%s: report %+v of a second driver; want no differences", flavour, r)
		}
		if len(d.prints) > 0 {
			t.Errorf("%s: the tool prints otherwise than written: %q", flavour, d.prints)
		}
	}
}

// TestOtherPrintsAreLearned: rules that the tool prints in its own way are no damage.
func TestOtherPrintsAreLearned(t *testing.T) {
	var b build
	p := b.Policy(np("other"), []rule.Rule{allow(rule.Match{Protocol: 47})}, nil) // "gre" where a list of names says so
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, "10.0.0.1")
	view := b.State(t)
	for _, flavour := range flavours {
		d := openDriver(t, netnstest.New(t), Options{Flavour: flavour})
		apply(t, d, view, nil)
		if r := apply(t, d, view, nil); r.Repaired != 0 {
			t.Errorf("%s: %+v; want no differences", flavour, r)
		}
	}
}

func TestRemoveLeavesNoTrace(t *testing.T) {
	for _, flavour := range flavours {
		ns := netnstest.New(t)
		restore := "xtables-" + string(flavour) + "-multi"
		tool(t, ns, restore, "iptables", "-A", "FORWARD", "-p", "tcp", "-j", "ACCEPT")
		tool(t, ns, "ipset", "create", "theirs", "hash:ip")
		before := tool(t, ns, restore, "iptables", "-S") + tool(t, ns, "ipset", "save")
		d := openDriver(t, ns, Options{Flavour: flavour})
		apply(t, d, sample(t), nil)
		if err := d.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := tool(t, ns, restore, "iptables", "-S") + tool(t, ns, "ipset", "save"); after != before {
			t.Errorf("%s: before\n%s\nafter\n%s", flavour, before, after)
		}
		for _, key := range tableKeys() {
			held, err := d.tables.Save(t.Context(), key.fam.v6, key.name)
			if err != nil || held.Dump() != "" {
				t.Errorf("%s: table %s holds %q, %v", flavour, key.name, held.Dump(), err)
			}
		}
	}
}

// never is a lookEvery of drivers that have to notice foreign changes by their signs.
const never = 24 * time.Hour

// signalled waits for the driver's notice of a foreign change.
func signalled(t *testing.T, d *Driver) {
	t.Helper()
	select {
	case <-d.Events():
	case <-time.After(20 * time.Second):
		t.Fatal("no event for a foreign change")
	}
}

func TestForeignDamageIsRepaired(t *testing.T) {
	damages := []struct{ name, do string }{
		{"chain flushed", "iptables -F weft-FORWARD"},
		{"jump deleted", "iptables -D FORWARD 1"},
		{"jump moved", "iptables -I FORWARD -p tcp -j ACCEPT"},
		{"jump repeated", "iptables -A FORWARD -s 10.0.0.0/8 -j weft-to"},
		{"all flushed", "iptables -F"},
		{"rule added", "iptables -I weft-from -j ACCEPT"},
		{"rule deleted", "ip6tables -D weft-to 1"},
		{"rule altered", "iptables -R weft-to 1 -o cali1 -j ACCEPT"},
		{"chain added", "iptables -N weft-evil"},
		{"source rule deleted", "iptables -t raw -F weft-PREROUTING"},
		{"host policy deleted", "iptables -t mangle -F weft-host-arriving"},
	}
	for _, flavour := range flavours {
		t.Run(string(flavour), func(t *testing.T) {
			t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/lock")
			ns, view := netnstest.New(t), sample(t)
			d := openDriver(t, ns, Options{Flavour: flavour, lookEvery: never})
			apply(t, d, view, nil)
			want := dump(t, d)
			for _, damage := range damages {
				tool(t, ns, append([]string{"xtables-" + string(flavour) + "-multi"}, strings.Fields(damage.do)...)...)
				signalled(t, d)
				repaired(t, d, view, damage.name, want)
			}
		})
	}
}

// repaired reconciles and checks that all is as it was.
func repaired(t *testing.T, d *Driver, view desired.View, name, want string) {
	t.Helper()
	if r := apply(t, d, view, nil); r.Repaired == 0 || len(r.Programmed) != 6 {
		t.Errorf("%s: report %+v", name, r)
	}
	if got := dump(t, d); got != want {
		t.Errorf("%s: after the repair:\n%s", name, got)
	}
	if r := apply(t, d, view, nil); r.Repaired != 0 {
		t.Errorf("%s: repaired again: %+v", name, r)
	}
}

func TestForeignDamageToSets(t *testing.T) {
	damages := []struct {
		name string
		do   func(t *testing.T, ns *netns.NS)
	}{
		{"element deleted", inSet("del weft4-hosts 10.65.0.1")},
		{"element added", inSet("add weft4-hosts 1.2.3.4")},
		{"named port deleted", inSet("del weft4-web 10.65.0.1,tcp:8080")},
		{"source added", inSet("add weft4-source 9.9.9.9,cali1")},
		{"set flushed", inSet("flush weft6-mixed")},
		{"set added", inSet("create weft4-evil hash:ip")},
		{"sets and rules deleted, one set made anew", func(t *testing.T, ns *netns.NS) {
			t.Helper()
			for _, table := range []string{"filter", "mangle", "raw"} {
				tool(t, ns, "iptables", "-t", table, "-F")
				tool(t, ns, "ip6tables", "-t", table, "-F")
			}
			tool(t, ns, "ipset", "destroy")
			tool(t, ns, "ipset", "create", "weft4-hosts", "hash:ip,port")
		}},
	}
	ns, view := netnstest.New(t), sample(t)
	d := openDriver(t, ns, Options{Flavour: xtables.NFT})
	apply(t, d, view, nil)
	want := dump(t, d)
	for _, damage := range damages {
		damage.do(t, ns)
		d.check(t.Context(), false)
		signalled(t, d)
		repaired(t, d, view, damage.name, want)
	}
}

func inSet(command string) func(*testing.T, *netns.NS) {
	return func(t *testing.T, ns *netns.NS) {
		t.Helper()
		tool(t, ns, append([]string{"ipset"}, strings.Fields(command)...)...)
	}
}

// TestOwnChangesAreNoDamage: what the driver writes itself makes no event.
func TestOwnChangesAreNoDamage(t *testing.T) {
	ns, view := netnstest.New(t), manyMembers(t, 10)
	d := openDriver(t, ns, Options{Flavour: xtables.NFT})
	apply(t, d, view, nil)
	for _, add := range []bool{true, false} {
		delta := oneMember(add)
		if err := view.Apply(delta); err != nil {
			t.Fatal(err)
		}
		apply(t, d, view, delta)
		d.check(t.Context(), true)
		select {
		case <-d.Events():
			t.Errorf("an event for the driver's own change (add %v)", add)
		default:
		}
	}
}

// TestMembersTouchNoRule: a change of members is two small batches and no script.
func TestMembersTouchNoRule(t *testing.T) {
	d, tables, sets := fakeDriver(t)
	view := manyMembers(t, 10)
	apply(t, d, view, nil)
	scripts, commits := tables.Restores, sets.Commits
	delta := oneMember(true)
	if err := view.Apply(delta); err != nil {
		t.Fatal(err)
	}
	apply(t, d, view, delta)
	if tables.Restores != scripts || sets.Commits != commits+1 {
		t.Errorf("%d scripts and %d batches for one member", tables.Restores-scripts, sets.Commits-commits)
	}
	if n := len(must(d.sets.Elements("weft4-many"))); n != 11 {
		t.Errorf("%d elements; want 11", n)
	}
}

// TestMembersLeaveNoGarbage: a change of one member allocates room for its element alone, however large the set is.
func TestMembersLeaveNoGarbage(t *testing.T) {
	for _, n := range []int{10, 10_000} {
		d, _, sets := fakeDriver(t)
		view := manyMembers(t, n)
		apply(t, d, view, nil)
		d.sets = deaf{sets}
		come, gone := oneMember(true), oneMember(false)
		allocations := testing.AllocsPerRun(100, func() {
			apply(t, d, view, come)
			apply(t, d, view, gone)
		})
		if allocations > 2 {
			t.Errorf("%.0f allocations for a member that comes and goes in a set of %d; want one for each", allocations, n)
		}
	}
}

// deaf takes changes and does nothing about them.
type deaf struct{ ipset.Sets }

func (deaf) Commit(*ipset.Batch) error { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// twoPolicies is a state with cali1 under policy "bad" and cali2 under policy "good".
func twoPolicies(t *testing.T, bad rule.Rule, sets int) *desired.State {
	t.Helper()
	var b build
	for i := range sets {
		b.Set(fmt.Sprint("s", i), "10.0.0.9")
	}
	b.Policy(np("good"), []rule.Rule{allow(rule.Match{})}, nil)
	b.Policy(np("bad"), []rule.Rule{bad}, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, np("bad"))}, nil, "10.0.0.1")
	b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, np("good"))}, nil, "10.0.0.2")
	b.Delta.HostEndpoints = []*desired.HostEndpoint{
		{ID: desired.EndpointID{Name: "eth0"}, Interface: "eth0", Normal: [2][]desired.TierPolicies{{tier("default", rule.Deny, np("bad"))}}},
	}
	return b.State(t)
}

func TestRefusedPolicyClosesItsEndpointsOnly(t *testing.T) {
	odd := allow(rule.Match{Protocol: 199})
	refuse := func(rule string) error {
		if strings.Contains(rule, "-p 199") {
			return errors.New("no such protocol")
		}
		return nil
	}
	bads := map[string]struct {
		rule   rule.Rule
		want   string
		silent bool
	}{
		"by the kernel":             {odd, "no such protocol", false},
		"by the kernel, silently":   {odd, "no such protocol", true},
		"by the renderer":           {rule.Rule{Action: 77}, "action 77", false},
		"for a wrong set":           {allow(rule.Match{Src: rule.Side{PortSets: []rule.Set{{ID: "s1"}}}}), "IP set s1", false},
		"for ports of no protocol":  {allow(rule.Match{Dst: rule.Side{Ports: ports(1)}}), "ports with protocol 0", false},
		"for a pass out of nowhere": {rule.Rule{Action: 9}, "action 9", false},
	}
	for name, bad := range bads {
		t.Run(name, func(t *testing.T) {
			d, tables, _ := fakeDriver(t)
			tables.Refuse, tables.Silent = refuse, bad.silent
			good, broken := twoPolicies(t, allow(rule.Match{}), 2), twoPolicies(t, bad.rule, 2)
			check := func(how string, delta *desired.Delta) {
				t.Helper()
				r := apply(t, d, broken, delta)
				if len(r.Programmed) != 1 || r.Programmed[0] != endpointID("cali2") {
					t.Errorf("%s: programmed %v; want cali2", how, r.Programmed)
				}
				for _, id := range []desired.EndpointID{endpointID("cali1"), {Name: "eth0"}} {
					if err := r.Failed[id]; len(r.Failed) != 2 || err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "olicy default/bad") {
						t.Errorf("%s: failed %v; want %v with the policy and %q", how, r.Failed, id, bad.want)
					}
				}
				all := dump(t, d)
				if strings.Contains(all, "-o cali1 ") || !strings.Contains(all, "-o cali2 ") || strings.Contains(all, "scratch") {
					t.Errorf("%s: cali1 is not closed, or cali2 not open:\n%s", how, all)
				}
				if !strings.Contains(all, "-i eth0 -g weft-e-") {
					t.Errorf("%s: eth0 is open:\n%s", how, all)
				}
			}
			check("from nothing", nil)
			check("again", nil)
			if r := apply(t, d, good, desired.Diff(broken, good)); len(r.Failed) != 0 || len(r.Programmed) != 3 {
				t.Errorf("mended: %+v; want all programmed", r)
			}
			check("by delta", desired.Diff(good, broken))

			// A change elsewhere neither repairs nor forgets the failure.
			member := &desired.Delta{IPSets: []desired.IPSetChange{{ID: "s1", Added: []desired.Member{{Prefix: prefix("11.0.0.1")}}}}}
			if err := broken.Apply(member); err != nil {
				t.Fatal(err)
			}
			if r := apply(t, d, broken, member); len(r.Failed) != 2 {
				t.Errorf("a member elsewhere: %+v; want two still failed", r)
			}
		})
	}
}

// TestRefusedSettingLeavesTheRestInForce: in place of what the kernel refuses of the settings holds what it took last, or by default. Policy and
// other settings are in force.
func TestRefusedSettingLeavesTheRestInForce(t *testing.T) {
	cases := map[string]struct {
		refused string // in rules
		change  func(*desired.Settings)
		part    dataplane.Setting
		instead string // in rules
	}{
		"deny action": {"-j REJECT", func(s *desired.Settings) { s.Reject = true }, dataplane.DenyAction, `-o cali+ -m comment --comment "no policy in place for the interface" -j DROP`},
		"failsafe ports": {
			"--dport 2222", func(s *desired.Settings) { s.Failsafe[rule.Ingress] = []desired.Failsafe{{Protocol: 6, Port: 2222}} },
			dataplane.FailsafePorts, "--dports 22,179,",
		},
	}
	for name, c := range cases {
		for _, silent := range []bool{false, true} {
			for _, first := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, silently: %v, by delta: %v", name, silent, first), func(t *testing.T) {
					d, tables, _ := fakeDriver(t)
					before, view := twoPolicies(t, allow(rule.Match{}), 2), twoPolicies(t, allow(rule.Match{}), 2)
					settings := *desired.DefaultSettings()
					settings.EndpointToHost = desired.HostAccept
					c.change(&settings)
					delta := &desired.Delta{Settings: &settings}
					if err := view.Apply(delta); err != nil {
						t.Fatal(err)
					}
					if first {
						apply(t, d, before, nil)
					}
					tables.Silent = silent
					tables.Refuse = func(rule string) error {
						if strings.Contains(rule, c.refused) {
							return errors.New("no such target")
						}
						return nil
					}
					r := apply(t, d, view, delta)
					if len(r.Failed) != 0 || len(r.Settings) != 1 || r.Settings[c.part] == nil {
						t.Errorf("report %+v; want %v refused, and no endpoint", r, c.part)
					}
					all := dump(t, d)
					if strings.Contains(all, c.refused) || strings.Contains(all, "scratch") || !strings.Contains(all, c.instead) {
						t.Errorf("want %q in\n%s", c.instead, all)
					}
					if !strings.Contains(all, `"workload to its own host" -j ACCEPT`) {
						t.Errorf("the other setting is not in force:\n%s", all)
					}
					tables.Refuse = nil
					if r := apply(t, d, view, nil); r.Settings != nil || !strings.Contains(dump(t, d), c.refused) {
						t.Errorf("tried again: %+v", r)
					}
				})
			}
		}
	}
}

// TestRefusedSet closes those under policies that ask for it.
func TestRefusedSet(t *testing.T) {
	d, _, sets := fakeDriver(t)
	sets.Refuse = func(op, name string) error {
		if op == "create" && name == "weft6-s1" {
			return ipset.ErrKind
		}
		return nil
	}
	r := apply(t, d, twoPolicies(t, allow(rule.Match{Src: rule.Side{Sets: []rule.Set{{ID: "s1"}}}}), 2), nil)
	if err := r.Failed[endpointID("cali1")]; !errors.Is(err, ipset.ErrKind) || len(r.Programmed) != 1 {
		t.Errorf("report %+v; want cali1 closed for its set", r)
	}
}

func TestBadEndpoints(t *testing.T) {
	var b build
	open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, nil)
	b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.0.0.1")
	for _, name := range []string{"cali-much-too-long", "eth0", "cali", "cali+", "cali 2"} {
		b.Endpoint(name, nil, []rule.PolicyID{open}, "10.0.0.2")
	}
	b.Endpoint("caliX", nil, []rule.PolicyID{open}, "10.0.0.3").Interface = "cali1"
	b.Delta.HostEndpoints = []*desired.HostEndpoint{
		{ID: desired.EndpointID{Name: "a"}, Interface: "eth0"}, {ID: desired.EndpointID{Name: "b"}, Interface: "eth0"},
		{ID: desired.EndpointID{Name: "c"}, Interface: "eth+"},
	}
	d, _, _ := fakeDriver(t)
	if r := apply(t, d, b.State(t), nil); len(r.Programmed) != 2 || len(r.Failed) != 8 {
		t.Errorf("report %+v; want cali1 and one eth0 programmed, and 8 failed", r)
	}
}

// TestInterruptedApply: whatever a driver was killed in, no workload was open without its policy, and its successor gets to the same state.
func TestInterruptedApply(t *testing.T) {
	view, full := sample(t), halt{}
	want, tables, sets := fakeDriver(t)
	full.in(tables, sets)
	apply(t, want, view, nil)
	for stop := 1; stop < full.steps; stop += 7 {
		d, tables, sets := fakeDriver(t)
		h := halt{at: stop}
		h.in(tables, sets)
		if _, err := d.Apply(h.context(t), view, nil); err == nil {
			t.Fatalf("after step %d: no error", stop)
		}
		if all := dump(t, d); strings.Contains(all, "-j weft-FORWARD") && !strings.Contains(all, "no policy in place for the interface") {
			t.Errorf("after step %d the frame is open:\n%s", stop, all)
		}
		tables.Refuse, sets.Refuse = nil, nil
		next := newDriver(d.options, tables, sets)
		apply(t, next, view, nil)
		if got := dump(t, next); got != dump(t, want) {
			t.Errorf("after step %d the successor made\n%s", stop, got)
		}
	}
}

// halt stops a driver at a step: it refuses all from there on, and ends the context.
type halt struct {
	at, steps int
	end       context.CancelFunc
}

var errHalt = errors.New("killed")

func (h *halt) context(t *testing.T) context.Context {
	ctx, end := context.WithCancel(t.Context())
	h.end = end
	return ctx
}

func (h *halt) in(tables *xtables.Fake, sets *ipset.Fake) {
	step := func() error {
		if h.steps++; h.at == 0 || h.steps < h.at {
			return nil
		}
		h.end()
		return errHalt
	}
	tables.Refuse = func(string) error { return step() }
	sets.Refuse = func(string, string) error { return step() }
}

// TestKernelRefusesARule: nf_tables takes at most 128 expressions a rule.
func TestKernelRefusesARule(t *testing.T) {
	var m rule.Match
	for i := range 140 {
		m.Src.NotSets = append(m.Src.NotSets, rule.Set{ID: rule.SetID(fmt.Sprint("s", i))})
	}
	view := twoPolicies(t, allow(m), 140)
	ns := netnstest.New(t)
	d := openDriver(t, ns, Options{Flavour: xtables.NFT})
	for _, how := range []string{"from nothing", "again"} {
		r := apply(t, d, view, nil)
		err := r.Failed[endpointID("cali1")]
		if len(r.Failed) != 2 || err == nil || !strings.Contains(err.Error(), "olicy default/bad") || len(r.Programmed) != 1 {
			t.Errorf("%s: report %+v; want cali1 closed for its policy", how, r)
		}
		if all := dump(t, d); strings.Contains(all, "-o cali1 ") || !strings.Contains(all, "-o cali2 ") {
			t.Errorf("%s:\n%s", how, all)
		}
	}
}

// TestDeltasLeadWhereAViewLeads: the way to a state does not show in it.
func TestDeltasLeadWhereAViewLeads(t *testing.T) {
	halfway := sample(t)
	less := &desired.Delta{EndpointsRemoved: []desired.EndpointID{endpointID("cali1"), endpointID("cali4")}, HostEndpointsRemoved: []desired.EndpointID{{Name: "eth0"}}}
	less.IPSets = []desired.IPSetChange{
		{ID: "mixed", Added: []desired.Member{{Prefix: prefix("0.0.0.0/1")}}, Removed: []desired.Member{{Prefix: prefix("0.0.0.0/0")}}},
		{ID: "hosts", Added: []desired.Member{{Prefix: prefix("10.65.0.7")}}, Removed: []desired.Member{{Prefix: prefix("10.65.0.2")}}},
	}
	if err := halfway.Apply(less); err != nil {
		t.Fatal(err)
	}
	states := []*desired.State{desired.NewState(), sample(t), halfway, manyMembers(t, 3)}
	walked, _, _ := fakeDriver(t)
	at := states[0]
	apply(t, walked, at, nil)
	for _, next := range []int{1, 2, 1, 3, 2, 0, 3, 1, 0} {
		delta := desired.Diff(at, states[next])
		at = states[next]
		apply(t, walked, at, delta)
		direct, _, _ := fakeDriver(t)
		apply(t, direct, at, nil)
		if got, want := dump(t, walked), dump(t, direct); got != want {
			t.Fatalf("by deltas to state %d:\n%s\nat once:\n%s", next, got, want)
		}
		if walked.plan == nil {
			t.Errorf("state %d: the delta did not go through", next)
		}
	}
}

// TestPortsInCommon: rules of different protocols may share a list of ports, which alone is nothing that a jump to their policy could ask for.
func TestPortsInCommon(t *testing.T) {
	var b build
	to := rule.Side{Ports: ports(80, 443)}
	p := b.Policy(np("ports"), []rule.Rule{allow(rule.Match{Protocol: 6, Dst: to}), allow(rule.Match{Protocol: 17, Dst: to})}, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, p)}, nil, "10.0.0.1")
	view := b.State(t)
	for _, flavour := range flavours {
		if r := apply(t, openDriver(t, netnstest.New(t), Options{Flavour: flavour}), view, nil); len(r.Failed) > 0 {
			t.Errorf("%s: %v", flavour, r.Failed)
		}
	}
}

// TestDispatch: every interface finds its chain, whatever the names, in few steps.
func TestDispatch(t *testing.T) {
	var names []string
	for i := range 200 {
		names = append(names, "cali"+hash(string(rune(i)))[:11-i%7])
	}
	names = append(names, "calia", "calia0", "calia00", "cali0", "cali00000000000")
	for _, count := range []int{1, fanOut, fanOut + 1, len(names)} {
		chains := map[string]string{}
		for _, n := range names[:count] {
			chains[n] = "chain-of-" + n
		}
		b := newBuilder(tableKey{ipv4, tableFilter}, newSetPlans(desired.NewState(), nil), groupFrom)
		root := b.dispatch("from", in, chains, false)
		for n, want := range chains {
			got, steps := follow(b, root, n)
			if got != want {
				t.Errorf("%d interfaces: %s leads to %q", count, n, got)
			}
			if limit := 60; steps > limit {
				t.Errorf("%d interfaces: %s takes %d steps; want at most %d", count, n, steps, limit)
			}
		}
		if got, _ := follow(b, root, "cali-unknown"); got != "" && got != "DROP" {
			t.Errorf("%d interfaces: an unknown one leads to %q", count, got)
		}
	}
}

// follow goes through rules as a packet of an interface does.
func follow(b *builder, rules []string, iface string) (target string, steps int) {
	for i := 0; i < len(rules); i++ {
		steps++
		words := strings.Fields(rules[i])
		last := words[len(words)-1]
		if words[0] == "-i" {
			prefix, wild := strings.CutSuffix(words[1], "+")
			if words[1] != iface && !(wild && strings.HasPrefix(iface, prefix)) {
				continue
			}
		}
		if words[len(words)-2] == "-g" {
			rules, i = b.chains[last].rules, -1
			continue
		}
		return last, steps
	}
	return "", steps
}
