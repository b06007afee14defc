// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"encoding/binary"
	"testing"

	"github.com/weftnet/weft/policy/eval"
)

// The MTU of a narrow route, and the segment size that a workload's own interface suggests.
const (
	narrowMTU = 1400
	usualMSS  = 1440
)

// clamp: both ends of a new connection over a narrow route ask for segments that fit, where that is wanted, and what fits is left alone.
func clamp(t *testing.T, open Open) {
	b := newJudged(t, open)
	for _, route := range []string{"192.0.2.77/32 via 169.254.7.7", "2001:db8::77/128 via fe80::7"} {
		batch(t, b.Router, "route add "+route+" dev "+uplink+" onlink mtu 1400\n")
	}
	clamped := guarded
	clamped.ClampMSS = true
	off := tunnelState(t, guarded, nil)
	on := tunnelState(t, clamped, nil)
	must(t, b.program(t, nil, off))
	for _, v6 := range []bool{false, true} {
		b.wantMSS(t, "world", v6, usualMSS, usualMSS)
	}
	must(t, b.program(t, off, on))
	again, err := b.driver.Apply(t.Context(), on, nil)
	if err != nil || len(again.Settings) > 0 || again.Repaired > 0 {
		t.Errorf("refused %v, repaired %d, %v; want it in force and read back as written", again.Settings, again.Repaired, err)
	}
	for _, v6 := range []bool{false, true} {
		fits := uint16(narrowMTU - 40)
		if v6 {
			fits -= 20
		}
		b.wantMSS(t, "world", v6, usualMSS, fits)
		b.wantMSS(t, "world", v6, 536, 536)
		b.wantMSS(t, "dmz", v6, 1420, 1420)
	}
	must(t, b.program(t, on, off))
	b.wantMSS(t, "world", false, usualMSS, usualMSS)
}

// wantMSS opens a connection of a workload from either side, and fails unless what opens it and what answers come asking for another segment size.
func (b *bench) wantMSS(t *testing.T, place string, v6 bool, asked, seen uint16) {
	t.Helper()
	link := map[string]string{"world": uplink, "dmz": dmz}[place]
	b.token += 0x10001
	p := eval.Packet{Src: addressOf("pod1", v6), Dst: addressOf(place, v6), Protocol: protoTCP, SrcPort: uint16(b.token>>16) | 1024, DstPort: 80}
	b.wantHandshake(t, pod1, link, p, asked, seen)
	p.Src, p.Dst = p.Dst, p.Src
	b.wantHandshake(t, link, pod1, p, asked, seen)
}

func (b *bench) wantHandshake(t *testing.T, from, to string, p eval.Packet, asked, seen uint16) {
	t.Helper()
	b.wantSize(t, from, to, p, tcpSyn, asked, seen)
	answer := p
	answer.Src, answer.Dst, answer.SrcPort, answer.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	b.wantSize(t, to, from, answer, tcpSyn|tcpAck, asked, seen)
}

func (b *bench) wantSize(t *testing.T, from, to string, p eval.Packet, flags byte, asked, seen uint16) {
	t.Helper()
	const first = 1000 // the number of the first octet, on both sides
	must(t, b.deliver(from, p, opening(p, flags, first, asked)))
	got, err := b.collect(from, p, [][]byte{opening(p, flags, first, seen)})
	if err != nil || got != to {
		t.Errorf("%v, flags %#x, segments of %d: comes asking for %d to %q, %v; want %q", p, flags, asked, seen, got, err, to)
	}
}

// opening is a SYN, or the answer to one, with the option of the maximum segment size (RFC 9293, section 3.7.1).
func opening(p eval.Packet, flags byte, first uint32, mss uint16) []byte {
	var ack uint32
	if flags&tcpAck != 0 {
		ack = first + 1
	}
	b := tcp(p, flags, first, ack)
	b[12], b[16], b[17] = 6<<4, 0, 0
	return checksummed(p, binary.BigEndian.AppendUint16(append(b, 2, 4), mss), 16)
}
