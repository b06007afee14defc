// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package mtu_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/routing/mtu"
)

var (
	own4 = netip.MustParseAddr("192.0.2.1")
	own6 = netip.MustParseAddr("2001:db8::1")
	eth0 = mtu.Link{Name: "eth0", MTU: 1500, Addrs: []netip.Addr{own4, own6}}
	lo   = mtu.Link{Name: "lo", MTU: 65536, Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
)

// TestPublishedTable holds the sizes against the table that Calico publishes (calico-behaviour §4.6).
func TestPublishedTable(t *testing.T) {
	for _, row := range []struct{ link, ipip, vxlan4, vxlan6, wg4, wg6 int }{
		{1500, 1480, 1450, 1430, 1440, 1420}, {9000, 8980, 8950, 8930, 8940, 8920}, {1460, 1440, 1410, 1390, 1400, 1380},
		{9001, 8981, 8951, 8931, 8941, 8921}, {1450, 1430, 1400, 1380, 1390, 1370},
	} {
		for e, want := range map[mtu.Encap]int{
			mtu.IPIP: row.ipip, mtu.VXLAN4: row.vxlan4, mtu.VXLAN6: row.vxlan6, mtu.WireGuard4: row.wg4, mtu.WireGuard6: row.wg6,
		} {
			if got := mtu.Inside(row.link, e); got != want {
				t.Errorf("%s over %d = %d, want %d", e, row.link, got, want)
			}
			var c mtu.Config
			c.Used[e] = true
			link := mtu.Link{Name: "eth0", MTU: row.link, Addrs: []netip.Addr{own4}}
			if got := mtu.Workload(c, []mtu.Link{lo, link}, []netip.Addr{own4}); got.Value != want {
				t.Errorf("workloads with %s over %d: %+v, want %d", e, row.link, got, want)
			}
		}
	}
}

func TestWorkload(t *testing.T) {
	slow := mtu.Link{Name: "eth1", MTU: 1400}
	small := eth0
	small.MTU = 1300
	for what, c := range map[string]struct {
		config mtu.Config
		links  []mtu.Link
		own    []netip.Addr
		want   int
		reason string
	}{
		"direct":                        {mtu.Config{}, []mtu.Link{lo, eth0, slow}, []netip.Addr{own4}, 1500, "that of eth0, which has the node's address"},
		"smallest of the layers in use": {used(mtu.VXLAN4, mtu.VXLAN6, mtu.IPIP), []mtu.Link{eth0}, []netip.Addr{own4, own6}, 1430, "less 70 for VXLAN over IPv6"},
		"stated":                        {stated(mtu.VXLAN4, 1350), []mtu.Link{eth0}, []netip.Addr{own4}, 1350, "stated for VXLAN over IPv4"},
		"stated larger than the link":   {stated(mtu.VXLAN4, 8950), []mtu.Link{eth0}, []netip.Addr{own4}, 1500, "eth0"},
		"stated and not in use":         {mtu.Config{Device: [mtu.Encaps]int{mtu.IPIP: 1300}}, []mtu.Link{eth0}, []netip.Addr{own4}, 1500, "eth0"},
		"by pattern":                    {mtu.Config{Pattern: "^eth.*"}, []mtu.Link{lo, eth0, slow}, []netip.Addr{own4}, 1400, "eth1, which matches mtuIfacePattern ^eth.*"},
		"nothing matches":               {mtu.Config{Pattern: "^ens"}, []mtu.Link{lo, eth0}, []netip.Addr{own4}, 1500, "as no link matches mtuIfacePattern ^ens"},
		"no link has the address":       {mtu.Config{}, []mtu.Link{lo}, []netip.Addr{own4}, 1460, "no link of the host has"},
		"IPv6 in too little":            {used(mtu.VXLAN6), []mtu.Link{small}, []netip.Addr{own6}, 1280, "IPv6 needs 1280"},
		"IPv4 in little":                {used(mtu.VXLAN4), []mtu.Link{small}, []netip.Addr{own4}, 1250, "less 50"},
	} {
		got := mtu.Workload(c.config, c.links, c.own)
		if got.Value != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %+v, want %d because %q", what, got, c.want, c.reason)
		}
	}
	got := mtu.Workload(used(mtu.VXLAN4, mtu.IPIP), []mtu.Link{eth0}, []netip.Addr{own4})
	if text := strings.Join(got.Rejected, "; "); !strings.Contains(text, "1480: ") || !strings.Contains(text, "1500: ") {
		t.Errorf("rejected %q, want 1480 and 1500", text)
	}
}

func used(layers ...mtu.Encap) (c mtu.Config) {
	for _, e := range layers {
		c.Used[e] = true
	}
	return c
}

func stated(e mtu.Encap, size int) mtu.Config {
	c := used(e)
	c.Device[e] = size
	return c
}

func TestWay(t *testing.T) {
	for what, c := range map[string]struct {
		config          mtu.Config
		link, probed    int
		layers          []mtu.Encap
		computed, value int
	}{
		"direct":                       {mtu.Config{}, 1500, 0, nil, 1500, 1500},
		"measured":                     {mtu.Config{}, 1500, 1500, nil, 1500, 1500},
		"measured smaller":             {mtu.Config{}, 1500, 1400, nil, 1500, 1400},
		"in a tunnel":                  {mtu.Config{}, 1500, 1400, []mtu.Encap{mtu.VXLAN4}, 1450, 1350},
		"WireGuard over VXLAN":         {mtu.Config{}, 1500, 0, []mtu.Encap{mtu.VXLAN4, mtu.WireGuard4}, 1390, 1390},
		"stated smaller":               {stated(mtu.VXLAN4, 1300), 1500, 1400, []mtu.Encap{mtu.VXLAN4}, 1300, 1300},
		"stated larger than the link":  {stated(mtu.VXLAN4, 8950), 1500, 0, []mtu.Encap{mtu.VXLAN4}, 1450, 1450},
		"measured smaller than stated": {stated(mtu.IPIP, 1400), 1500, 1300, []mtu.Encap{mtu.IPIP}, 1400, 1280},
	} {
		if got := c.config.Way(c.link, c.probed, c.layers...); got.Computed != c.computed || got.Value != c.value {
			t.Errorf("%s: %+v, want %d, %d", what, got, c.computed, c.value)
		}
	}
}

// TestNeverLarger: whatever is stated and measured, a packet of the chosen size fits the link and the path.
func TestNeverLarger(t *testing.T) {
	for e := range mtu.Encap(mtu.Encaps) {
		for _, link := range []int{1280, 1450, 1500, 9000} {
			for _, probed := range []int{0, 1280, 1400, 9000} {
				for _, device := range []int{0, 1300, 1450, 9000} {
					got := stated(e, device).Way(link, probed, e)
					if got.Value+e.Overhead() > link || probed > 0 && got.Value+e.Overhead() > probed || got.Value > got.Computed {
						t.Errorf("%s, link %d, path %d, device %d: %+v", e, link, probed, device, got)
					}
				}
			}
		}
	}
}
