// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// twoPolicies is a state with cali1 under policy "bad" and cali2 under policy "good".
func twoPolicies(t *testing.T, bad ...rule.Rule) *desired.State {
	t.Helper()
	var b build
	for i := range 70 {
		b.Set(fmt.Sprint("s", i), "10.0.0.9")
	}
	b.Policy(np("good"), []rule.Rule{allow(rule.Match{})}, nil)
	b.Policy(np("bad"), bad, nil)
	b.Endpoint("cali1", []desired.TierPolicies{tier("default", rule.Deny, np("bad"))}, nil, "10.0.0.1")
	b.Endpoint("cali2", []desired.TierPolicies{tier("default", rule.Deny, np("good"))}, nil, "10.0.0.2")
	return b.State(t)
}

// tooLong is a rule that the kernel refuses: it takes at most 128 expressions a rule.
func tooLong() rule.Rule {
	var m rule.Match
	for i := range 70 {
		m.Src.NotSets = append(m.Src.NotSets, rule.Set{ID: rule.SetID(fmt.Sprint("s", i))})
	}
	return allow(m)
}

func TestRefusedPolicyClosesItsEndpointsOnly(t *testing.T) {
	bads := map[string]struct {
		rule rule.Rule
		want string
	}{
		"by the kernel":   {tooLong(), "add rule to chain in4/np/default/bad: invalid argument"},
		"by the renderer": {rule.Rule{Action: 77}, "action 77"},
		"for a wrong set": {allow(rule.Match{Src: rule.Side{PortSets: []rule.Set{{ID: "s1"}}}}), "IP set s1"},
	}
	for name, bad := range bads {
		t.Run(name, func(t *testing.T) {
			ns := newNS(t)
			d := newDriver(t, ns)
			good, broken := twoPolicies(t, allow(rule.Match{})), twoPolicies(t, bad.rule)

			check := func(how string, delta *desired.Delta) {
				t.Helper()
				r := apply(t, d, broken, delta)
				if len(r.Programmed) != 1 || r.Programmed[0] != endpointID("cali2") {
					t.Errorf("%s: programmed %v; want cali2", how, r.Programmed)
				}
				err := r.Failed[endpointID("cali1")]
				if len(r.Failed) != 1 || err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "NetworkPolicy default/bad") {
					t.Errorf("%s: failed %v; want cali1 with the policy and %q", how, r.Failed, bad.want)
				}
				if list := nftTool(t, ns, "list", "map", "inet", "weft", "ingress4"); strings.Contains(list, "cali1") || !strings.Contains(list, "cali2") {
					t.Errorf("%s: dispatch %s; want cali1 closed", how, list)
				}
			}
			check("from nothing", nil)
			check("again", nil)

			r := apply(t, d, good, desired.Diff(broken, good))
			if len(r.Failed) != 0 || len(r.Programmed) != 2 {
				t.Errorf("mended: %+v; want both programmed", r)
			}
			check("by delta", desired.Diff(good, broken))

			// A change elsewhere neither repairs nor forgets the failure.
			member := &desired.Delta{IPSets: []desired.IPSetChange{{ID: "s1", Added: []desired.Member{{Prefix: prefix("11.0.0.1")}}}}}
			if err := broken.Apply(member); err != nil {
				t.Fatal(err)
			}
			if r := apply(t, d, broken, member); len(r.Failed) != 1 {
				t.Errorf("a member elsewhere: %+v; want cali1 still failed", r)
			}
			apply(t, d, good, nil)
			if n := differences(t, d, good); n != 0 {
				t.Errorf("%d differences at the end", n)
			}
		})
	}
}

// TestRefusedTierClosesItsEndpointsOnly: the chain at fault is one that endpoints share.
func TestRefusedTierClosesItsEndpointsOnly(t *testing.T) {
	known := rule.Match{Src: rule.Side{Sets: []rule.Set{{ID: "s1"}}}}
	long := tooLong()
	long.Match.Src.Sets = known.Src.Sets
	for name, indexFrom := range map[string]int{"tier": 9, "candidates of a peer": 1} {
		d := openDriver(t, newNS(t), Options{indexFrom: indexFrom})
		r := apply(t, d, twoPolicies(t, rule.Rule{Action: rule.Pass, Match: known}, long), nil)
		err := r.Failed[endpointID("cali1")]
		if len(r.Failed) != 1 || err == nil || !strings.Contains(err.Error(), "chain tier/in4/") || len(r.Programmed) != 1 {
			t.Errorf("%s: report %+v; want cali1 closed for its tier's chain", name, r)
		}
	}
}

