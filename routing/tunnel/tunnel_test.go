// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

const device = "vxlan.calico"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// node is a namespace with an underlay link and a manager.
type node struct {
	ns     *netns.NS
	links  *netlink.Conn
	kernel *netlink.RouteConn
	m      *tunnel.Manager
	eth    netlink.Link
	state  *desired.State
	log    bytes.Buffer
	keys   string // directory
}

// newNode makes a node with underlay addresses; eth0 is made by the caller.
func newNode(t testing.TB, linger time.Duration) *node {
	t.Helper()
	n := &node{ns: netnstest.New(t), state: desired.NewState(), keys: t.TempDir()}
	n.links = must[*netlink.Conn](t)(netlink.Open(n.ns))
	t.Cleanup(n.links.Close)
	n.kernel = must[*netlink.RouteConn](t)(netlink.OpenRoutes(n.ns))
	t.Cleanup(func() { check(t, n.kernel.Close()) })
	n.open(t, linger)
	return n
}

// open opens the node's manager, or one after it.
func (n *node) open(t testing.TB, linger time.Duration) {
	t.Helper()
	m := must[*tunnel.Manager](t)(tunnel.Open(tunnel.Options{
		NS: n.ns, Linger: linger, Patience: 2 * time.Second, KeyDir: n.keys, Log: slog.New(slog.NewTextHandler(&n.log, nil)),
	}))
	n.m = m
	t.Cleanup(func() {
		if n.m == m {
			check(t, m.Close())
		}
	})
}

// pair makes two nodes on one wire.
func pair(t testing.TB) (a, b *node) {
	t.Helper()
	a, b = newNode(t, time.Hour), newNode(t, time.Hour)
	a.eth = must[netlink.Link](t)(a.links.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: "eth0", Up: true}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: b.ns,
	}))
	b.eth = must[netlink.Link](t)(b.links.Link("eth0"))
	check(t, b.links.SetUp(b.eth.Index, true))
	for i, n := range []*node{a, b} {
		for _, subnet := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
			p := netip.MustParsePrefix(subnet)
			addr := p.Addr()
			for range i {
				addr = addr.Next()
			}
			check(t, n.links.AddAddr(netlink.Addr{Link: n.eth.Index, Prefix: netip.PrefixFrom(addr, p.Bits()), NoDAD: true}))
		}
	}
	return a, b
}

func (n *node) apply(t testing.TB, d *desired.Delta) tunnel.Report {
	t.Helper()
	check(t, n.state.Apply(d))
	return must[tunnel.Report](t)(n.m.Apply(t.Context(), n.state, d))
}

func wanted(local, addr string, last byte) desired.Tunnel {
	return desired.Tunnel{Name: device, Local: netip.MustParseAddr(local), Addr: netip.MustParseAddr(addr), MAC: desired.MAC{0x66, 5: last}, VNI: 4096, Port: 4789}
}

func peer(name, remote, addr string, last byte) desired.TunnelPeer {
	return desired.TunnelPeer{ID: desired.TunnelPeerID{Tunnel: device, Node: name}, Remote: netip.MustParseAddr(remote), Addr: netip.MustParseAddr(addr), MAC: desired.MAC{0x66, 5: last}}
}

// entries returns what the kernel holds of peers, one a line.
func (n *node) entries(t testing.TB) []string {
	t.Helper()
	link := must[netlink.Link](t)(n.links.Link(device))
	out := []string{}
	for _, e := range must[[]netlink.FDBEntry](t)(n.kernel.FDB(link.Index)) {
		out = append(out, e.MAC.String()+" at "+e.Remote.String())
	}
	for _, e := range must[[]netlink.Neighbour](t)(n.kernel.Neighbours(link.Index)) {
		out = append(out, e.Addr.String()+" is "+e.MAC.String())
	}
	slices.Sort(out)
	return out
}

