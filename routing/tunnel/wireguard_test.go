// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/wireguard"
)

// encrypting are the devices and addresses of two nodes, by family.
var encrypting = []struct {
	kind         desired.TunnelKind
	device       string
	local, addrs [2]string
}{
	{desired.WireGuard4, "wireguard.cali", [2]string{"192.0.2.1", "192.0.2.2"}, [2]string{"10.65.0.0", "10.65.1.0"}},
	{desired.WireGuard6, "wg-v6.cali", [2]string{"2001:db8::1", "2001:db8::2"}, [2]string{"fd65::", "fd65::1:0"}},
}

// device returns one node's device of a family.
func deviceOf(f, node int) desired.Tunnel {
	c := encrypting[f]
	return desired.Tunnel{Kind: c.kind, Name: c.device, Local: netip.MustParseAddr(c.local[node]), Addr: netip.MustParseAddr(c.addrs[node]), Port: uint16(51820 + f)}
}

// end returns a node as a peer of the other.
func end(f, node int, key desired.Key) desired.TunnelPeer {
	c := encrypting[f]
	addr := netip.MustParseAddr(c.addrs[node])
	return desired.TunnelPeer{
		ID:     desired.TunnelPeerID{Tunnel: c.device, Node: []string{"a", "b"}[node]},
		Remote: netip.MustParseAddr(c.local[node]), Addr: addr, Key: key, Nets: []netip.Prefix{desired.HostPrefix(addr)},
	}
}

// encryptedPair makes two nodes with devices of a family that know each other.
func encryptedPair(t *testing.T, f int) (a, b *node) {
	t.Helper()
	a, b = pair(t)
	kind := encrypting[f].kind
	for i, n := range []*node{a, b} {
		n.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{deviceOf(f, i)}})
	}
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{end(f, 1, b.m.PublicKeys()[kind])}})
	b.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{end(f, 0, a.m.PublicKeys()[kind])}})
	a.through(t, encrypting[f].device, encrypting[f].addrs[1])
	b.through(t, encrypting[f].device, encrypting[f].addrs[0])
	return a, b
}

// through leads to an address by a device.
func (n *node) through(t *testing.T, device, to string) {
	t.Helper()
	link := must[netlink.Link](t)(n.links.Link(device))
	failed, err := n.kernel.Change([]netlink.RouteChange{{Op: netlink.RouteReplace, Route: netlink.Route{
		Dst: desired.HostPrefix(netip.MustParseAddr(to)), Type: netlink.RouteUnicast, Protocol: 3, NextHops: []netlink.NextHop{{Link: link.Index}},
	}}})
	check(t, err)
	for _, err := range failed {
		t.Fatal(err)
	}
}

// meet waits until a node has met so many peers.
func (n *node) meet(t *testing.T, want int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for len(n.m.Met()) != want {
		select {
		case <-n.m.Meetings():
		case <-deadline:
			t.Fatalf("has met %v; want %d", n.m.Met(), want)
		}
	}
}

// TestEncrypted: two ends that learn of each other one after the other meet, and packets pass, in both families.
func TestEncrypted(t *testing.T) {
	for f, c := range encrypting {
		t.Run(c.device, func(t *testing.T) {
			a, b := encryptedPair(t, f)
			a.meet(t, 1)
			b.meet(t, 1)
			exchange(t, a.ns, b.ns, netip.MustParseAddr(c.addrs[1]))
			link := must[netlink.Link](t)(a.links.Link(c.device))
			if want := 1500 - []int{60, 80}[f]; link.MTU != want || link.Group != own.TunnelGroup {
				t.Errorf("MTU %d, group %d; want MTU %d and our group", link.MTU, link.Group, want)
			}
			if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired != 0 {
				t.Errorf("repaired %d on what was right", r.Repaired)
			}
		})
	}
}

