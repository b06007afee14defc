// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// world is a state where all workloads have both addresses and one profile, that allows all or nothing.
func world(t testing.TB, action rule.Action, workloads ...int) *desired.State {
	t.Helper()
	id := rule.PolicyID{Kind: rule.KindProfile, Name: "all"}
	all := []rule.Rule{{ID: "all", Action: action}}
	d := desired.Delta{Policies: []*desired.Policy{{ID: id, Rules: [2][]rule.Rule{all, all}}}}
	for _, i := range workloads {
		d.Endpoints = append(d.Endpoints, &desired.Endpoint{
			ID: desired.EndpointID{Name: Workload(i)}, Interface: Workload(i), Profiles: []rule.PolicyID{id},
			Addrs: []netip.Addr{WorkloadAddr(i, false), WorkloadAddr(i, true)},
		})
	}
	s := desired.NewState()
	must(t, s.Apply(&d))
	return s
}

func (b *bench) expect(t *testing.T, what, from string, p eval.Packet, want string) {
	t.Helper()
	out, err := b.Send(from, p)
	must(t, err)
	if out != want {
		t.Errorf("%s: %+v from %s came out at %q; want %q", what, p, from, out, want)
	}
}

func udp(src, dst netip.Addr, port uint16) eval.Packet {
	return eval.Packet{Src: src, Dst: dst, Protocol: protoUDP, SrcPort: 2000, DstPort: port}
}

// connections: what is established goes on when policy changes, and survives the driver; what is new does not. Ending connections is the
// agent's decision, see ended.
func connections(t *testing.T, open Open) {
	b := newBench(t, open, false)
	for _, v6 := range []bool{false, true} {
		b.apply(t, world(t, rule.Allow, 1, 2))
		there := eval.Packet{Src: WorkloadAddr(1, v6), Dst: WorkloadAddr(2, v6), Protocol: protoTCP, SrcPort: 3000, DstPort: 80}
		back := eval.Packet{Src: there.Dst, Dst: there.Src, Protocol: protoTCP, SrcPort: there.DstPort, DstPort: there.SrcPort}
		step := func(what, from string, p eval.Packet, segment []byte, want string) {
			t.Helper()
			out, err := b.exchange(from, p, segment)
			must(t, err)
			if out != want {
				t.Errorf("v6=%v %s: came out at %q; want %q", v6, what, out, want)
			}
		}
		stray := back
		stray.DstPort = 5
		step("stray answer", Workload(2), stray, tcp(stray, tcpSyn|tcpAck, 1, 1), "")
		step("SYN", Workload(1), there, tcp(there, tcpSyn, 1000, 0), Workload(2))
		step("SYN ACK", Workload(2), back, tcp(back, tcpSyn|tcpAck, 2000, 1001), Workload(1))
		b.apply(t, world(t, rule.Deny, 1, 2))
		step("established, after a deny", Workload(1), there, tcp(there, tcpAck, 1001, 2001), Workload(2))
		step("its other direction", Workload(2), back, tcp(back, tcpAck, 2001, 1001), Workload(1))
		there.SrcPort++
		step("new, after a deny", Workload(1), there, tcp(there, tcpSyn, 1000, 0), "")
		b.settings.AllowInvalid = true
		b.apply(t, world(t, rule.Allow, 1, 2))
		stray.SrcPort++
		step("stray answer that may meet policy", Workload(2), stray, tcp(stray, tcpSyn|tcpAck, 1, 1), Workload(1))
		b.apply(t, world(t, rule.Deny, 1, 2))
		stray.SrcPort++
		step("stray answer that policy denies", Workload(2), stray, tcp(stray, tcpSyn|tcpAck, 1, 1), "")
		b.settings.AllowInvalid = false
	}
}

// changes: while policies, sets and endpoints change and the driver restarts, what is allowed before and after always gets through, and what
// is denied before and after never does.
func changes(t *testing.T, open Open) {
	b := newBench(t, open, false)
	seed := uint64(time.Now().UnixNano())
	g := newGenerator(seed, false)
	b.apply(t, b.fixed(t, g))
	stop, done := make(chan struct{}), make(chan error, 1)
	var sent int
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := b.pair(sent); err != nil {
				done <- err
				return
			}
			sent++
		}
	}()
	for range 60 {
		now := b.fixed(t, g)
		b.apply(t, now)
		if g.one(4) {
			b.reopen(t)
			b.apply(t, now)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("seed %d, after %d pairs of packets: %v", seed, sent, err)
	}
	t.Logf("%d pairs of packets", sent)
}

