// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/weftnet/weft/lab/capture"
)

func ethernet(payload []byte) []byte {
	ether := []byte{0x08, 0x00}
	if payload[0]>>4 == 6 {
		ether = []byte{0x86, 0xdd}
	}
	return slices.Concat(make([]byte, 12), ether, payload)
}

// ip returns an IPv4 or IPv6 packet.
func ip(src, dst string, proto byte, payload []byte) []byte {
	from, to := netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice()
	if len(from) == 4 {
		return slices.Concat([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}, from, to, payload)
	}
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, 0, proto, 64}, from, to, payload)
}

func udp(port uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xc0, 0}, port)
	return slices.Concat(b, []byte{0, 0, 0, 0}, payload)
}

func vxlan(vni uint32, frame []byte) []byte {
	return slices.Concat([]byte{0x08, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, vni<<8), frame)
}

func TestParse(t *testing.T) {
	tcp4, tcp6 := ip("10.65.0.1", "10.65.1.1", 6, make([]byte, 20)), ip("fd65::1", "fd65::2", 6, make([]byte, 20))
	later := slices.Clone(tcp4)
	later[7] = 1 // the offset of a fragment behind the first
	for want, frame := range map[string][]byte{
		"bare 10.65.0.1 > 10.65.1.1":                                    ethernet(tcp4),
		"bare fd65::1 > fd65::2":                                        ethernet(tcp6),
		"IP-in-IP 192.0.2.1 > 192.0.2.2 (10.65.0.1 > 10.65.1.1)":        ethernet(ip("192.0.2.1", "192.0.2.2", 4, tcp4)),
		"VXLAN 192.0.2.1 > 192.0.2.2 (VNI 4096: 10.65.0.1 > 10.65.1.1)": ethernet(ip("192.0.2.1", "192.0.2.2", 17, udp(4789, vxlan(4096, ethernet(tcp4))))),
		"VXLAN 2001:db8::1 > 2001:db8::2 (VNI 7: fd65::1 > fd65::2)":    ethernet(ip("2001:db8::1", "2001:db8::2", 17, udp(4789, vxlan(7, ethernet(tcp6))))),
		"WireGuard 192.0.2.1 > 192.0.2.2":                               ethernet(ip("192.0.2.1", "192.0.2.2", 17, udp(51820, make([]byte, 32)))),
		"bare 192.0.2.1 > 192.0.2.3":                                    ethernet(ip("192.0.2.1", "192.0.2.3", 17, udp(53, make([]byte, 32)))),
	} {
		if p, ok := capture.Parse(frame); !ok || p.String() != want {
			t.Errorf("%s, %t; want %s", p, ok, want)
		}
	}
	for name, frame := range map[string][]byte{
		"empty": {}, "ARP": slices.Concat(make([]byte, 12), []byte{0x08, 0x06}, make([]byte, 28)), "cut off": ethernet(tcp4)[:20], "fragment": ethernet(later),
		"VXLAN without VNI": ethernet(ip("192.0.2.1", "192.0.2.2", 17, udp(4789, make([]byte, 60)))), "empty VXLAN": ethernet(ip("192.0.2.1", "192.0.2.2", 17, udp(4789, vxlan(1, nil)))),
	} {
		if p, ok := capture.Parse(frame); ok {
			t.Errorf("%s is taken for %s", name, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ethernet(ip("192.0.2.1", "192.0.2.2", 4, ip("10.65.0.1", "10.65.1.1", 6, nil))))
	f.Add(ethernet(ip("192.0.2.1", "192.0.2.2", 17, udp(4789, vxlan(4096, ethernet(ip("fd65::1", "fd65::2", 6, nil)))))))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p, ok := capture.Parse(frame); ok && (!p.Src.IsValid() || !p.Dst.IsValid() || p.String() == "") {
			t.Errorf("% x is taken for %+v", frame, p)
		}
	})
}