// TestPacketsPass sends a datagram through the tunnel, over IPv4 and over IPv6.
func TestPacketsPass(t *testing.T) {
	for _, c := range []struct{ a, b, tunnelA, tunnelB string }{
		{"192.0.2.1", "192.0.2.2", "10.65.0.0", "10.65.1.0"},
		{"2001:db8::1", "2001:db8::2", "fd65::", "fd65::1:0"},
		{"192.0.2.1", "192.0.2.2", "fd65::", "fd65::1:0"},
	} {
		t.Run(c.tunnelA+" over "+c.a, func(t *testing.T) {
			a, b := pair(t)
			a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted(c.a, c.tunnelA, 1)}, TunnelPeers: []desired.TunnelPeer{peer("b", c.b, c.tunnelB, 2)}})
			b.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted(c.b, c.tunnelB, 2)}, TunnelPeers: []desired.TunnelPeer{peer("a", c.a, c.tunnelA, 1)}})
			a.route(t, c.tunnelB)
			b.route(t, c.tunnelA)
			exchange(t, a.ns, b.ns, netip.MustParseAddr(c.tunnelB))
		})
	}
}

// route leads to a peer's tunnel address as the route writer does.
func (n *node) route(t testing.TB, via string) {
	t.Helper()
	link := must[netlink.Link](t)(n.links.Link(device))
	addr := netip.MustParseAddr(via)
	failed, err := n.kernel.Change([]netlink.RouteChange{{Op: netlink.RouteAdd, Route: netlink.Route{Dst: desired.HostPrefix(addr), Type: netlink.RouteUnicast,
		Protocol: 3, NextHops: []netlink.NextHop{{Gateway: addr, Link: link.Index, OnLink: true}}}}})
	check(t, err)
	for _, err := range failed {
		t.Fatal(err)
	}
}

// exchange sends a datagram and its answer.
func exchange(t *testing.T, from, to *netns.NS, addr netip.Addr) {
	t.Helper()
	if !answered(t, from, to, addr, 20*time.Second) { // calls of WireGuard that cross are repeated after five
		t.Fatalf("no answer from %s", addr)
	}
}

// echo opens a way to a server that sends back what it gets.
func echo(t *testing.T, from, to *netns.NS, addr netip.Addr) net.Conn {
	t.Helper()
	var server net.PacketConn
	check(t, to.Do(func() (err error) {
		server, err = net.ListenPacket("udp", netip.AddrPortFrom(addr, 0).String())
		return err
	}))
	t.Cleanup(func() { _ = server.Close() })
	var client net.Conn
	check(t, from.Do(func() (err error) {
		client, err = net.Dial("udp", server.LocalAddr().String())
		return err
	}))
	t.Cleanup(func() { _ = client.Close() })
	go func() { // until the socket is closed
		buf := make([]byte, 16)
		for {
			n, peer, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(buf[:n], peer) // a lost answer is the client's to see
		}
	}()
	return client
}

// answered sends datagrams until one is answered or time is up.
func answered(t *testing.T, from, to *netns.NS, addr netip.Addr, limit time.Duration) bool {
	t.Helper()
	client := echo(t, from, to, addr)
	// The underlay's neighbours are being looked for at first, and datagrams get lost meanwhile.
	for deadline := time.Now().Add(limit); ; {
		check(t, client.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err := client.Write([]byte("ping")) // fails at once where a device knows no peer for it
		if err == nil {
			_, err = client.Read(make([]byte, 16))
		}
		if err == nil {
			return true
		} else if time.Now().After(deadline) {
			return false
		}
	}
}

func TestDeviceIsMadeAsWanted(t *testing.T) {
	a, _ := pair(t)
	check(t, a.links.SetMTU(a.eth.Index, 1400))
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}})
	spec, link, err := a.links.VXLAN(device)
	check(t, err)
	if spec.VNI != 4096 || spec.Port != 4789 || spec.Local != netip.MustParseAddr("192.0.2.1") || link.MTU != 1350 || link.MAC.String() != "66:00:00:00:00:01" || !link.Up {
		t.Errorf("device %+v %+v", spec, link)
	}
	for _, change := range []func(*desired.Tunnel){
		func(w *desired.Tunnel) { w.VNI = 7 },
		func(w *desired.Tunnel) { w.Port = 8472 },
		func(w *desired.Tunnel) { w.Local = netip.MustParseAddr("2001:db8::1") },
		func(w *desired.Tunnel) { w.MAC = desired.MAC{0x66, 7} },
		func(w *desired.Tunnel) { w.Addr = netip.MustParseAddr("10.65.9.9") },
		func(w *desired.Tunnel) { w.MTU = 1300 },
	} {
		w := wanted("192.0.2.1", "10.65.0.0", 1)
		change(&w)
		if r := a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{w}}); r.Repaired != 0 {
			t.Errorf("our own change counts as %d repairs", r.Repaired)
		}
		spec, link, err := a.links.VXLAN(device)
		check(t, err)
		mtu := map[bool]int{true: 1350, false: 1330}[w.Local.Is4()]
		if w.MTU != 0 {
			mtu = w.MTU
		}
		if spec.VNI != w.VNI || spec.Port != w.Port || spec.Local != w.Local || link.MTU != mtu || !bytes.Equal(link.MAC, w.MAC[:]) {
			t.Errorf("device %+v %+v, want %+v", spec, link, w)
		}
		addrs := slices.DeleteFunc(must[[]netlink.Addr](t)(a.links.Addrs(link.Index)), func(a netlink.Addr) bool { return a.Prefix.Addr().IsLinkLocalUnicast() })
		if len(addrs) != 1 || addrs[0].Prefix != desired.HostPrefix(w.Addr) {
			t.Errorf("addresses %v, want %v", addrs, w.Addr)
		}
	}
}