// TestKeyOnDisk: the private key is readable for its owner alone, and one that is none is reported.
func TestKeyOnDisk(t *testing.T) {
	a, _ := encryptedPair(t, 0)
	file := filepath.Join(a.keys, "wireguard.key")
	info := must[os.FileInfo](t)(os.Stat(file))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o", file, info.Mode().Perm())
	}
	check(t, os.WriteFile(file, []byte("no key"), 0o600))
	if _, err := a.m.Apply(t.Context(), a.state, nil); err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "no key\"") {
		t.Errorf("a file without a key: %v", err)
	}
}

// TestNextKey: a node goes over to its next key when its Node states that, not before, and another one to it when the node answers to it; packets pass both
// ways at each step, in whichever order the two hear of it.
func TestNextKey(t *testing.T) {
	for _, self := range []bool{false, true} {
		t.Run(map[bool]string{false: "the peer first", true: "itself first"}[self], func(t *testing.T) {
			a, b := encryptedPair(t, 0)
			a.meet(t, 1)
			b.meet(t, 1)
			both := func() {
				t.Helper()
				exchange(t, a.ns, b.ns, netip.MustParseAddr("10.65.1.0"))
				exchange(t, b.ns, a.ns, netip.MustParseAddr("10.65.0.0"))
			}
			before := a.m.PublicKeys()[desired.WireGuard4]
			check(t, a.m.RotateKeys())
			<-a.m.Events()
			must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
			after := a.m.PublicKeys()[desired.WireGuard4]
			if before == after || after == (desired.Key{}) {
				t.Fatalf("the key was %s and is %s", before, after)
			}
			both()
			stated := deviceOf(0, 0)
			stated.Key = after
			other := func() {
				b.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{end(0, 0, after)}})
				if len(b.m.Met()) != 1 {
					t.Error("a peer that has changed its key is sent packets in the clear")
				}
			}
			if self {
				a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{stated}})
				other()
			} else {
				other()
				both()
				must[tunnel.Report](t)(b.m.Apply(t.Context(), b.state, nil))
				both()
				a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{stated}})
			}
			both()
			if got := a.m.PublicKeys()[desired.WireGuard4]; got != after {
				t.Errorf("the key is %s; want %s, which the Node states", got, after)
			}
			b.oneKey(t, after)
		})
	}
}

// oneKey waits until a node's device knows a peer by one key alone.
func (n *node) oneKey(t *testing.T, want desired.Key) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // between polls
		have := must[wireguard.Device](t)(n.m.WireGuard().Read("wireguard.cali"))
		if _, ok := have.Peers[wireguard.Key(want)]; ok && len(have.Peers) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("knows %v; want %s alone", have.Peers, want)
		}
	}
}

// TestNetsOfPeers: what a peer may send is added and taken away with it, and goes over to another.
func TestNetsOfPeers(t *testing.T) {
	a, b := encryptedPair(t, 0)
	a.meet(t, 1)
	more := netip.MustParseAddr("10.65.9.9")
	link := must[netlink.Link](t)(b.links.Link("wireguard.cali"))
	check(t, b.links.AddAddr(netlink.Addr{Link: link.Index, Prefix: desired.HostPrefix(more)}))
	a.through(t, "wireguard.cali", more.String())
	peer := end(0, 1, b.m.PublicKeys()[desired.WireGuard4])
	with := peer
	with.Nets = append(slices.Clone(peer.Nets), desired.HostPrefix(more))
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{with}})
	exchange(t, a.ns, b.ns, more)
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{peer}})
	if passes(t, a.ns, b.ns, more) {
		t.Error("a net is still sent to a peer that has lost it")
	}
	a.apply(t, &desired.Delta{TunnelPeersRemoved: []desired.TunnelPeerID{peer.ID}})
	if len(a.m.Met()) != 0 || !passes(t, b.ns, a.ns, netip.MustParseAddr("10.65.0.0")) {
		t.Error("a peer that has just gone is not heard any more, or counts as met")
	}
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{peer}})
	check(t, b.m.Close())
	b.open(t, time.Hour)
	must[tunnel.Report](t)(b.m.Apply(t.Context(), b.state, nil))
	a.meet(t, 1)
	exchange(t, a.ns, b.ns, netip.MustParseAddr("10.65.1.0"))
}

