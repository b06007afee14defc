// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// walker makes random states: small numbers, so that things are shared, overlap, come and go. Each state differs from the last in one
// part: sets, policies, endpoints, settings, or host endpoints.
type walker struct {
	rnd   *rand.Rand
	b     build
	dice  *rand.Rand
	parts [5]uint64 // what each part is drawn from
}

func newWalker(seed uint64) *walker { return &walker{dice: rand.New(rand.NewPCG(seed, 0))} }

// part continues with the numbers of one part.
func (w *walker) part(i int) { w.rnd = rand.New(rand.NewPCG(w.parts[i], uint64(i))) }

func (w *walker) pick(n int) int { return w.rnd.IntN(n) }

func (w *walker) state(t testing.TB) *desired.State {
	w.b = build{}
	w.parts[w.dice.IntN(len(w.parts))] = w.dice.Uint64()
	w.part(0)
	nets, named := w.sets()
	w.part(1)
	var policies []rule.PolicyID
	for i := range 1 + w.pick(5) {
		policies = append(policies, w.b.Policy(np(fmt.Sprintf("p%d", i)), w.rules(nets, named), w.rules(nets, named)))
	}
	for i := range w.pick(4) { // with named peers in each rule
		in, out := w.rules(nets, named), w.rules(nets, named)
		for j := range in {
			in[j].Match.Src.Sets = []rule.Set{nets[w.pick(len(nets))]}
		}
		for j := range out {
			out[j].Match.Dst.Sets = []rule.Set{nets[w.pick(len(nets))]}
		}
		policies = append(policies, w.b.Policy(np(fmt.Sprintf("peers%d", i)), in, out))
	}
	for i := range w.pick(5) { // about ports
		policies = append(policies, w.b.Policy(np(fmt.Sprintf("ports%d", i)), w.portRules(nets), w.portRules(nets)))
	}
	profiles := []rule.PolicyID{w.b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})}
	w.part(2)
	for i := range w.pick(5) {
		e := w.b.Endpoint(fmt.Sprintf("cali%d", i), w.tiers(policies), profiles[:w.pick(2)], fmt.Sprintf("10.0.0.%d", i+w.pick(2)))
		if w.pick(3) == 0 {
			e.Addrs = append(e.Addrs, netip.MustParseAddr(fmt.Sprintf("fd00::%d", i+1)))
		}
		if w.pick(4) == 0 {
			e.Interface = fmt.Sprintf("cali%d", 10+i)
		}
		if w.pick(4) == 0 {
			e.SpoofPrefixes = prefixes([]string{"10.7.0.0/16", "10.7.1.0/24", "fd09::/64", "10.7.0.1"}[w.pick(4)])
		}
	}
	w.part(4)
	for _, iface := range []string{"eth0", "eth1", desired.AnyInterface} {
		if w.pick(2) == 0 {
			w.host(iface, policies, profiles)
		}
	}
	w.part(3)
	w.b.Delta.Settings = &desired.Settings{EndpointToHost: desired.HostAction(w.pick(3)), Reject: w.pick(2) == 0, AllowInvalid: w.pick(2) == 0}
	return w.b.State(t)
}

// host is a host endpoint; half of them have no policy of some sort.
func (w *walker) host(iface string, policies, profiles []rule.PolicyID) {
	e := w.b.Host(iface)
	for _, list := range []*[]desired.TierPolicies{
		&e.Untracked[0], &e.Untracked[1], &e.PreDNAT, &e.Normal[0], &e.Normal[1], &e.Forward[0], &e.Forward[1],
	} {
		if w.pick(2) == 0 {
			*list = w.tiers(policies)
		}
	}
	e.Profiles = profiles[:w.pick(2)]
	if iface == "eth0" && w.pick(4) == 0 {
		e.Interface = "eth9"
	}
}

func (w *walker) sets() (nets, named []rule.Set) {
	for i := range 3 {
		var members []string
		for range w.pick(8) {
			members = append(members, w.member())
		}
		nets = append(nets, w.b.Set(fmt.Sprintf("net%d", i), members...))
	}
	members := []string{"10.0.0.9 6 80"}
	for range w.pick(4) {
		members = append(members, fmt.Sprintf("10.0.0.%d 6 %d", w.pick(3), 80+w.pick(2)))
	}
	named = append(named, w.b.Set("named", members...))
	return nets, named
}

