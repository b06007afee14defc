// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/sysctl"
)

// hostsPair makes two nodes that encrypt a family between themselves, too.
func hostsPair(t *testing.T, f int) (a, b *node) {
	t.Helper()
	a, b = encryptedPair(t, f)
	peers := [2]desired.TunnelPeer{end(f, 0, a.m.PublicKeys()[encrypting[f].kind]), end(f, 1, b.m.PublicKeys()[encrypting[f].kind])}
	for i, n := range []*node{a, b} {
		d := deviceOf(f, i)
		d.Hosts = desired.HostRouting{Table: 7, Priority: 99}
		p := peers[1-i]
		p.Nets = append(p.Nets, desired.HostPrefix(p.Remote))
		slices.SortFunc(p.Nets, desired.ComparePrefixes)
		n.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{d}, TunnelPeers: []desired.TunnelPeer{p}})
	}
	a.meet(t, 1)
	b.meet(t, 1)
	a.leads(t, 1)
	b.leads(t, 1)
	return a, b
}

// ways are a node's routes to others' own addresses.
func (n *node) ways(t *testing.T) (routes []netlink.TableRoute) {
	t.Helper()
	for _, r := range must[[]netlink.Rule](t)(n.kernel.Rules(own.RouteProtocol)) {
		routes = append(routes, must[[]netlink.TableRoute](t)(n.kernel.Table(r.Table))...)
	}
	return routes
}

// leads waits until a node has so many ways.
func (n *node) leads(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(n.ways(t)) != want; time.Sleep(5 * time.Millisecond) { // between polls
		if time.Now().After(deadline) {
			t.Fatalf("leads %v; want %d", n.ways(t), want)
		}
	}
}

// arrivesBy tells whether a datagram to an address arrives there by a device.
func arrivesBy(t *testing.T, from, to *netns.NS, addr netip.Addr, device string) bool {
	t.Helper()
	var in net.PacketConn
	var out net.Conn
	check(t, to.Do(func() (err error) {
		bound := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
			if why := c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), device) }); why != nil {
				return why
			}
			return err
		}}
		in, err = bound.ListenPacket(context.Background(), "udp", netip.AddrPortFrom(addr, 9).String())
		return err
	}))
	defer func() { _ = in.Close() }()
	check(t, from.Do(func() (err error) {
		out, err = net.Dial("udp", netip.AddrPortFrom(addr, 9).String())
		return err
	}))
	defer func() { _ = out.Close() }()
	for range 20 {
		_, _ = out.Write([]byte("?"))
		check(t, in.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		if _, _, err := in.ReadFrom(make([]byte, 1)); err == nil {
			return true
		}
	}
	return false
}

// TestHostsEncrypted: what nodes send each other goes through the device, under their own addresses, in both families; without the setting, and
// without the peer, it goes plainly again, and nothing is left of rules and routes.
func TestHostsEncrypted(t *testing.T) {
	for f, c := range encrypting {
		t.Run(c.device, func(t *testing.T) {
			a, b := hostsPair(t, f)
			at := netip.MustParseAddr(c.local[1])
			exchange(t, a.ns, b.ns, at)
			if !arrivesBy(t, a.ns, b.ns, at, c.device) || arrivesBy(t, a.ns, b.ns, at, "eth0") {
				t.Error("a packet to the other node's own address does not come through the device")
			}
			if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired != 0 || len(a.m.PlainHosts()) != 0 {
				t.Errorf("repaired %d on what was right; in the clear: %v", r.Repaired, a.m.PlainHosts())
			}
			a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{deviceOf(f, 0)}})
			if rules := must[[]netlink.Rule](t)(a.kernel.Rules(own.RouteProtocol)); len(rules) != 0 {
				t.Errorf("%v is left", rules)
			}
			if left := must[[]netlink.TableRoute](t)(a.kernel.Table(7)); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
			if !arrivesBy(t, a.ns, b.ns, at, "eth0") || !arrivesBy(t, b.ns, a.ns, netip.MustParseAddr(c.local[0]), c.device) {
				t.Error("one end that encrypts no more what it sends itself does not go well with one that does")
			}
			check(t, b.m.Remove(t.Context()))
			if rules := must[[]netlink.Rule](t)(b.kernel.Rules(own.RouteProtocol)); len(rules) != 0 {
				t.Errorf("%v is left after Remove", rules)
			}
			check(t, b.state.Apply(&desired.Delta{TunnelsRemoved: []string{c.device}, TunnelPeersRemoved: []desired.TunnelPeerID{{Tunnel: c.device, Node: "a"}}}))
		})
	}
}