// TestNetsWithoutPause: a peer that is allowed one net more or less is sent all the while what is for the others, by changes and by comparing with
// the kernel. It has many: emptying and filling them again would take a while.
func TestNetsWithoutPause(t *testing.T) {
	a, b := encryptedPair(t, 0)
	a.meet(t, 1)
	b.meet(t, 1)
	to := netip.MustParseAddr("10.65.1.0")
	exchange(t, a.ns, b.ns, to)
	full := end(0, 1, b.m.PublicKeys()[desired.WireGuard4])
	for i := range 1000 {
		full.Nets = append(full.Nets, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 66, byte(i >> 8), byte(i)}), 32))
	}
	less := full
	less.Nets = full.Nets[:len(full.Nets)-1]
	sent, stop := make(chan error), make(chan struct{})
	client := echo(t, a.ns, b.ns, to)
	go func() { sent <- pingUntil(client, stop) }()
	for range 10 {
		for _, peer := range []desired.TunnelPeer{full, less} {
			a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{peer}})
		}
		check(t, a.state.Apply(&desired.Delta{TunnelPeers: []desired.TunnelPeer{full}}))
		must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	}
	close(stop)
	if err := <-sent; err != nil {
		t.Errorf("while the nets of a peer change: %v", err)
	}
}

// pingUntil sends datagrams, each after the answer to the one before, and fails if there is none.
func pingUntil(client net.Conn, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		err := client.SetDeadline(time.Now().Add(5 * time.Second))
		if err == nil {
			_, err = client.Write([]byte("ping"))
		}
		if err == nil {
			_, err = client.Read(make([]byte, 16))
		}
		if err != nil {
			return fmt.Errorf("datagram %d: %w", i, err)
		}
	}
}

// TestNetsFollow: after random changes each net is allowed to the peer that is wanted to have it, and to no other. Within a change nets go over between peers,
// in either order, and each peer is there or not.
func TestNetsFollow(t *testing.T) {
	a, _ := pair(t)
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{deviceOf(0, 0)}})
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	known := map[string]bool{}
	for step := range 60 {
		delta := &desired.Delta{}
		for i, nets := range deal(r) {
			peer := end(0, 1, desired.Key{byte(i + 1)})
			peer.ID.Node, peer.Nets = fmt.Sprint("peer", i), nets
			switch before := known[peer.ID.Node]; {
			case len(nets) > 0:
				delta.TunnelPeers = append(delta.TunnelPeers, peer)
			case before:
				delta.TunnelPeersRemoved = append(delta.TunnelPeersRemoved, peer.ID)
			}
			known[peer.ID.Node] = len(nets) > 0
		}
		r.Shuffle(len(delta.TunnelPeers), func(i, j int) {
			delta.TunnelPeers[i], delta.TunnelPeers[j] = delta.TunnelPeers[j], delta.TunnelPeers[i]
		})
		if r.IntN(3) > 0 {
			a.apply(t, delta)
		} else {
			check(t, a.state.Apply(delta))
			must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
		}
		have := must[wireguard.Device](t)(a.m.WireGuard().Read("wireguard.cali"))
		for _, p := range delta.TunnelPeers {
			got := have.Peers[wireguard.Key(p.Key)].Allowed
			slices.SortFunc(got, desired.ComparePrefixes)
			if !slices.Equal(got, p.Nets) {
				t.Fatalf("seed %d, step %d: %s is allowed %v; want %v", seed, step, p.ID.Node, got, p.Nets)
			}
		}
		if _, left := have.Peers[wireguard.Key{}]; left {
			t.Fatalf("seed %d, step %d: the peer that is nobody is still there", seed, step)
		}
	}
}

