// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/store/memstore"
)

func overlayPool(name, cidr string, mode v3.EncapMode) *v3.IPPool {
	p := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: name}}
	p.Spec.CIDR, p.Spec.VXLANMode = cidr, mode
	return p
}

// TestTunnelAddressFollowsThePools: a pool with a tunnel gives the node an address, and a device; without one the Node says so again.
func TestTunnelAddressFollowsThePools(t *testing.T) {
	data := memstore.New()
	pool := overlayPool("p", "10.65.0.0/16", v3.EncapAlways)
	if _, err := data.Create(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, data)
	address := func() netip.Addr {
		obj, err := data.Get(t.Context(), api.Key{Resource: api.Nodes, Name: "n1"})
		if err != nil {
			return netip.Addr{}
		}
		addr, _ := netip.ParseAddr(obj.(*v3.Node).Spec.IPv4VXLANTunnelAddr)
		return addr
	}
	n.until("the Node names a tunnel address", func() bool { return netip.MustParsePrefix(pool.Spec.CIDR).Contains(address()) })
	n.until("the tunnel is wanted", func() bool {
		found := false
		n.agent.loop.ask(t.Context(), func() {
			for w := range n.agent.loop.graph.View().Tunnels() {
				found = found || w == desired.Tunnel{Name: "vxlan.calico", Local: netip.MustParseAddr("192.0.2.1"), Addr: address(), MAC: w.MAC, VNI: 4096, Port: 4789}
			}
		})
		return found
	})
	before := address()
	pool.Spec.VXLANMode = v3.EncapNever
	if _, err := data.Update(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	n.until("the Node names none any more", func() bool { return !address().IsValid() })
	if held, err := n.agent.ipam.ByHandle(t.Context(), "vxlan-tunnel-addr-n1"); err != nil || len(held) != 1 || held[0] != before {
		t.Errorf("the address is free while the device lingers: %v, %v", held, err)
	}
}