func TestPeersFollowDeltas(t *testing.T) {
	a, _ := pair(t)
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}, TunnelPeers: []desired.TunnelPeer{
		peer("b", "192.0.2.2", "10.65.1.0", 2), peer("c", "192.0.2.3", "10.65.2.0", 3),
	}})
	steps := []struct {
		delta *desired.Delta
		want  []string
	}{
		{&desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.22", "10.65.1.0", 2)}},
			[]string{"10.65.1.0 is 66:00:00:00:00:02", "10.65.2.0 is 66:00:00:00:00:03", "66:00:00:00:00:02 at 192.0.2.22", "66:00:00:00:00:03 at 192.0.2.3"}},
		{&desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.22", "10.65.1.1", 4)}},
			[]string{"10.65.1.1 is 66:00:00:00:00:04", "10.65.2.0 is 66:00:00:00:00:03", "66:00:00:00:00:03 at 192.0.2.3", "66:00:00:00:00:04 at 192.0.2.22"}},
		// d takes over what c had.
		{&desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("d", "192.0.2.4", "10.65.2.0", 3)}, TunnelPeersRemoved: []desired.TunnelPeerID{{Tunnel: device, Node: "c"}}},
			[]string{"10.65.1.1 is 66:00:00:00:00:04", "10.65.2.0 is 66:00:00:00:00:03", "66:00:00:00:00:03 at 192.0.2.4", "66:00:00:00:00:04 at 192.0.2.22"}},
		// b and d change places.
		{&desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.22", "10.65.2.0", 3), peer("d", "192.0.2.4", "10.65.1.1", 4)}},
			[]string{"10.65.1.1 is 66:00:00:00:00:04", "10.65.2.0 is 66:00:00:00:00:03", "66:00:00:00:00:03 at 192.0.2.22", "66:00:00:00:00:04 at 192.0.2.4"}},
		{&desired.Delta{TunnelPeers: []desired.TunnelPeer{peer("d", "192.0.2.4", "10.65.2.0", 3), peer("b", "192.0.2.22", "10.65.1.1", 4)}},
			[]string{"10.65.1.1 is 66:00:00:00:00:04", "10.65.2.0 is 66:00:00:00:00:03", "66:00:00:00:00:03 at 192.0.2.4", "66:00:00:00:00:04 at 192.0.2.22"}},
		{&desired.Delta{TunnelPeersRemoved: []desired.TunnelPeerID{{Tunnel: device, Node: "b"}, {Tunnel: device, Node: "d"}}}, []string{}},
	}
	for i, s := range steps {
		a.apply(t, s.delta)
		if got := a.entries(t); !slices.Equal(got, s.want) {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
		if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired != 0 {
			t.Errorf("step %d: a comparison repairs %d", i, r.Repaired)
		}
	}
}

