// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/own"
)

// ended: of a connection that carries own.EndedMark nothing passes, in either direction and whatever policy says, until the mark is taken away.
func ended(t *testing.T, open Open) {
	b := newBench(t, open, false)
	b.apply(t, world(t, rule.Allow, 1, 2))
	table, err := conntrack.Open(b.Router)
	must(t, err)
	t.Cleanup(func() { must(t, table.Close()) })
	for _, v6 := range []bool{false, true} {
		there, back := conversation(v6, protoUDP)
		check := func(when string, passes bool) {
			t.Helper()
			b.expect(t, when, Workload(1), there, outIf(passes, Workload(2)))
			b.expect(t, when+", the answer", Workload(2), back, outIf(passes, Workload(1)))
		}
		mark := func(value uint32) {
			t.Helper()
			var flows []conntrack.Flow
			must(t, table.List(conntrack.Filter{From: there.Src}, func(f conntrack.Flow) { flows = append(flows, f) }))
			if len(flows) != 1 {
				t.Fatalf("connections %v, want the one", flows)
			}
			must(t, table.SetMark(flows[0], value, own.EndedMark))
		}
		check("open", true)
		mark(own.EndedMark)
		check("ended", false)
		mark(0)
		check("open again", true)
	}
}

func conversation(v6 bool, protocol uint8) (there, back eval.Packet) {
	there = eval.Packet{Src: WorkloadAddr(1, v6), Dst: WorkloadAddr(2, v6), Protocol: protocol, SrcPort: 3000, DstPort: 80}
	back = eval.Packet{Src: there.Dst, Dst: there.Src, Protocol: protocol, SrcPort: there.DstPort, DstPort: there.SrcPort}
	return there, back
}

func outside(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8::77")
	}
	return netip.MustParseAddr("192.0.2.77")
}

func outIf(passes bool, out string) string {
	if passes {
		return out
	}
	return ""
}

// midway: a TCP segment from the middle of a connection that nobody knows opens none, though connection tracking takes it for new
// (nf_conntrack_tcp_loose): it may come from the side that did not open it.
func midway(t *testing.T, open Open) {
	b := newBench(t, open, false)
	b.apply(t, world(t, rule.Allow, 1, 2))
	for _, v6 := range []bool{false, true} {
		there, _ := conversation(v6, protoTCP)
		for _, flags := range []byte{tcpAck, tcpAck | tcpFin, tcpSyn | tcpAck} {
			there.SrcPort++
			fromOutside := eval.Packet{Src: outside(v6), Dst: there.Src, Protocol: protoTCP, SrcPort: there.SrcPort, DstPort: 80}
			for from, p := range map[string]eval.Packet{Workload(1): there, uplink: fromOutside} {
				out, err := b.exchange(from, p, tcp(p, flags, 1000, 2000))
				must(t, err)
				if out != "" {
					t.Errorf("a segment with flags %#x from %s came out at %q; want it dropped: %+v", flags, from, out, p)
				}
			}
		}
		b.expect(t, "a SYN afterwards", Workload(1), there, Workload(2))
		other := eval.Packet{Src: outside(v6), Dst: outside(v6).Next(), Protocol: protoTCP, SrcPort: 1, DstPort: 80}
		out, err := b.exchange(dmz, other, tcp(other, tcpAck, 1000, 2000))
		must(t, err)
		if out != uplink {
			t.Errorf("a segment between others came out at %q; want %q: it is not our business", out, uplink)
		}
	}
}
