// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package defaultpool_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/defaultpool"
	"github.com/weftnet/weft/store/memstore"
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// TestEnsure: a family gets the default pools when it has none for workloads, whatever else there is.
func TestEnsure(t *testing.T) {
	for name, test := range map[string]struct {
		there []v3.IPPoolSpec
		want  []string
	}{
		"none":              {nil, []string{defaultpool.NameIPv4, defaultpool.NameIPv4 + "-2", defaultpool.NameIPv6}},
		"one of IPv4":       {[]v3.IPPoolSpec{{CIDR: "192.0.2.0/24"}}, []string{defaultpool.NameIPv6}},
		"a disabled one":    {[]v3.IPPoolSpec{{CIDR: "fd01::/64", Disabled: new(true)}}, []string{defaultpool.NameIPv4, defaultpool.NameIPv4 + "-2"}},
		"for services only": {[]v3.IPPoolSpec{{CIDR: "192.0.2.0/24", AllowedUses: []string{"LoadBalancer"}}}, []string{defaultpool.NameIPv4, defaultpool.NameIPv4 + "-2", defaultpool.NameIPv6}},
		"both":              {[]v3.IPPoolSpec{{CIDR: "192.0.2.0/24"}, {CIDR: "fd01::/64", AllowedUses: []string{"Workload"}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			for i, spec := range test.there {
				if _, err := s.Create(t.Context(), &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: string(rune('a' + i))}, Spec: spec}); err != nil {
					t.Fatal(err)
				}
			}
			pools, err := defaultpool.New(prefixes("10.244.0.0/16", "10.245.0.0/16", "fd00:10::/48"), "Always")
			if err != nil {
				t.Fatal(err)
			}
			if made, err := defaultpool.Ensure(t.Context(), s, pools); err != nil || !slices.Equal(made, test.want) {
				t.Errorf("made %v, want %v: %v", made, test.want, err)
			}
			if made, err := defaultpool.Ensure(t.Context(), s, pools); err != nil || made != nil {
				t.Errorf("made %v again: %v", made, err)
			}
		})
	}
}

// TestNothingBesideTheUnreadable: a pool that cannot be read may be the one that serves the family.
func TestNothingBesideTheUnreadable(t *testing.T) {
	s := memstore.New()
	s.Inject(api.Key{Resource: api.IPPools, Name: "odd"}, []byte("no JSON"))
	pools, err := defaultpool.New(prefixes("10.244.0.0/16"), "Never")
	if err != nil {
		t.Fatal(err)
	}
	if made, err := defaultpool.Ensure(t.Context(), s, pools); err != nil || made != nil {
		t.Errorf("made %v: %v", made, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		prefixes []netip.Prefix
		mode     string
		want     string // in the error
	}{
		{prefixes("10.244.0.0/16"), "Sometimes", "spec.vxlanMode"},
		{prefixes("10.244.0.1/16"), "Never", "10.244.0.1/16"},
		{prefixes("10.244.0.0/28"), "Never", "does not hold one block"},
		{prefixes("10.244.0.0/16", "10.244.128.0/17"), "Never", "overlap"},
	} {
		if pools, err := defaultpool.New(test.prefixes, test.mode); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, %s: %v, %v; want %q", test.prefixes, test.mode, pools, err, test.want)
		}
	}
}
