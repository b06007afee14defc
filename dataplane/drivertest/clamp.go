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

// clamp: a new connection over a narrow route asks for segments that fit, where that is wanted, and keeps what it asks for where they fit.
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

// wantMSS opens a connection from a workload and fails unless the receiver sees it ask for another segment size.
func (b *bench) wantMSS(t *testing.T, to string, v6 bool, asked, seen uint16) {
	t.Helper()
	out := map[string]string{"world": uplink, "dmz": dmz}[to]
	b.token += 0x10001
	p := eval.Packet{Src: addressOf("pod1", v6), Dst: addressOf(to, v6), Protocol: protoTCP, SrcPort: uint16(b.token>>16) | 1024, DstPort: 80}
	same, err := b.exchange(pod1, p, opening(p, b.token, asked))
	if want := map[bool]string{true: out}[asked == seen]; err != nil || same != want {
		t.Errorf("%v, segments of %d: comes unchanged to %q, %v; want %q", p, asked, same, err, want)
	}
	p.SrcPort++
	got, err := b.exchange(pod1, p, opening(p, b.token, asked), opening(p, b.token, seen))
	if err != nil || got != out {
		t.Errorf("%v, segments of %d: comes with %d to %q, %v; want %q", p, asked, seen, got, err, out)
	}
}

// opening is a SYN with the option of the maximum segment size (RFC 9293, section 3.7.1).
func opening(p eval.Packet, token uint32, mss uint16) []byte {
	b := tcp(p, tcpSyn, token, 0)
	b[12], b[16], b[17] = 6<<4, 0, 0
	return checksummed(p, binary.BigEndian.AppendUint16(append(b, 2, 4), mss), 16)
}