// TestForeignDamageIsRepaired waits for the event of each damage and applies then.
func TestForeignDamageIsRepaired(t *testing.T) {
	a, _ := pair(t)
	d := &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}, TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.2", "10.65.1.0", 2)}}
	a.apply(t, d)
	want := a.entries(t)
	index := func() int { return must[netlink.Link](t)(a.links.Link(device)).Index }
	mac := net.HardwareAddr{0x66, 5: 2}
	for name, damage := range map[string]func() error{
		"device deleted": func() error { return a.links.DeleteLink(index()) },
		"device down":    func() error { return a.links.SetUp(index(), false) },
		"MTU changed":    func() error { return a.links.SetMTU(index(), 1000) },
		"underlay's MTU": func() error { return a.links.SetMTU(a.eth.Index, 9000) },
		"address removed": func() error {
			return a.links.DeleteAddr(netlink.Addr{Link: index(), Prefix: netip.MustParsePrefix("10.65.0.0/32")})
		},
		"address added": func() error {
			return a.links.AddAddr(netlink.Addr{Link: index(), Prefix: netip.MustParsePrefix("10.9.9.9/32")})
		},
		"neighbour removed": func() error {
			return other(t, a).Batch(netlink.NeighbourDelete{Link: index(), Addr: netip.MustParseAddr("10.65.1.0")})
		},
		"neighbour added": func() error {
			return other(t, a).Batch(netlink.Neighbour{Link: index(), Addr: netip.MustParseAddr("10.65.7.7"), MAC: mac})
		},
		"forwarding removed": func() error {
			return other(t, a).Batch(netlink.FDBDelete{Link: index(), MAC: mac, Remote: netip.MustParseAddr("192.0.2.2")})
		},
		"forwarding redirected": func() error {
			return other(t, a).Batch(netlink.FDBEntry{Link: index(), MAC: mac, Remote: netip.MustParseAddr("192.0.2.66")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a.quiet(t)
			check(t, damage())
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			for repaired := 0; repaired == 0; {
				select {
				case <-a.m.Events():
				case <-ctx.Done():
					t.Fatal("no event led to a repair")
				}
				r, err := a.m.Apply(t.Context(), a.state, nil)
				check(t, err)
				repaired += r.Repaired
			}
			if got := a.entries(t); !slices.Equal(got, want) {
				t.Errorf("after the repair %q, want %q", got, want)
			}
			eth := must[netlink.Link](t)(a.links.Link("eth0"))
			if _, link, err := a.links.VXLAN(device); err != nil || !link.Up || link.MTU != eth.MTU-50 {
				t.Errorf("after the repair %+v, %v", link, err)
			}
		})
	}
}

// other is a connection that is not the manager's.
func other(t testing.TB, n *node) *netlink.RouteConn { return n.kernel }

// quiet takes the events of what was done before.
func (n *node) quiet(t testing.TB) {
	t.Helper()
	must[tunnel.Report](t)(n.m.Apply(t.Context(), n.state, nil))
	for {
		select {
		case <-n.m.Events():
			if r := must[tunnel.Report](t)(n.m.Apply(t.Context(), n.state, nil)); r.Repaired > 0 {
				t.Fatalf("without damage %d repairs", r.Repaired)
			}
		default:
			return
		}
	}
}

func TestUnwantedDeviceLingers(t *testing.T) {
	a := newNode(t, 50*time.Millisecond)
	a.eth = must[netlink.Link](t)(a.links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "eth0", Up: true}, Peer: netlink.LinkSpec{Name: "eth0p"}}))
	check(t, a.links.AddAddr(netlink.Addr{Link: a.eth.Index, Prefix: netip.MustParsePrefix("192.0.2.1/24")}))
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}})
	a.quiet(t)
	a.apply(t, &desired.Delta{TunnelsRemoved: []string{device}})
	if _, err := a.links.Link(device); err != nil {
		t.Fatalf("the device does not linger: %v", err)
	}
	for {
		if _, err := a.links.Link(device); err != nil {
			return // gone, after the event
		}
		<-a.m.Events()
		must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	a, _ := pair(t)
	foreign := must[netlink.Link](t)(a.links.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: device}, VNI: 1, Port: 4789, Local: netip.MustParseAddr("192.0.2.1")}))
	d := &desired.Delta{Tunnels: []desired.Tunnel{wanted("192.0.2.1", "10.65.0.0", 1)}}
	check(t, a.state.Apply(d))
	r, err := a.m.Apply(t.Context(), a.state, d)
	if err == nil || !strings.Contains(err.Error(), "not weft's") || r.Failed[device] == nil {
		t.Errorf("a foreign device of our name: %+v, %v", r, err)
	}
	check(t, a.links.Rename(foreign.Index, "vx9"))
	if _, err := a.m.Apply(t.Context(), a.state, nil); err != nil {
		t.Errorf("after it was renamed: %v", err)
	}
	check(t, a.m.Remove(t.Context()))
	if _, err := a.links.Link(device); err == nil {
		t.Error("Remove leaves the device")
	}
	if _, err := a.links.Link("vx9"); err != nil {
		t.Error("Remove deletes a foreign device")
	}
	same := must[netlink.Link](t)(a.links.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vx8"}, VNI: 4096, Port: 4789, Local: netip.MustParseAddr("192.0.2.1")}))
	if _, err := a.m.Apply(t.Context(), a.state, nil); err == nil || !strings.Contains(err.Error(), "another VXLAN device, vx8, has VNI 4096 and port 4789") {
		t.Errorf("VNI and port in use: %v", err)
	}
	check(t, a.links.DeleteLink(same.Index))
}

