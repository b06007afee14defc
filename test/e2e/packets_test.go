// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ICMP echo message types (RFC 792, RFC 4443), and the header they start with.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	icmpHeader               = 8
)

// ping sends an echo request from src to dst at every turn; each one has to be answered.
func (tr *traffic) ping(src, dst string) {
	tr.c.t.Helper()
	for _, p := range tr.pairs(src, dst) {
		conn := tr.raw(p, true, "icmp")
		id := tr.nextID()
		w := &pings{tr: tr, p: p, waiting: map[uint64]time.Time{}}
		tr.unanswered.Add(1)
		tr.sinks.Go(func() { w.receive(conn, id) })
		tr.flows.Go(func() { w.send(conn, id) })
	}
}

// nextID is an ICMP identifier of one flow's own.
func (tr *traffic) nextID() uint16 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lastID++
	return tr.lastID
}

// raw opens a raw socket at one end of a pair, for one protocol of its family. It is closed when the generators have ended.
func (tr *traffic) raw(p pair, atSource bool, protocol string) *net.IPConn {
	tr.c.t.Helper()
	ns, addr := p.to, p.dst
	if atSource {
		ns, addr = p.from, p.src
	}
	network := map[string]string{"icmp": "ip4:1", "tcp": "ip4:6", "udp": "ip4:17"}[protocol]
	if addr.Is6() {
		network = map[string]string{"icmp": "ip6:58", "tcp": "ip6:6", "udp": "ip6:17"}[protocol]
	}
	var conn *net.IPConn
	err := ns.Do(func() (err error) {
		conn, err = net.ListenIP(network, &net.IPAddr{IP: addr.AsSlice()})
		return err
	})
	if err != nil {
		tr.c.t.Fatalf("raw socket of %s: %v", p.name, err)
	}
	_ = conn.SetReadBuffer(4 << 20) // a lost record is no lost packet
	tr.closers = append(tr.closers, func() { _ = conn.Close() })
	return conn
}

// lastAnswer is how long an answer may be on its way when its flow ends.
var lastAnswer = patience / 10

// pings is one flow of echo requests.
type pings struct {
	tr      *traffic
	p       pair
	mu      sync.Mutex
	waiting map[uint64]time.Time
}

// send asks at every turn, and in the end waits for the last answers.
func (w *pings) send(conn *net.IPConn, id uint16) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for n := uint64(1); w.tr.tick(ticker); n++ {
		w.mu.Lock()
		w.waiting[n] = time.Now()
		w.mu.Unlock()
		if _, err := conn.WriteToIP(echoRequest(w.p.dst, id, n), &net.IPAddr{IP: w.p.dst.AsSlice()}); err != nil {
			w.tr.fail("ping %d %s: %v", n, w.p.name, err)
		}
	}
	for deadline := time.Now().Add(lastAnswer); w.outstanding() > 0 && time.Now().Before(deadline); {
		time.Sleep(pace) // between polls
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 {
		first, last := span(w.waiting)
		w.tr.fail("ping %s: %d lost, sent from %s to %s after the start", w.p.name, len(w.waiting), first.Sub(w.tr.begun), last.Sub(w.tr.begun))
	}
}

func (w *pings) outstanding() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

func span(times map[uint64]time.Time) (first, last time.Time) {
	for _, at := range times {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return first, last
}

// receive ticks off the answers.
func (w *pings) receive(conn *net.IPConn, id uint16) {
	established := sync.OnceFunc(func() { w.tr.unanswered.Add(-1) })
	buf := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFromIP(buf)
		if err != nil {
			return
		}
		msg := buf[:n]
		if len(msg) < icmpHeader+8 || msg[0] != echoReply4 && msg[0] != echoReply6 || binary.BigEndian.Uint16(msg[4:]) != id {
			continue
		}
		w.mu.Lock()
		delete(w.waiting, binary.BigEndian.Uint64(msg[icmpHeader:]))
		w.mu.Unlock()
		w.tr.asked.Add(1)
		established()
	}
}

// established waits until every flow of pings has had an answer.
func (tr *traffic) established() {
	tr.c.t.Helper()
	tr.c.eventually("the first answers", func() error {
		if n := tr.unanswered.Load(); n > 0 {
			return fmt.Errorf("%d flows of pings had no answer yet", n)
		}
		return nil
	})
}

