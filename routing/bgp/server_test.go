// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/bgp"
)

// node is a speaker on a loopback address of its own, 127.0.0.1 for the first, and the routes that its kernel would get.
type node struct {
	t      *testing.T
	s      *bgp.Server
	want   desired.BGP
	addr   netip.Addr
	routes map[netip.Prefix][]netip.Addr
	last   bgp.Update
}

// port is where all speakers of this test process listen, each on its own address.
func port(t *testing.T) uint16 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { check(t, l.Close()) }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNode(t *testing.T, port uint16, i byte, as uint32) *node {
	a := netip.AddrFrom4([4]byte{127, 0, 0, i})
	n := &node{t: t, addr: a, routes: map[netip.Prefix][]netip.Addr{}}
	n.want = desired.BGP{
		AS: as, RouterID: a, ListenPort: port, Listen: []netip.Addr{a}, NextHops: [2]netip.Addr{a},
		Advertise:  []netip.Prefix{block(i)},
		ExportOnly: []netip.Prefix{netip.MustParsePrefix("10.65.0.0/16")},
	}
	n.restart(false)
	t.Cleanup(func() { check(t, n.s.Close()) })
	return n
}

func block(i byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 65, i, 0}), 26) }

func (n *node) restart(restarting bool) {
	n.s = bgp.New(bgp.Options{Restarting: restarting, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
}

// peer adds a session to other; the one with the smaller address waits.
func (n *node) peer(other *node, change ...func(*desired.Peer)) {
	p := desired.Peer{
		Name: fmt.Sprintf("Node_%s", other.addr), Addr: other.addr, Port: other.want.ListenPort, AS: other.want.AS,
		Source: n.addr, Passive: n.addr.Less(other.addr),
	}
	for _, c := range change {
		c(&p)
	}
	n.want.Peers = append(n.want.Peers, p)
}

func (n *node) set() {
	n.t.Helper()
	want := n.want
	want.Peers = slices.Clone(want.Peers)
	check(n.t, n.s.Set(n.t.Context(), &want))
}

// take applies what was learned.
func (n *node) take() {
	n.last = n.s.Learned().Take()
	for dst, hops := range n.last.NextHops() {
		if len(hops) == 0 {
			delete(n.routes, dst)
		} else {
			n.routes[dst] = hops
		}
	}
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// holds waits until the node has learned exactly want, as "prefix via hop,hop".
func (n *node) holds(want ...string) {
	n.t.Helper()
	slices.Sort(want)
	var got []string
	defer func() {
		if n.t.Failed() {
			n.t.Logf("%s has %v; want %v", n.addr, got, want)
		}
	}()
	eventually(n.t, fmt.Sprintf("%s learns %v", n.addr, want), func() bool {
		n.take()
		got = got[:0]
		for dst, hops := range n.routes {
			text := make([]string, len(hops))
			for i, h := range hops {
				text[i] = h.String()
			}
			got = append(got, dst.String()+" via "+strings.Join(text, ","))
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

func (n *node) status(peer *node) bgp.PeerStatus {
	st, ok := n.s.Status()
	if !ok {
		n.t.Fatal("the speaker does not run")
	}
	for _, p := range st.Peers {
		if p.Addr == peer.addr {
			return p
		}
	}
	n.t.Fatalf("no peer %s in %+v", peer.addr, st)
	return bgp.PeerStatus{}
}

func via(i byte, hops ...byte) string {
	text := make([]string, len(hops))
	for j, h := range hops {
		text[j] = "127.0.0." + strconv.Itoa(int(h))
	}
	return block(i).String() + " via " + strings.Join(text, ",")
}

// TestMesh: three nodes of one AS, changes in place, and the end of a peer.
func TestMesh(t *testing.T) {
	p := port(t)
	a, b, c := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512), newNode(t, p, 3, 64512)
	for _, n := range []*node{a, b, c} {
		for _, o := range []*node{a, b, c} {
			if n != o {
				n.peer(o)
			}
		}
		n.set()
	}
	a.holds(via(2, 2), via(3, 3))
	b.holds(via(1, 1), via(3, 3))
	c.holds(via(1, 1), via(2, 2))
	eventually(t, "complete", func() bool { st, _ := a.s.Status(); return st.Complete })
	st := a.status(b)
	if st.State != bgp.Established || st.Received != 1 || st.Accepted != 1 || st.Sent != 1 || st.LastError != "" || time.Since(st.Since) > time.Minute {
		t.Errorf("status %+v", st)
	}
	since := st.Since
	// A prefix more, a prefix less, another password for one session: the other session stays up.
	a.want.Advertise = []netip.Prefix{block(1), block(9)}
	a.set()
	b.holds(via(1, 1), via(9, 1), via(3, 3))
	a.want.Advertise = []netip.Prefix{block(9)}
	a.set()
	b.holds(via(9, 1), via(3, 3))
	for _, n := range []*node{a, c} {
		for i := range n.want.Peers {
			if n.want.Peers[i].Addr == a.addr || n.want.Peers[i].Addr == c.addr {
				n.want.Peers[i].Password = "secret"
			}
		}
		n.set()
	}
	eventually(t, "session with password", func() bool { return a.status(c).State == bgp.Established && c.status(a).State == bgp.Established })
	c.holds(via(9, 1), via(2, 2))
	if st := a.status(b); st.State != bgp.Established || !st.Since.Equal(since) {
		t.Errorf("the session that did not change was reset: %+v", st)
	}
	// The end of a speaker for good takes its routes away at once; its own taker is told that nothing is left.
	check(t, c.s.Set(t.Context(), nil))
	a.holds(via(2, 2))
	b.holds(via(9, 1))
	c.holds()
	if _, runs := c.s.Status(); runs || !c.last.Complete {
		t.Errorf("stopped speaker runs=%t, last update %+v", runs, c.last)
	}
	if st := a.status(c); st.State == bgp.Established || st.LastError == "" {
		t.Errorf("status %+v", st)
	}
}

// TestSharedPrefix: nodes that announce the same prefix, as one of services, do not send packets for it to each other; those that do not announce it know all ways.
func TestSharedPrefix(t *testing.T) {
	p := port(t)
	a, b, c := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512), newNode(t, p, 3, 64512)
	for _, n := range []*node{a, b, c} {
		for _, o := range []*node{a, b, c} {
			if n != o {
				n.peer(o)
			}
		}
	}
	b.want.Advertise = []netip.Prefix{block(2), block(9)}
	for _, n := range []*node{a, b, c} {
		n.set()
	}
	a.holds(via(2, 2), via(9, 2), via(3, 3))
	a.want.Advertise = []netip.Prefix{block(1), block(9)}
	a.set()
	a.holds(via(2, 2), via(3, 3))
	b.holds(via(1, 1), via(3, 3))
	c.holds(via(1, 1), via(2, 2), via(9, 1, 2))
	a.want.Advertise = []netip.Prefix{block(1)}
	a.set()
	a.holds(via(2, 2), via(9, 2), via(3, 3))
	c.holds(via(1, 1), via(2, 2), via(9, 2))
}

// TestGracefulRestart: a speaker that goes without a word is waited for, and what it does not announce again goes at the end.
func TestGracefulRestart(t *testing.T) {
	p := port(t)
	a, b := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512)
	b.want.Advertise = []netip.Prefix{block(2), block(3)}
	a.peer(b)
	b.peer(a)
	a.set()
	b.set()
	a.holds(via(2, 2), via(3, 2))
	b.holds(via(1, 1))
	check(t, b.s.Close())
	eventually(t, "a waits for b", func() bool { st := a.status(b); return st.State != bgp.Established && st.Restarting })
	a.holds(via(2, 2), via(3, 2))
	b.restart(true)
	b.want.Advertise = []netip.Prefix{block(2)}
	b.set()
	if b.s.Learned().IsComplete() {
		t.Error("complete before anything was heard")
	}
	a.holds(via(2, 2))
	b.holds(via(1, 1))
	eventually(t, "complete", b.s.Learned().IsComplete)
	if st := a.status(b); st.State != bgp.Established || st.Restarting {
		t.Errorf("status %+v", st)
	}
}

// TestRestartWithoutOnePeer: a peer that is gone for good keeps a restarted speaker neither from announcing its prefixes nor, for
// longer than the restart time, from pruning.
func TestRestartWithoutOnePeer(t *testing.T) {
	p := port(t)
	a, b, ghost := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512), newNode(t, p, 3, 64512)
	short := func(p *desired.Peer) { p.RestartSeconds = 10 }
	a.peer(b, short)
	b.peer(a, short)
	b.peer(ghost, short)
	a.set()
	b.set()
	a.holds(via(2, 2))
	check(t, b.s.Close())
	eventually(t, "a waits for b", func() bool { return a.status(b).Restarting })
	b.restart(true)
	b.want.Advertise = []netip.Prefix{block(9)}
	start := time.Now()
	b.set()
	a.holds(via(9, 2))
	if d := time.Since(start); d < 10*time.Second && b.s.Learned().IsComplete() {
		t.Errorf("complete after %s, though a peer was not heard", d)
	}
	eventually(t, "complete", b.s.Learned().IsComplete)
}

// TestGlobalChange: another AS number needs a new engine, which must not look like the end to whoever takes the routes.
func TestGlobalChange(t *testing.T) {
	p := port(t)
	a, b := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512)
	a.peer(b)
	b.peer(a)
	a.set()
	b.set()
	a.holds(via(2, 2))
	eventually(t, "complete", a.s.Learned().IsComplete)
	a.take()
	a.want.AS, b.want.AS = 64513, 64513
	a.want.Peers[0].AS, b.want.Peers[0].AS = 64513, 64513
	b.set()
	a.set()
	if u := a.s.Learned().Take(); len(u.Paths) != 0 || u.Complete {
		t.Errorf("the change withdraws %+v", u)
	}
	eventually(t, "complete again", a.s.Learned().IsComplete)
	a.holds(via(2, 2))
	if st := a.status(b); st.AS != 64513 || st.State != bgp.Established {
		t.Errorf("status %+v", st)
	}
}

// TestReflector: a reflector passes routes between its clients with their next hops, and keeps a top-of-rack switch's default route
// to itself.
func TestReflector(t *testing.T) {
	p := port(t)
	rr, a, b, tor := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512), newNode(t, p, 3, 64512), newNode(t, p, 4, 65001)
	rr.want.ClusterID = netip.MustParseAddr("244.0.0.1")
	client := func(p *desired.Peer) { p.RRClient = true }
	rr.peer(a, client)
	rr.peer(b, client)
	rr.peer(tor)
	a.peer(rr)
	b.peer(rr)
	tor.peer(rr)
	fabric := netip.MustParsePrefix("0.0.0.0/0")
	tor.want.Advertise, tor.want.ExportOnly = []netip.Prefix{fabric, block(40)}, nil
	for _, n := range []*node{rr, a, b, tor} {
		n.set()
	}
	rr.holds(via(2, 2), via(3, 3), via(40, 4), "0.0.0.0/0 via 127.0.0.4")
	// block(40) lies within the pools and is passed on, with the next hop it came with; the default route is not.
	a.holds(via(1, 1), via(3, 3), via(40, 4))
	b.holds(via(1, 1), via(2, 2), via(40, 4))
	tor.holds(via(1, 1), via(2, 1), via(3, 1))
	// The pools shrink: what is outside is withdrawn everywhere, own prefixes stay.
	rr.want.ExportOnly = []netip.Prefix{netip.MustParsePrefix("10.65.2.0/24")}
	rr.set()
	tor.holds(via(1, 1), via(2, 1))
	b.holds(via(1, 1), via(2, 2))
	a.holds(via(1, 1))
	rr.want.ExportOnly = []netip.Prefix{netip.MustParsePrefix("10.65.0.0/16")}
	rr.set()
	tor.holds(via(1, 1), via(2, 1), via(3, 1))
}

// TestOwnerIsPreferred: a top-of-rack switch hears of each block from its owner and, second hand, from the owner's mesh peer; it must
// take the owner's word, and the other's only when the owner has no session.
func TestOwnerIsPreferred(t *testing.T) {
	p := port(t)
	a, b, tor := newNode(t, p, 1, 64512), newNode(t, p, 2, 64512), newNode(t, p, 3, 65001)
	a.peer(b)
	b.peer(a)
	for _, n := range []*node{a, b} {
		n.peer(tor)
		tor.peer(n)
		n.set()
	}
	tor.set()
	tor.holds(via(1, 1), via(2, 2))
	eventually(t, "both ways are known", func() bool { return tor.status(a).Received == 2 && tor.status(b).Received == 2 })
	tor.holds(via(1, 1), via(2, 2))
	a.want.Peers = a.want.Peers[:1]
	a.set()
	tor.holds(via(1, 2), via(2, 2))
}

// TestECMP: equally good paths come together.
func TestECMP(t *testing.T) {
	p := port(t)
	a, b, c := newNode(t, p, 1, 64512), newNode(t, p, 2, 65001), newNode(t, p, 3, 65002)
	b.want.Advertise = []netip.Prefix{block(9)}
	c.want.Advertise = []netip.Prefix{block(9)}
	for _, o := range []*node{b, c} {
		a.peer(o)
		o.peer(a)
		o.set()
	}
	a.set()
	a.holds(via(9, 2, 3))
	b.want.Advertise = nil
	b.set()
	a.holds(via(9, 3))
	b.want.Advertise = []netip.Prefix{block(9)}
	b.set()
	a.holds(via(9, 2, 3))
}

// TestUnreachablePeer: the status says why there is no session.
func TestUnreachablePeer(t *testing.T) {
	p := port(t)
	a, b := newNode(t, p, 2, 64512), newNode(t, p, 1, 64512)
	a.peer(b)
	a.set()
	eventually(t, "a reason", func() bool { return strings.Contains(a.status(b).LastError, "connection refused") })
	if st := a.status(b); st.State == bgp.Established || st.Since.IsZero() {
		t.Errorf("status %+v", st)
	}
}

// TestPortTaken: the error says what to do.
func TestPortTaken(t *testing.T) {
	p := port(t)
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p))))
	check(t, err)
	defer func() { check(t, l.Close()) }()
	a := newNode(t, p, 1, 64512)
	if err := a.s.Set(t.Context(), &a.want); err == nil || !strings.Contains(err.Error(), "another BGP daemon") {
		t.Errorf("error %v", err)
	}
	if _, runs := a.s.Status(); runs {
		t.Error("runs without a port")
	}
}
