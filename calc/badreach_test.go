// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
)

// TestBadTunnelInputKeepsTheLastGood: what is impossible about pools, tunnels and keys and stands in the datastore all the same changes nothing, and is
// reported with its field and the reason, until it is mended.
func TestBadTunnelInputKeepsTheLastGood(t *testing.T) {
	pool := func(name, cidr string, edit func(*v3.IPPoolSpec)) *v3.IPPool {
		p := ct.Pool(name, cidr)
		edit(&p.Spec)
		return p
	}
	vxlan := func(s *v3.IPPoolSpec) { s.VXLANMode = v3.EncapAlways }
	node := func(name, addr, tunnel, key string) *v3.Node {
		n := ct.Node(name, nil, addr, "")
		n.Spec.IPv4VXLANTunnelAddr = tunnel
		n.Spec.Wireguard = &v3.NodeWireguard{InterfaceIPv4Address: tunnel[:len(tunnel)-1] + "9"}
		n.Status = &v3.NodeStatus{WireguardPublicKey: key}
		return n
	}
	felix := func(edit func(*v3.FelixConfigurationSpec)) api.Object {
		return ct.FelixConfig("default", func(s *v3.FelixConfigurationSpec) {
			s.WireguardEnabled = new(true)
			edit(s)
		})
	}
	good := []api.Object{
		pool("p", "10.65.0.0/16", vxlan), pool("q", "fd00:65::/64", vxlan), felix(func(*v3.FelixConfigurationSpec) {}),
		node(ct.Me, "192.0.2.1/24", "10.65.100.1", ct.PublicKey(1)), node("n2", "192.0.2.2/24", "10.65.101.1", ct.PublicKey(2)),
		ct.Affinity("n2", "10.65.1.0/26"),
	}
	mended := map[api.Key]api.Object{}
	for _, obj := range good {
		mended[api.KeyOf(obj)] = obj
	}
	later := pool("a-later-one", "10.65.1.0/24", func(s *v3.IPPoolSpec) { s.IPIPMode = v3.EncapAlways })
	later.CreationTimestamp = metav1.NewTime(time.Unix(1, 0))
	for name, c := range map[string]struct {
		bad  api.Object
		want string
	}{
		"IPIP and VXLAN": {pool("p", "10.65.0.0/16", func(s *v3.IPPoolSpec) { s.IPIPMode, s.VXLANMode = v3.EncapAlways, v3.EncapAlways }),
			"p spec.vxlanMode: is Always while ipipMode is Always; choose one of them"},
		"IPv6 IPIP": {pool("q", "fd00:65::/64", func(s *v3.IPPoolSpec) { s.IPIPMode = v3.EncapAlways }), "q spec.ipipMode: IP-in-IP carries IPv4 only"},
		"overlapping pools": {later,
			"a-later-one spec.cidr: 10.65.1.0/24 overlaps 10.65.0.0/16 of IPPool p"},
		"VNI": {felix(func(s *v3.FelixConfigurationSpec) { s.VXLANVNI = new(1 << 24) }), "default spec.vxlanVNI: "},
		"port of two devices": {felix(func(s *v3.FelixConfigurationSpec) { s.VXLANPort = new(51820) }),
			"default spec.wireguardListeningPort: "},
		"MTU for IPv6":     {felix(func(s *v3.FelixConfigurationSpec) { s.VXLANMTUV6 = new(1279) }), "default spec.vxlanMTUV6: 1279 is too small: IPv6 needs at least 1280"},
		"WireGuard MTU":    {felix(func(s *v3.FelixConfigurationSpec) { s.WireguardMTUV6 = new(1000) }), "default spec.wireguardMTUV6: 1000 is too small"},
		"key that is none": {node("n2", "192.0.2.2/24", "10.65.101.1", "hunter2"), "n2 status.wireguardPublicKey: "},
		"key too short":    {node("n2", "192.0.2.2/24", "10.65.101.1", "aHVudGVyMg=="), "n2 status.wireguardPublicKey: "},
	} {
		t.Run(name, func(t *testing.T) {
			g := apply(good...)
			expect(t, g, nil)
			put := func(obj api.Object) {
				if obj != nil {
					g.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: 99}})
				}
			}
			put(c.bad)
			if d := g.Flush(); d != nil {
				t.Errorf("it has an effect: %s", ct.Describe(d))
			}
			expect(t, g, []string{c.want})
			g.Apply(deletions(later))
			put(mended[api.KeyOf(c.bad)])
			if d := g.Flush(); d != nil {
				t.Errorf("mended: %s", ct.Describe(d))
			}
			expect(t, g, nil)
		})
	}
}
