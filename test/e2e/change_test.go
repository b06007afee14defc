// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
)

// TestPolicyFlips changes a policy back and forth between two versions. Who is in both is never refused, who is in neither never gets in,
// and whoever is in one only never gets in after a packet of the other has shown that the version has changed.
func TestPolicyFlips(t *testing.T) {
	c := up(t, "flips", 2)
	c.shop()
	c.add("n1", "monitor-near", "monitor")
	c.add("n2", "monitor-far", "monitor")
	c.add("n1", "stranger-near", "stranger")
	c.add("n2", "stranger-far", "stranger")
	c.apply(letIn("backend", "monitor"))
	c.converge()
	flips := rounds(100, 1000)
	var alternations []*alternation
	c.during("flips", func(tr *traffic) {
		for _, where := range []string{"near", "far"} {
			tr.connects("shop/monitor-"+where, "shop/database")
			tr.stream("shop/monitor-"+where, "shop/database")
			tr.denied("shop/stranger-"+where, "shop/database")
			alternations = append(alternations, tr.alternate("shop/backend-"+where, "shop/frontend-"+where, "shop/database")...)
		}
	}, func() {
		for i := range flips {
			c.apply(letIn([]string{"frontend", "backend"}[i%2], "monitor"))
			c.inForce("n1")
		}
	})
	for _, a := range alternations {
		turns, passed := a.turns()
		t.Logf("%s: %d of %d packets passed, in %d turns, through %d flips", a.name, passed, a.sent, turns, flips)
		if turns > flips+1 {
			t.Errorf("%s: %d turns with %d flips: two versions were in force at once", a.name, turns, flips)
		}
		if turns < flips/4 {
			t.Errorf("%s: %d turns with %d flips: the flips were hardly noticed", a.name, turns, flips)
		}
	}
	c.intact("n1")
}

// inForce waits until a node has programmed the policy as it is in the datastore.
func (c *cluster) inForce(node string) {
	c.t.Helper()
	s, err := c.Store()
	if err != nil {
		c.t.Fatal(err)
	}
	policy, err := s.Get(c.t.Context(), api.KeyOf(protectDatabase()))
	if err != nil {
		c.t.Fatal(err)
	}
	revision, err := strconv.ParseInt(policy.GetResourceVersion(), 10, 64)
	if err != nil {
		c.t.Fatal(err)
	}
	c.eventually("the policy's revision", func() error {
		status, err := c.status(node)
		if err == nil && status.Revision < revision {
			err = fmt.Errorf("revision %d of %d", status.Revision, revision)
		}
		return err
	})
}

// alternation is datagrams on the service port from two sources in turn, in one order.
type alternation struct {
	name string
	mu   sync.Mutex
	got  []arrival
	sent uint64
}

// udpHeader is what a raw socket delivers before the payload (RFC 768).
const udpHeader = 8

type arrival struct {
	n    uint64 // place in the order of sending
	from netip.Addr
}

// alternate sends from one and the other member to dst, in turn and out of one thread, so that the order of sending is the order in which
// policy judges. Every datagram is a new flow to connection tracking.
func (tr *traffic) alternate(one, other, dst string) []*alternation {
	tr.c.t.Helper()
	var out []*alternation
	first, second := tr.pairs(one, dst), tr.pairs(other, dst)
	for i, p := range first {
		a := &alternation{name: p.name + " and " + other}
		out = append(out, a)
		sender := [2]*datagrams{tr.datagrams(p), tr.datagrams(second[i])}
		conn := tr.raw(p, false, "udp")
		tr.sinks.Go(func() { a.receive(conn, p.src, second[i].src) })
		tr.flows.Go(func() { a.send(tr, sender) })
	}
	return out
}

// datagrams is a source of datagrams to the service port of a member, each from another port and thus a flow of its own: of a flow that
// policy has ended connection tracking keeps a note.
type datagrams struct {
	conn *net.IPConn
	dst  netip.Addr
	port uint16
}

// datagrams opens a source at p's source; at its destination somebody takes the datagrams and says nothing.
func (tr *traffic) datagrams(p pair) *datagrams {
	tr.c.t.Helper()
	at := netip.AddrPortFrom(p.dst, servicePort)
	if !tr.sunk[at] {
		tr.sunk[at] = true
		var sink net.PacketConn
		err := p.to.Do(func() (err error) {
			sink, err = net.ListenPacket("udp", at.String())
			return err
		})
		if err != nil {
			tr.c.t.Fatal(err)
		}
		tr.closers = append(tr.closers, func() { _ = sink.Close() })
	}
	d := &datagrams{conn: tr.raw(p, true, "udp"), dst: p.dst}
	if p.dst.Is6() {
		tr.checksummed(d.conn)
	}
	return d
}

// checksummed has the kernel fill in the checksum of UDP over IPv6, which may not be left out (RFC 8200).
func (tr *traffic) checksummed(conn *net.IPConn) {
	tr.c.t.Helper()
	raw, err := conn.SyscallConn()
	if err == nil {
		const ipv6Checksum, offset = 7, 6 // IPV6_CHECKSUM of ipv6(7); where a UDP header has it
		err = errors.Join(raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, ipv6Checksum, offset)
		}), err)
	}
	if err != nil {
		tr.c.t.Fatalf("checksum of datagrams: %v", err)
	}
}

// firstPort is where the source ports of datagrams start; nothing else uses those above.
const firstPort = 1024

// write sends a datagram.
func (d *datagrams) write(payload []byte) error {
	d.port = max(d.port+1, firstPort)
	b := binary.BigEndian.AppendUint16(nil, d.port)
	b = binary.BigEndian.AppendUint16(b, servicePort)
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = append(b, 0, 0) // no checksum, or the kernel's
	_, err := d.conn.WriteToIP(append(b, payload...), &net.IPAddr{IP: d.dst.AsSlice()})
	return err
}

// send sends until the traffic stops.
func (a *alternation) send(tr *traffic, from [2]*datagrams) {
	ticker := time.NewTicker(pace / 5)
	defer ticker.Stop()
	for tr.tick(ticker) {
		for _, conn := range from {
			a.sent++
			if err := conn.write(binary.BigEndian.AppendUint64(nil, a.sent)); err != nil {
				tr.fail("%s: %v", a.name, err)
			}
		}
	}
}

// receive notes what arrives from the two sources.
func (a *alternation) receive(conn *net.IPConn, one, other netip.Addr) {
	buf := make([]byte, 1500)
	for {
		n, addr, err := conn.ReadFromIP(buf)
		if err != nil {
			return
		}
		from, _ := netip.AddrFromSlice(addr.IP)
		if from = from.Unmap(); n != udpHeader+8 || from != one && from != other {
			continue
		}
		a.mu.Lock()
		a.got = append(a.got, arrival{binary.BigEndian.Uint64(buf[udpHeader:]), from})
		a.mu.Unlock()
	}
}

// turns counts how often the source of what passed changed, in the order of sending.
func (a *alternation) turns() (turns, passed int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortFunc(a.got, func(x, y arrival) int { return cmp.Compare(x.n, y.n) })
	var last netip.Addr
	for _, g := range a.got {
		if g.from != last {
			turns++
			last = g.from
		}
	}
	return turns, len(a.got)
}