func TestAddressOfNoLink(t *testing.T) {
	a, _ := pair(t)
	d := &desired.Delta{Tunnels: []desired.Tunnel{wanted("203.0.113.1", "10.65.0.0", 1)}}
	check(t, a.state.Apply(d))
	if _, err := a.m.Apply(t.Context(), a.state, d); err == nil || !strings.Contains(err.Error(), "no link has this node's address 203.0.113.1") {
		t.Errorf("error %v", err)
	}
}

// TestLastGoodIsKept: a device goes on, with changes of its peers, when what it is to become cannot be had, and becomes it when it can.
func TestLastGoodIsKept(t *testing.T) {
	a, _ := pair(t)
	was := wanted("192.0.2.1", "10.65.0.0", 1)
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{was}, TunnelPeers: []desired.TunnelPeer{peer("b", "192.0.2.2", "10.65.1.0", 2)}})
	before := must[netlink.Link](t)(a.links.Link(device))
	foreign := must[netlink.Link](t)(a.links.AddVXLAN(netlink.VXLANSpec{LinkSpec: netlink.LinkSpec{Name: "vx8"}, VNI: 7, Port: 4789, Local: was.Local}))
	var socket net.PacketConn
	check(t, a.ns.Do(func() (err error) { socket, err = net.ListenPacket("udp4", "0.0.0.0:8472"); return err }))
	for want, change := range map[string]func(*desired.Tunnel){
		"another VXLAN device, vx8, has VNI 7 and port 4789; remove it": func(w *desired.Tunnel) { w.VNI = 7 },
		"another program has UDP port 8472; end it":                     func(w *desired.Tunnel) { w.Port = 8472 },
	} {
		now := was
		change(&now)
		newcomer := peer("c", "192.0.2.3", "10.65.2.0", 3)
		d := &desired.Delta{Tunnels: []desired.Tunnel{now}, TunnelPeers: []desired.TunnelPeer{newcomer}}
		check(t, a.state.Apply(d))
		r, err := a.m.Apply(t.Context(), a.state, d)
		if err == nil || r.Failed[device] == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		link, err := a.links.Link(device)
		if err != nil || link.Index != before.Index || !link.Up {
			t.Errorf("the device that was there: %+v, %v", link, err)
		}
		if got := a.entries(t); len(got) != 4 {
			t.Errorf("peers of the device that was there: %q, want both", got)
		}
		if _, err := a.links.Link("weft-trial"); err == nil {
			t.Error("the trial is left behind")
		}
		gone := &desired.Delta{TunnelPeersRemoved: []desired.TunnelPeerID{newcomer.ID}}
		check(t, a.state.Apply(gone))
		if _, err := a.m.Apply(t.Context(), a.state, gone); err == nil {
			t.Error("the failure is forgotten with the next change")
		}
	}
	check(t, errors.Join(socket.Close(), a.links.DeleteLink(foreign.Index)))
	if _, err := a.m.Apply(t.Context(), a.state, nil); err != nil {
		t.Errorf("when nothing is in the way: %v", err)
	}
	if spec, _, err := a.links.VXLAN(device); err != nil || spec.VNI == was.VNI && spec.Port == was.Port {
		t.Errorf("when nothing is in the way: %+v, %v", spec, err)
	}
}
