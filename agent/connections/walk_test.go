// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/conntrack/conntracktest"
	"github.com/weftnet/weft/sys/own"
)

// walker makes random states of few addresses, so that they meet.
type walker struct{ *rand.Rand }

func (w walker) addr() netip.Addr {
	if w.IntN(3) == 0 {
		return netip.MustParseAddr(fmt.Sprintf("fd00::%d", w.IntN(6)))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.65.0.%d", w.IntN(12)))
}

func (w walker) state(t *testing.T) *desired.State {
	t.Helper()
	d := &desired.Delta{}
	for i := range 3 {
		set := desired.IPSetChange{ID: rule.SetID(fmt.Sprint("set", i)), Created: true}
		for range w.IntN(4) {
			m := desired.Member{Prefix: desired.HostPrefix(w.addr())}
			if w.IntN(6) == 0 {
				m.Prefix = netip.MustParsePrefix("10.65.0.0/30")
			}
			if !slices.Contains(set.Added, m) {
				set.Added = append(set.Added, m)
			}
		}
		d.IPSets = append(d.IPSets, set)
		p := &desired.Policy{ID: rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: fmt.Sprint("p", i)}}
		for dir := range p.Rules {
			for range w.IntN(3) {
				p.Rules[dir] = append(p.Rules[dir], w.rule())
			}
		}
		d.Policies = append(d.Policies, p)
	}
	free := w.Perm(12)
	for i := range 4 {
		if w.IntN(5) == 0 {
			continue
		}
		e := workload(fmt.Sprint(i), fmt.Sprintf("10.65.0.%d", free[i]))
		e.Tiers, e.Profiles = [2][]desired.TierPolicies{}, nil
		if w.IntN(2) == 0 {
			e.Addrs = append(e.Addrs, netip.MustParseAddr(fmt.Sprintf("fd00::%d", i)))
		}
		if w.IntN(4) == 0 {
			e.SpoofPrefixes = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		}
		for dir := range e.Tiers {
			p := rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: fmt.Sprint("p", w.IntN(3))}
			e.Tiers[dir] = []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{p}, DefaultAction: rule.Deny}}
		}
		d.Endpoints = append(d.Endpoints, e)
	}
	if w.IntN(3) == 0 {
		settings := *desired.DefaultSettings()
		settings.EndpointToHost = desired.HostAction(w.IntN(2))
		d.Settings = &settings
	}
	s := desired.NewState()
	if err := s.Apply(d); err != nil {
		t.Fatal(err)
	}
	return s
}

func (w walker) rule() rule.Rule {
	r := rule.Rule{Action: []rule.Action{rule.Allow, rule.Deny}[w.IntN(2)]}
	r.ID = rule.ID(fmt.Sprint(w.Uint64()))
	set := []rule.Set{{ID: rule.SetID(fmt.Sprint("set", w.IntN(3)))}}
	switch w.IntN(4) {
	case 0:
		r.Match.Src.Sets = set
	case 1:
		r.Match.Dst.Sets = set
	case 2:
		r.Match.Src.NotSets = set
	default:
		r.Match.Protocol = udp
	}
	return r
}

func (w walker) flow() conntrack.Flow {
	f := conntrack.Flow{Orig: conntrack.Tuple{Src: w.addr(), Protocol: []uint8{tcp, udp}[w.IntN(2)], SrcPort: uint16(w.IntN(1 << 16)), DstPort: 80}}
	for f.Orig.Dst = w.addr(); f.Orig.Dst.Is4() != f.Orig.Src.Is4(); {
		f.Orig.Dst = w.addr()
	}
	switch w.IntN(8) {
	case 0:
		f.Orig.Src = netip.MustParseAddr("198.51.100.7")
		f.Orig.Dst = netip.MustParseAddr(fmt.Sprintf("10.65.0.%d", w.IntN(12)))
	case 1:
		f.Orig.Src = netip.MustParseAddr(fmt.Sprintf("10.65.0.%d", w.IntN(12)))
		f.Orig.Dst = netip.MustParseAddr(node)
	}
	return f
}

// TestChangesAddUp walks from state to state and compares what the reviews of each change have left with a review of everything: whatever
// came before, the same connections are ended. What is allowed again goes on before the review already, and nothing else.
func TestChangesAddUp(t *testing.T) {
	seed := rand.Uint64()
	w := walker{rand.New(rand.NewPCG(seed, 0))}
	changed := 0
	for range 20 {
		b := newBench(t)
		b.r.All()
		for step := range 25 {
			for range 5 {
				b.table.Put(w.flow()) // of new flows nothing is known: some are denied, as if the table had been damaged
			}
			b.r.All()
			b.review()
			before := b.table.Flows()
			if d := desired.Diff(b.state, w.state(t)); d != nil {
				b.change(d)
			}
			if err := b.r.Relent(t.Context()); err != nil {
				t.Fatal(err)
			}
			relented := marked(b.table.Flows())
			b.review()
			after := b.table.Flows()
			if want := both(marked(before), marked(after), b.table); !slices.Equal(both(relented, relented, b.table), want) {
				t.Fatalf("seed %d step %d: at once after the change these are ended:\n%v\nof those before, the review leaves\n%v", seed, step, relented, want)
			}
			b.r.All()
			b.review()
			if again := b.table.Flows(); !slices.Equal(after, again) {
				t.Fatalf("seed %d step %d: the change leaves\n%v\na review of everything makes of it\n%v", seed, step, marked(after), marked(again))
			}
			if !slices.Equal(before, after) {
				changed++
			}
		}
	}
	if changed < 100 {
		t.Errorf("only %d changes had an effect: the walk is too tame", changed)
	}
}

// both lists what is in two lists and still in the table.
func both(a, b []string, table *conntracktest.Table) (out []string) {
	there := map[string]bool{}
	for _, f := range table.Flows() {
		there[f.Orig.String()] = true
	}
	for _, x := range a {
		if there[x] && slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

func marked(flows []conntrack.Flow) (out []string) {
	for _, f := range flows {
		if f.Mark&own.EndedMark != 0 {
			out = append(out, f.Orig.String())
		}
	}
	return out
}