// fixed is a random state, but for cali1, which may send to cali2 on port 1 and not on port 2, by a policy whose name, sets and place change.
func (b *bench) fixed(t *testing.T, g *generator) *desired.State {
	t.Helper()
	s := g.state(t)
	set := desired.IPSetChange{ID: rule.SetID(fmt.Sprint("fixed", g.rnd.IntN(3))), Created: true, Added: []desired.Member{{Prefix: desired.HostPrefix(WorkloadAddr(1, false))}}}
	id := rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: fmt.Sprint("fixed", g.rnd.IntN(3))}
	match := func(port uint16) rule.Match {
		return rule.Match{Protocol: protoUDP, Src: rule.Side{Sets: []rule.Set{{ID: set.ID}}}, Dst: rule.Side{Ports: []rule.PortRange{{Min: port, Max: port}}}}
	}
	rules := []rule.Rule{{ID: "allow", Action: rule.Allow, Match: match(1)}, {ID: "deny", Action: rule.Deny, Match: match(2)}}
	d := desired.Delta{
		IPSets:   []desired.IPSetChange{set},
		Policies: []*desired.Policy{{ID: id, Rules: [2][]rule.Rule{rules, rules}}},
	}
	for i := 1; i <= 2; i++ {
		e := &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: Workload(i)}, Interface: Workload(i), Addrs: []netip.Addr{WorkloadAddr(i, false)}}
		if old, ok := s.Endpoint(e.ID); ok {
			e.Tiers = old.Tiers
		}
		for dir := range e.Tiers {
			first := desired.TierPolicies{Tier: "first", Policies: []rule.PolicyID{id}, DefaultAction: rule.Pass}
			e.Tiers[dir] = append([]desired.TierPolicies{first}, e.Tiers[dir]...)
		}
		d.Endpoints = append(d.Endpoints, e)
	}
	must(t, s.Apply(&d))
	return s
}

// pair sends a packet that is allowed and one that is not, of new flows.
func (b *bench) pair(n int) error {
	for port, want := range map[uint16]string{1: Workload(2), 2: ""} {
		p := udp(WorkloadAddr(1, false), WorkloadAddr(2, false), port)
		p.SrcPort = uint16(1024 + n%60000)
		out, err := b.Send(Workload(1), p)
		if err != nil {
			return err
		}
		if out != want {
			return fmt.Errorf("%+v came out at %q; want %q", p, out, want)
		}
	}
	return nil
}

// guards: sources and interfaces that are not known are closed; what touches no workload is not our business.
func guards(t *testing.T, open Open) {
	b := newBench(t, open, true)
	b.apply(t, world(t, rule.Allow, 1, 2))
	outside4, outside6 := outside(false), outside(true)
	b.expect(t, "own source", Workload(1), udp(WorkloadAddr(1, false), outside4, 1), uplink)
	b.expect(t, "own source", Workload(1), udp(WorkloadAddr(1, true), outside6, 1), uplink)
	b.expect(t, "another's source", Workload(1), udp(WorkloadAddr(2, false), outside4, 2), "")
	b.expect(t, "another's source", Workload(1), udp(WorkloadAddr(2, true), outside6, 2), "")
	b.expect(t, "the host's source", Workload(1), udp(hostAddrs[0], outside4, 2), "")
	b.expect(t, "unknown workload", Workload(3), udp(WorkloadAddr(3, false), outside4, 3), "")
	b.expect(t, "to an unknown workload", uplink, udp(outside4, WorkloadAddr(3, false), 3), "")
	b.expect(t, "to an unknown workload", Workload(1), udp(WorkloadAddr(1, true), WorkloadAddr(3, true), 3), "")
	b.expect(t, "to a known workload", uplink, udp(outside6, WorkloadAddr(2, true), 3), Workload(2))
	b.expect(t, "between others", dmz, udp(outside4, netip.MustParseAddr("198.51.100.9"), 4), uplink)
	must(t, b.driver.Remove(t.Context()))
	b.expect(t, "after Remove", Workload(3), udp(WorkloadAddr(3, false), outside4, 5), uplink)
}

// host: a workload's packets to its own host meet its egress policy and the default action; neighbour discovery always works; the host may
// always talk to the workload.
func host(t *testing.T, open Open) {
	solicit := eval.Packet{Src: netip.MustParseAddr("fe80::1"), Dst: linkLocal, Protocol: protoICMPv6, ICMPType: 135}
	for _, accept := range []bool{false, true} {
		b := newBench(t, open, accept)
		for _, action := range []rule.Action{rule.Allow, rule.Deny} {
			b.apply(t, world(t, action, 1))
			want := ""
			if accept && action == rule.Allow {
				want = toHost
			}
			for i, dst := range hostAddrs {
				p := eval.Packet{Src: WorkloadAddr(1, i == 1), Dst: dst, Protocol: protoTCP, SrcPort: 5000 + uint16(action), DstPort: 1}
				b.expect(t, "to the host", Workload(1), p, want)
				b.expect(t, "from the host", fromHost, udp(dst, WorkloadAddr(1, i == 1), 9), Workload(1))
			}
			out, err := b.exchange(Workload(1), solicit, solicitation(solicit))
			must(t, err)
			if out != toHost {
				t.Errorf("accept %v, policy %v: the router does not get a neighbour solicitation", accept, action)
			}
		}
	}
}

// solicitation is a neighbour solicitation (RFC 4861, section 4.3) for the packet's destination.
func solicitation(p eval.Packet) []byte {
	b := append([]byte{p.ICMPType, 0, 0, 0, 0, 0, 0, 0}, p.Dst.AsSlice()...)
	b = append(append(b, 1, 1), peerMAC...) // source link-layer address
	return checksummed(p, b, 2)
}