// deal gives each of some nets to one of four peers, or to none.
func deal(r *rand.Rand) (nets [4][]netip.Prefix) {
	for i := range 12 {
		if to := r.IntN(len(nets) + 1); to < len(nets) {
			nets[to] = append(nets[to], netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 66, byte(i), 0}), 24+i%9).Masked())
		}
	}
	return nets
}

// TestEncryptedSuccessor: a manager that takes over what another has left goes on encrypting from the first moment, and packets pass again.
func TestEncryptedSuccessor(t *testing.T) {
	a, b := encryptedPair(t, 0)
	a.meet(t, 1)
	b.meet(t, 1)
	check(t, a.m.Close())
	a.open(t, time.Hour)
	must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil))
	if len(a.m.Met()) != 1 {
		t.Error("what was encrypted before is sent in the clear after a restart")
	}
	exchange(t, b.ns, a.ns, netip.MustParseAddr("10.65.0.0"))
}

// TestEncryptedDamage: a device that somebody deletes, or gives another MTU or address, is mended, and one that is not ours is left alone.
func TestEncryptedDamage(t *testing.T) {
	a, b := encryptedPair(t, 0)
	a.meet(t, 1)
	link := must[netlink.Link](t)(a.links.Link("wireguard.cali"))
	check(t, a.links.DeleteLink(link.Index))
	<-a.m.Events()
	if r := must[tunnel.Report](t)(a.m.Apply(t.Context(), a.state, nil)); r.Repaired == 0 {
		t.Error("a deleted device is not repaired")
	}
	a.through(t, "wireguard.cali", "10.65.1.0")
	exchange(t, a.ns, b.ns, netip.MustParseAddr("10.65.1.0"))
	check(t, a.m.Remove(context.Background()))
	if _, err := a.links.Link("wireguard.cali"); err == nil {
		t.Error("the device is there after Remove")
	}
	must[netlink.Link](t)(a.links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: "wireguard.cali"}, Peer: netlink.LinkSpec{Name: "other"}}))
	if _, err := a.m.Apply(t.Context(), a.state, nil); err == nil || !strings.Contains(err.Error(), "not weft's") {
		t.Errorf("a device of somebody else: %v", err)
	}
}

// TestSilentPeer: a peer that does not answer counts as met after a while, so that dropping its packets does not keep others from being
// encrypted.
func TestSilentPeer(t *testing.T) {
	a, _ := pair(t)
	a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{deviceOf(0, 0)}})
	a.apply(t, &desired.Delta{TunnelPeers: []desired.TunnelPeer{end(0, 1, desired.Key{1})}})
	if len(a.m.Met()) != 0 {
		t.Error("a peer is met before it has answered")
	}
	a.meet(t, 1)
}

// TestThreads: the work of the kernel's device is done by threads or not, as is wanted, also where it was made otherwise.
func TestThreads(t *testing.T) {
	a, _ := encryptedPair(t, 0)
	if len(a.m.Userspace()) > 0 {
		t.Skip("WireGuard is not the kernel's here; `make test-vm` runs this where it is")
	}
	wg := must[*wireguard.Conn](t)(wireguard.Open(a.ns))
	defer func() { check(t, wg.Close()) }()
	must[bool](t)(wg.Attach(must[netlink.Link](t)(a.links.Link("wireguard.cali"))))
	for _, on := range []bool{true, false, true} {
		d := deviceOf(0, 0)
		d.Threaded = on
		a.apply(t, &desired.Delta{Tunnels: []desired.Tunnel{d}})
		if changed := must[bool](t)(wg.SetThreaded(d.Name, on)); changed {
			t.Errorf("threads were %t; want %t", !on, on)
		}
	}
}

// passes tells whether a datagram gets through.
func passes(t *testing.T, from, to *netns.NS, addr netip.Addr) bool {
	t.Helper()
	return answered(t, from, to, addr, 300*time.Millisecond)
}