// TestHostWaysAreRepaired: a rule that somebody deletes is back with the event, and routes are with the next look.
func TestHostWaysAreRepaired(t *testing.T) {
	a, b := hostsPair(t, 0)
	for len(a.m.Events()) > 0 {
		<-a.m.Events()
	}
	for _, r := range must[[]netlink.Rule](t)(a.kernel.Rules(own.RouteProtocol)) {
		check(t, a.kernel.Batch(netlink.RuleDelete(r)))
	}
	for _, r := range must[[]netlink.TableRoute](t)(a.kernel.Table(7)) {
		check(t, a.kernel.Batch(netlink.TableRouteDelete(r)))
	}
	select {
	case <-a.m.Events():
	case <-time.After(10 * time.Second):
		t.Fatal("the manager did not notice")
	}
	if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired != 2 {
		t.Errorf("repaired %d; want the rule and the route", r.Repaired)
	}
	if !arrivesBy(t, a.ns, b.ns, netip.MustParseAddr("192.0.2.2"), "wireguard.cali") {
		t.Error("packets go plainly after the repair")
	}
}

// TestHostWaysOutliveTheAgent: what nodes send each other does not go plainly while nobody runs a device that is in the agent, and is encrypted again
// as soon as somebody does.
func TestHostWaysOutliveTheAgent(t *testing.T) {
	a, b := hostsPair(t, 0)
	at := netip.MustParseAddr("192.0.2.2")
	check(t, a.m.Close())
	for range 2 {
		if arrivesBy(t, a.ns, b.ns, at, "eth0") {
			t.Error("a packet goes plainly while no agent has looked at the device")
		}
		a.leads(t, 1)
		a.open(t, time.Hour) // changes nothing yet
	}
	must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	a.leads(t, 1)
	exchange(t, a.ns, b.ns, at)
}

// TestHostWaysToSilentPeers: what is for a peer that does not answer is encrypted after a while, and lost; what is for one that has no key goes plainly.
func TestHostWaysToSilentPeers(t *testing.T) {
	a, b := pair(t)
	d := deviceOf(0, 0)
	d.Hosts = desired.HostRouting{Table: 7, Priority: 99}
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{d}})
	p := end(0, 1, desired.Key{1})
	at := netip.MustParseAddr("192.0.2.2")
	if !arrivesBy(t, a.ns, b.ns, at, "eth0") {
		t.Error("a packet to a node without a key is lost")
	}
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{p}})
	if plain := a.m.PlainHosts(); len(plain) != 1 || plain[0] != p.ID {
		t.Errorf("in the clear: %v; want %v, which has not been met", plain, p.ID)
	}
	a.meet(t, 1)
	a.leads(t, 1)
	if plain := a.m.PlainHosts(); len(plain) != 0 || arrivesBy(t, a.ns, b.ns, at, "eth0") {
		t.Errorf("a packet to a peer that does not answer goes plainly; in the clear: %v", plain)
	}
}

// TestObstaclesToHostWays: a table that others use and a strict check of sources are named with the remedy, and nothing is led there; what workloads
// send is encrypted all the same.
func TestObstaclesToHostWays(t *testing.T) {
	a, b := hostsPair(t, 0)
	foreign := netlink.TableRoute{Table: 7, Dst: netip.MustParseAddr("203.0.113.1"), Link: a.eth.Index, Protocol: 4}
	check(t, a.kernel.Batch(foreign))
	refused := func(words ...string) {
		t.Helper()
		_, err := a.m.Apply(t.Context(), a.state, nil)
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%v; want %q", err, word)
			}
		}
		if rules := must[[]netlink.Rule](t)(a.kernel.Rules(own.RouteProtocol)); len(rules) != 0 {
			t.Errorf("%v is there", rules)
		}
		exchange(t, a.ns, b.ns, netip.MustParseAddr("10.65.1.0"))
		if a.m.InForce()[desired.WireGuard4] == (netip.Addr{}) {
			t.Error("the device is not in force")
		}
	}
	refused("routing table 7", "routeTableRanges")
	if left := must[[]netlink.TableRoute](t)(a.kernel.Table(7)); len(left) != 1 || left[0] != foreign {
		t.Errorf("table 7 has %v; want what is not ours", left)
	}
	check(t, a.kernel.Batch(netlink.TableRouteDelete(foreign)))
	check(t, a.ns.Do(func() error { return sysctl.Set("net/ipv4/conf/eth0/rp_filter", "1") }))
	refused("conf.eth0.rp_filter=1", "set it to 2")
	check(t, a.ns.Do(func() error { return sysctl.Set("net/ipv4/conf/all/rp_filter", "2") }))
	must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	a.leads(t, 1)
}