func TestBadEndpoints(t *testing.T) {
	var b build
	open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, nil)
	b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.0.0.1")
	b.Endpoint("cali-much-too-long", nil, []rule.PolicyID{open}, "10.0.0.2")
	double := b.Endpoint("cali3", nil, []rule.PolicyID{open}, "10.0.0.3")
	double.Interface = "cali1"
	view := b.State(t)
	r := apply(t, newDriver(t, newNS(t)), view, nil)
	if len(r.Programmed) != 1 || len(r.Failed) != 2 {
		t.Errorf("report %+v; want one of three programmed", r)
	}
}

// TestRefusedPolicyClosesHostEndpoint: processes of the host keep the failsafe ports alone, other host endpoints are as they should.
func TestRefusedPolicyClosesHostEndpoint(t *testing.T) {
	state := func(rules ...rule.Rule) *desired.State {
		var b build
		for i := range 70 {
			b.Set(fmt.Sprint("s", i), "10.0.0.9")
		}
		bad := []desired.TierPolicies{tier("default", rule.Pass, b.Policy(np("bad"), rules, nil))}
		open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})
		for _, iface := range []string{"eth0", "eth1"} {
			e := b.Host(iface)
			e.Profiles = []rule.PolicyID{open}
			if iface == "eth0" {
				e.PreDNAT = bad
			}
		}
		return b.State(t)
	}
	ns := newNS(t)
	d := newDriver(t, ns)
	good, broken := state(allow(rule.Match{})), state(tooLong())
	eth0 := desired.EndpointID{Name: "host-eth0"}
	check := func(how string, r dataplane.Report) {
		t.Helper()
		if err := r.Failed[eth0]; len(r.Failed) != 1 || err == nil || !strings.Contains(err.Error(), "NetworkPolicy default/bad") {
			t.Errorf("%s: failed %v; want the host endpoint of eth0 with the policy", how, r.Failed)
		}
		for _, set := range []string{"host-in4", "host-out6", "forward-in4"} {
			if chain := leadsTo(t, d, set); !strings.Contains(nftTool(t, ns, "list", "chain", "inet", "weft", chain), "goto deny") {
				t.Errorf("%s: %s leads packets at eth0 to chain %s, which is not closed", how, set, chain)
			}
		}
	}
	check("from nothing", apply(t, d, broken, nil))
	r := apply(t, d, good, desired.Diff(broken, good))
	if len(r.Failed) != 0 || len(r.Programmed) != 2 {
		t.Errorf("mended: %+v; want both programmed", r)
	}
	check("by delta", apply(t, d, broken, desired.Diff(good, broken)))
}

// leadsTo is the chain that a map leads packets at eth0 to.
func leadsTo(t *testing.T, d *Driver, set string) string {
	t.Helper()
	got, err := d.conn.Lookup(tableName, hostMap(strings.TrimRight(set, "46"))(map[bool]*family{true: ipv4, false: ipv6}[strings.HasSuffix(set, "4")]), ifname("eth0"))
	if err != nil {
		t.Fatal(err)
	}
	return got[string(ifname("eth0"))].Chain
}