// echoRequest builds an echo request that carries n. The kernel fills in the checksum of ICMPv6 (RFC 3542, section 3.1).
func echoRequest(to netip.Addr, id uint16, n uint64) []byte {
	msg := make([]byte, icmpHeader, icmpHeader+8)
	binary.BigEndian.PutUint16(msg[4:], id)
	binary.BigEndian.PutUint16(msg[6:], uint16(n))
	msg = binary.BigEndian.AppendUint64(msg, n)
	msg[0] = echoRequest6
	if to.Is6() {
		return msg
	}
	msg[0] = echoRequest4
	var sum uint32
	for i := 0; i < len(msg); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(msg[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(msg[2:], ^uint16(sum))
	return msg
}

// denied tries to get from src to dst all the time, by new TCP connections, datagrams from new ports and pings. The destination's end
// listens to the wire: not one packet may arrive.
func (tr *traffic) denied(src, dst string) {
	tr.c.t.Helper()
	for _, p := range tr.pairs(src, dst) {
		tr.watch(p)
		tr.flow(p.from, "denied TCP "+p.name, func() error { return tr.dial(p, "tcp", 4*pace) })
		tr.flow(p.from, "denied UDP "+p.name, func() error { return tr.dial(p, "udp", pace) })
		conn, id := tr.raw(p, true, "icmp"), tr.nextID()
		tr.sinks.Go(func() { drain(conn) })
		tr.flow(p.from, "denied ping "+p.name, func() error {
			ticker := time.NewTicker(pace)
			defer ticker.Stop()
			for n := uint64(1); tr.tick(ticker); n++ {
				tr.tried.Add(1)
				_, _ = conn.WriteToIP(echoRequest(p.dst, id, n), &net.IPAddr{IP: p.dst.AsSlice()})
			}
			return nil
		})
	}
}

// drain reads what nobody wants to know.
func drain(conn *net.IPConn) {
	buf := make([]byte, 1500)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// dial makes one attempt after another, from a new port each time. An answer other than silence is noticed by the watcher of the
// destination, so errors mean nothing here.
func (tr *traffic) dial(p pair, network string, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	target := netip.AddrPortFrom(p.dst, servicePort).String()
	for n := uint64(1); tr.tick(ticker); n++ {
		tr.tried.Add(1)
		conn, err := net.DialTimeout(network, target, every)
		if err != nil {
			continue
		}
		_, _ = conn.Write(binary.BigEndian.AppendUint64(nil, n))
		_ = conn.Close()
	}
	return nil
}

// watch notes every packet that arrives at p's destination from a source that is banned.
func (tr *traffic) watch(p pair) {
	tr.c.t.Helper()
	tr.mu.Lock()
	tr.banned[[2]netip.Addr{p.src, p.dst}] = true
	known := tr.watched[p.dst]
	tr.watched[p.dst] = true
	tr.mu.Unlock()
	if known {
		return
	}
	for _, protocol := range []string{"icmp", "udp", "tcp"} {
		conn := tr.raw(p, false, protocol)
		tr.sinks.Go(func() { tr.listenFor(conn, p.dst, protocol) })
	}
}

// listenFor reads the raw packets of one protocol.
func (tr *traffic) listenFor(conn *net.IPConn, dst netip.Addr, protocol string) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromIP(buf)
		if err != nil {
			return
		}
		src, _ := netip.AddrFromSlice(from.IP)
		if isAttempt(protocol, buf[:n]) {
			tr.arrived(src.Unmap(), dst, protocol)
		}
	}
}

// isAttempt tells the first packet of a flow to us from answers to flows of our own.
func isAttempt(protocol string, msg []byte) bool {
	if protocol == "icmp" {
		return len(msg) >= icmpHeader && (msg[0] == echoRequest4 || msg[0] == echoRequest6)
	}
	return len(msg) >= 4 && binary.BigEndian.Uint16(msg[2:]) == servicePort
}

func (tr *traffic) arrived(src, dst netip.Addr, protocol string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if !tr.banned[[2]netip.Addr{src, dst}] {
		return
	}
	family := "IPv4"
	if dst.Is6() {
		family = "IPv6"
	}
	tr.seen[fmt.Sprintf("%s over %s", protocol, family)]++
	tr.opened = append(tr.opened, opening{protocol, time.Since(tr.begun)})
}