func (w *walker) member() string {
	a := netip.AddrFrom4([4]byte{10, byte(w.pick(2)), byte(w.pick(2)), byte(w.pick(4))})
	if w.pick(3) == 0 {
		a = netip.AddrFrom16([16]byte{0xfd, 0, 7: byte(w.pick(2)), 15: byte(w.pick(4))})
	}
	bits := a.BitLen()
	if w.pick(10) == 0 {
		bits -= []int{8, 16, 24, 1}[w.pick(4)]
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

func (w *walker) rules(nets, named []rule.Set) []rule.Rule {
	var out []rule.Rule
	for range w.pick(4) {
		r := rule.Rule{Action: []rule.Action{rule.Allow, rule.Allow, rule.Deny, rule.Log, rule.Pass}[w.pick(5)]}
		side := &r.Match.Src
		if w.pick(2) == 0 {
			side = &r.Match.Dst
		}
		switch w.pick(8) {
		case 5, 6:
			r.Match.Protocol = 6
			r.Match.Dst.Ports = ports(uint16(80+w.pick(3)), 443)
		case 7:
			r.Match.Src.Nets = prefixes("10.0.0.1", "fd00::1")
		case 0:
			side.Sets = []rule.Set{nets[w.pick(len(nets))]}
		case 1:
			side.NotSets = []rule.Set{nets[w.pick(len(nets))]}
		case 2:
			r.Match.Protocol = 6
			side.Ports = ports(uint16(80+w.pick(2)), 443)
			side.PortSets = named
		case 3:
			side.Nets = prefixes(w.member(), w.member())
		}
		// The identity follows the content, as the compiler's does.
		r.ID = rule.ID(hash(fmt.Appendf(nil, "%v", r)))
		out = append(out, r)
	}
	return out
}

// portRules are rules that all name ports.
func (w *walker) portRules(nets []rule.Set) []rule.Rule {
	var out []rule.Rule
	for range w.pick(4) {
		r := allow(rule.Match{Protocol: 6, Dst: rule.Side{Ports: ports(uint16(80 + w.pick(8)))}})
		if w.pick(3) > 0 {
			r.Match.Src.Sets = []rule.Set{nets[w.pick(len(nets))]}
		}
		r.ID = rule.ID(hash(fmt.Appendf(nil, "%v", r)))
		out = append(out, r)
	}
	return out
}

func (w *walker) tiers(policies []rule.PolicyID) []desired.TierPolicies {
	var out []desired.TierPolicies
	for i := range w.pick(3) {
		var in []rule.PolicyID
		for _, p := range policies {
			if w.pick(2) == 0 {
				in = append(in, p)
			}
		}
		if len(in) > 0 {
			out = append(out, tier(fmt.Sprintf("t%d", i), []rule.Action{rule.Deny, rule.Pass}[w.pick(2)], in...))
		}
	}
	return out
}

// TestWalk steps through random states by deltas: after each the kernel must hold what programming from nothing would give, and the
// fast path must have been taken.
func TestWalk(t *testing.T) {
	for name, o := range map[string]Options{"index all": {indexFrom: 1}, "index some": {indexFrom: 2, portsFrom: 4}, "by port": {portsFrom: 2}, "optimised": {}, "plain": {Plain: true}, "guarded": {guarded: true}} {
		t.Run(name, func(t *testing.T) { walk(t, o) })
	}
}

func walk(t *testing.T, o Options) {
	seed := rand.Uint64()
	w := newWalker(seed)
	d := openDriver(t, newNS(t), o)
	old := w.state(t)
	apply(t, d, old, nil)
	indexes, byPort := 0, 0
	for step := range 150 {
		now := w.state(t)
		delta := desired.Diff(old, now)
		if delta == nil {
			continue
		}
		ledger := d.ledger
		r := apply(t, d, now, delta)
		if d.ledger != ledger {
			t.Fatalf("seed %d step %d: the delta was not applied as such", seed, step)
		}
		if len(r.Programmed) != len(delta.Endpoints)+len(delta.HostEndpoints) {
			t.Fatalf("seed %d step %d: programmed %v of %d endpoints", seed, step, r.Programmed, len(delta.Endpoints)+len(delta.HostEndpoints))
		}
		if n := differences(t, d, now); n != 0 {
			t.Fatalf("seed %d step %d: %d differences", seed, step, n)
		}
		indexes += len(d.ledger.peers)
		for _, c := range d.ledger.chains {
			if c.spec.level() == portLevel {
				byPort++
			}
		}
		old = now
	}
	if indexes == 0 && o.indexFrom == 1 {
		t.Error("no indexed tier seen")
	}
	if byPort == 0 && o.portsFrom == 2 {
		t.Error("no chain about a port seen")
	}
}
