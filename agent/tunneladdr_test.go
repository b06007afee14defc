// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"net/netip"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/store/memstore"
)

// tunnelAddr is what the Node says of its IPv4 tunnel.
func (n *node) tunnelAddr() netip.Addr {
	obj, err := n.store.Get(n.t.Context(), nodeKey)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(obj.(*v3.Node).Spec.IPv4VXLANTunnelAddr)
	return addr
}

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
	address := n.tunnelAddr
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

// TestTheNodeSpeaksOfNoTunnelBeforeItIsThere: the others send as soon as the Node states an address.
func TestTheNodeSpeaksOfNoTunnelBeforeItIsThere(t *testing.T) {
	data := memstore.New()
	n := startNode(t, data)
	n.until("ready", n.ready)
	n.tunnels.set(errors.New("no memory"))
	if _, err := data.Create(t.Context(), overlayPool("p", "10.65.0.0/16", v3.EncapAlways)); err != nil {
		t.Fatal(err)
	}
	n.until("the tunnel is wanted", func() bool {
		wanted := false
		n.agent.loop.ask(t.Context(), func() {
			for range n.agent.loop.graph.View().Tunnels() {
				wanted = true
			}
		})
		return wanted
	})
	if addr := n.tunnelAddr(); addr.IsValid() {
		t.Errorf("the Node states %s, and there is no device", addr)
	}
	n.tunnels.set(nil)
	n.until("the Node states the address", func() bool { return n.tunnelAddr().IsValid() })
	before := n.tunnelAddr()
	if err := data.Delete(t.Context(), nodeKey, 0); err != nil {
		t.Fatal(err)
	}
	n.until("a Node that was deleted states it again", func() bool { return n.tunnelAddr() == before })
}

// TestWhatTheNodeStates: a tunnel that is needed is stated once it is in force, and goes on being stated while it is repaired.
func TestWhatTheNodeStates(t *testing.T) {
	addr := netip.MustParseAddr("10.65.0.1")
	for _, c := range []struct {
		name, before    string
		needed, inForce bool
		after           string
	}{
		{"made", "", true, true, "10.65.0.1"},
		{"not made yet", "", true, false, ""},
		{"in repair", "10.65.0.1", true, false, "10.65.0.1"},
		{"of another address", "10.65.0.9", true, true, "10.65.0.1"},
		{"not needed, and still there", "10.65.0.1", false, true, ""},
	} {
		state := tunnelState{}
		state.needed[desired.VXLAN4] = c.needed
		if c.inForce {
			state.inForce[desired.VXLAN4] = addr
		}
		node := v3.NodeSpec{IPv4VXLANTunnelAddr: c.before}
		changed := state.stateIn(&node, desired.TunnelAddrs{desired.VXLAN4: addr})
		if node.IPv4VXLANTunnelAddr != c.after || changed != (c.before != c.after) {
			t.Errorf("%s: states %q, changed %t; want %q", c.name, node.IPv4VXLANTunnelAddr, changed, c.after)
		}
	}
}

// TestWhichKeyTheNodeStates: a key is stated while its device is needed, the present one once the device has it.
func TestWhichKeyTheNodeStates(t *testing.T) {
	old, now := desired.Key{1}.String(), desired.Key{2}
	for _, c := range []struct {
		name, before string
		needed       bool
		key          desired.Key
		after        string
	}{
		{"made", "", true, now, now.String()},
		{"not made yet", "", true, desired.Key{}, ""},
		{"in repair", old, true, desired.Key{}, old},
		{"rotated", old, true, now, now.String()},
		{"not needed, and still there", old, false, now, ""},
	} {
		state := tunnelState{}
		state.needed[desired.WireGuard4], state.keys[desired.WireGuard4] = c.needed, c.key
		node := &v3.Node{Status: &v3.NodeStatus{WireguardPublicKey: c.before, PodCIDRs: []string{"10.1.0.0/24"}}}
		changed := state.stateKeys(node)
		if got := node.Status.WireguardPublicKey; got != c.after || changed != (c.before != c.after) || len(node.Status.PodCIDRs) != 1 {
			t.Errorf("%s: states %q, changed %t; want %q", c.name, got, changed, c.after)
		}
	}
}
