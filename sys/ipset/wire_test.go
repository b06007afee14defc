// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"net/netip"
	"testing"
)

func FuzzDecode(f *testing.F) {
	var r request
	r.element(Set{Kind: NetIface}, Element{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Interface: "x"})
	f.Add([]byte(r.Attrs))
	f.Add([]byte{8, 0, 2, 0, 'a', 0, 0, 0, 8, 0, 7, 0x80, 4, 0, 24, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeHeader(b)
		if e := decodeElement(b); e.Prefix.IsValid() && e.Prefix.Bits() > 128 {
			t.Errorf("decoded %v", e)
		}
	})
}
