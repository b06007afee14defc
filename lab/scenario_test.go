// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
)

// TestScenariosAreValid: the list has each cell once, what can be has pools that the API takes, and what cannot says why.
func TestScenariosAreValid(t *testing.T) {
	seen := map[lab.Scenario]bool{}
	for _, s := range lab.Scenarios() {
		if seen[s] {
			t.Errorf("%s is there twice", s)
		}
		seen[s] = true
		cidrs := map[lab.Families][]string{lab.IPv4: {"10.65.0.0/16"}, lab.IPv6: {"fd65::/64"}, lab.Dual: {"10.65.0.0/16", "fd65::/64"}}[s.Families]
		wraps := false
		for _, o := range s.Pools(cidrs) {
			p := o.(*v3.IPPool)
			wraps = wraps || p.Spec.IPIPMode != v3.EncapNever || p.Spec.VXLANMode != v3.EncapNever
			if err := api.Validate(o, api.Checks{}); len(err) > 0 {
				t.Errorf("%s: %v", s, err)
			}
		}
		if plain := s.Mode == lab.Direct || s.Mode == lab.WireGuard; s.Impossible() == "" && wraps == plain {
			t.Errorf("%s: wraps packets: %t", s, wraps)
		}
	}
	if want := 7 * 3 * 2; len(seen) != want {
		t.Errorf("%d cells; want %d", len(seen), want)
	}
	for _, s := range []string{"ipip/ipv6/nftables", "ipip-cross/ipv6/iptables"} {
		found := false
		for c := range seen {
			found = found || c.String() == s && c.Impossible() != ""
		}
		if !found {
			t.Errorf("%s does not say why it cannot run", s)
		}
	}
}