// TestRefusedSettingLeavesTheRestInForce: a kernel that cannot answer denied packets drops them. Policy is in force, other settings are, and what
// was refused is reported until it is wanted no more or the kernel takes it.
func TestRefusedSettingLeavesTheRestInForce(t *testing.T) {
	able := rejection
	t.Cleanup(func() { rejection = able })
	unable := make([]stmt, 130)
	for i := range unable {
		unable[i] = counter{} // more than the kernel takes
	}
	state := func(reject bool) *desired.State {
		view := twoPolicies(t, allow(rule.Match{}))
		settings := *desired.DefaultSettings()
		settings.Reject, settings.EndpointToHost = reject, desired.HostAccept
		check(t, view.Apply(&desired.Delta{Settings: &settings}))
		return view
	}
	silent, answering := state(false), state(true)
	for name, before := range map[string]*desired.State{"from nothing": nil, "by delta": silent} {
		t.Run(name, func(t *testing.T) {
			ns := newNS(t)
			d := newDriver(t, ns)
			if before != nil {
				apply(t, d, before, nil)
			}
			rejection = []ruleSpec{ruleOf(unable...)}
			r := apply(t, d, answering, desired.Diff(silent, answering))
			why := r.Settings[dataplane.DenyAction]
			if len(r.Failed) != 0 || len(r.Settings) != 1 || why == nil || !strings.Contains(why.Error(), "chain deny: invalid argument") {
				t.Errorf("report %+v; want the setting refused, and no endpoint", r)
			}
			if list := nftTool(t, ns, "list", "chain", "inet", "weft", "deny"); strings.Contains(list, "counter") || !strings.Contains(list, "drop") {
				t.Errorf("denied packets: %s; want them dropped", list)
			}
			if list := nftTool(t, ns, "list", "chain", "inet", "weft", "to-host"); !strings.Contains(list, "accept") {
				t.Errorf("to the host: %s; want the other setting in force", list)
			}
			member := &desired.Delta{IPSets: []desired.IPSetChange{{ID: "s1", Added: []desired.Member{{Prefix: prefix("11.0.0.1")}}}}}
			view := state(true)
			check(t, view.Apply(member))
			ledger := d.ledger
			if r := apply(t, d, view, member); r.Settings == nil || d.ledger != ledger {
				t.Errorf("a change elsewhere: %+v; want a delta, and the refusal still told of", r)
			}
			rejection = able
			if r := apply(t, d, view, nil); r.Settings != nil {
				t.Errorf("tried again: %v", r.Settings)
			}
			if list := nftTool(t, ns, "list", "chain", "inet", "weft", "deny"); !strings.Contains(list, "reject") {
				t.Errorf("denied packets: %s; want them answered", list)
			}
		})
	}
}

// TestKernelThatCannotTranslate: what depends on translation is closed, or left out of the settings, with the modules that are missing and what else there
// is; the rest is in force, and all of it once the kernel can.
func TestKernelThatCannotTranslate(t *testing.T) {
	t.Cleanup(func() { dstNAT, srcNAT = nft.PriorityDstNAT, nft.PrioritySrcNAT })
	view, without := translations(t), translations(t)
	settings := *view.Settings()
	settings.SourceNAT = desired.SourceNAT{}
	check(t, without.Apply(&desired.Delta{Settings: &settings}))
	d := newDriver(t, newNS(t))
	dstNAT, srcNAT = nft.PriorityRaw, nft.PriorityRaw // before connection tracking, where no kernel can
	for name, view := range map[string]*desired.State{"with natOutgoing": view, "without": without} {
		r := apply(t, d, view, nil)
		if why := fmt.Sprint(r.Failed[endpointID("cali1")]); len(r.Failed) != 1 || !strings.Contains(why, "floating IPs and host ports: ") ||
			!strings.Contains(why, "modules nft_chain_nat, nft_nat, ") || !strings.Contains(why, "reach it by its own address") {
			t.Errorf("%s: failed %v", name, r.Failed)
		}
		if why := r.Settings[dataplane.NATOutgoing]; (why != nil) != (view.Settings().SourceNAT.Sources != "") ||
			why != nil && (!strings.Contains(why.Error(), "modules nft_chain_nat, nft_nat, ") || !strings.Contains(why.Error(), "set natOutgoing of the pools to false")) {
			t.Errorf("%s: settings %v", name, r.Settings)
		}
	}
	dstNAT, srcNAT = nft.PriorityDstNAT, nft.PrioritySrcNAT
	if r := apply(t, d, view, nil); len(r.Failed)+len(r.Settings) > 0 {
		t.Errorf("a kernel that can: %+v", r)
	}
}
