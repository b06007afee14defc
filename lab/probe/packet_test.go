// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"net/netip"
	"testing"
)

func TestTokenRoundTrip(t *testing.T) {
	want := token{run: 0xdeadbeef, index: 7}
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		got, reply, ok := parseEcho(echoRequest(netip.MustParseAddr(addr), want))
		if !ok || reply || got != want {
			t.Errorf("%s: %+v reply=%v ok=%v", addr, got, reply, ok)
		}
	}
	p := sctpPacket{srcPort: 50000, dstPort: 5432, chunk: sctpInit, initiate: 9, token: want}
	got, ok := parseSCTP(p.encode())
	if !ok || got != p {
		t.Errorf("INIT %+v, %v; want %+v", got, ok, p)
	}
	ack, ok := parseSCTP(p.answer().encode())
	if !ok || ack != p.answer() || ack.tag != p.initiate || ack.dstPort != p.srcPort || ack.initiate == 0 {
		t.Errorf("INIT-ACK %+v, %v", ack, ok)
	}
}

// TestEchoChecksum checks RFC 1071's property: over a message with its checksum in place the sum is zero.
func TestEchoChecksum(t *testing.T) {
	msg := echoRequest(netip.MustParseAddr("192.0.2.1"), token{run: 1, index: 2})
	if sum := internetChecksum(msg); sum != 0 {
		t.Errorf("checksum over the whole message is %#x, want 0", sum)
	}
	if sum := internetChecksum([]byte{0x01, 0x02, 0x03}); sum != ^uint16(0x0402) {
		t.Errorf("odd length: %#x", sum)
	}
}

// TestSCTPChecksum recomputes the CRC over the packet as a receiver does, and pins one whole packet.
func TestSCTPChecksum(t *testing.T) {
	b := sctpPacket{srcPort: 50000, dstPort: 5432, chunk: sctpInit, initiate: 9, token: token{run: 1, index: 2}}.encode()
	sum := bytes.Clone(b[8:12])
	copy(b[8:12], make([]byte, 4))
	crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	if want := []byte{byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24)}; !bytes.Equal(sum, want) {
		t.Errorf("checksum %x, want %x", sum, want)
	}
	const want = "c350153800000000" + "00000000" + "0100002400000009000100000001000100000001" + "80770010776566740000000100000002"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("packet\n %s, want\n %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sctpPacket{chunk: sctpInit, token: token{1, 2}}.encode())
	f.Add(sctpPacket{chunk: sctpInitAck, token: token{1, 2}}.encode())
	f.Add(echoRequest(netip.MustParseAddr("::1"), token{1, 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseSCTP(b); ok && p.chunk != sctpInit && p.chunk != sctpInitAck {
			t.Errorf("accepted chunk %d", p.chunk)
		}
		if tok, _, ok := parseEcho(b); ok && !bytes.Contains(b, tok.append(nil)) {
			t.Errorf("made up a token %+v", tok)
		}
	})
}

func TestServices(t *testing.T) {
	for in, want := range map[string]Service{"icmp": {Protocol: ICMP}, "TCP:80": {TCP, 80}, "sctp:65535": {SCTP, 65535}} {
		got, err := ParseService(in)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
		if again, err := ParseService(got.String()); err != nil || again != got {
			t.Errorf("%s does not survive a round trip: %v, %v", in, again, err)
		}
	}
	for _, bad := range []string{"", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:x", "icmp:8", "gre:1", ":80"} {
		if svc, err := ParseService(bad); err == nil {
			t.Errorf("%q gave %v", bad, svc)
		}
	}
}
