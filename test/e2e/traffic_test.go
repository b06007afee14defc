// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
)

// pace is the pause between two packets of a flow: short against any step of an agent, and slow enough for a busy machine. In an emulated one
// the agents take as much longer, and would get no turn beside more packets.
var pace = map[bool]time.Duration{false: 5 * time.Millisecond, true: 40 * time.Millisecond}[slow]

// servicePort is what the database listens on, and what the policies of these tests are about.
const servicePort = 5432

// traffic is packets that flow without a break while a test does its worst. Every flow has a log of what went wrong; finish reports.
type traffic struct {
	c       *cluster
	ctx     context.Context // ends the generators
	stop    context.CancelFunc
	over    context.Context // ends the servers' connections, once the generators have ended
	close   context.CancelFunc
	flows   sync.WaitGroup // generators
	sinks   sync.WaitGroup // receivers, which end later
	closers []func()
	begun   time.Time
	asked   atomic.Int64 // packets, exchanges and connections of allowed flows
	tried   atomic.Int64 // attempts of denied flows
	// unanswered counts the flows of pings that had no answer yet.
	unanswered atomic.Int64

	mu     sync.Mutex
	wrong  []string
	total  int
	lastID uint16
	ports  int // of talks, counted
	// handshake is what a new connection may take by the clock, which leaves out what the machine takes. A lost SYN is sent again after a
	// second (RFC 6298): the default is less.
	handshake    time.Duration
	answer       time.Duration // what the answer to a message may take: one that is lost is sent again within a fraction of it
	clock        *metronome
	opened       []opening
	spaces       map[string]*netns.NS
	served, sunk map[netip.AddrPort]bool
	watched      map[netip.Addr]bool
	banned       map[[2]netip.Addr]bool // source and destination between which nothing may pass
	seen         map[string]int         // denied packets that arrived, by protocol and family
}

// opening is a denied packet that arrived, and when, counted from the start of the traffic.
type opening struct {
	protocol string
	at       time.Duration
}

// newTraffic starts nothing yet. What still flows at the end of the test is stopped then.
func (c *cluster) newTraffic() *traffic {
	ctx, stop := context.WithCancel(context.Background())
	over, end := context.WithCancel(context.Background())
	tr := &traffic{
		c: c, ctx: ctx, stop: stop, over: over, close: end, begun: time.Now(), spaces: map[string]*netns.NS{}, served: map[netip.AddrPort]bool{}, sunk: map[netip.AddrPort]bool{},
		watched: map[netip.Addr]bool{}, banned: map[[2]netip.Addr]bool{}, seen: map[string]int{},
		lastID: uint16(rand.Uint32()), handshake: 700 * time.Millisecond, answer: time.Second,
	}
	c.t.Cleanup(tr.end)
	tr.clock = tr.beats()
	return tr
}

// end stops everything; more than once is harmless.
func (tr *traffic) end() {
	tr.stop()
	tr.flows.Wait()
	for _, c := range tr.closers {
		c()
	}
	tr.closers = nil
	tr.close()
	tr.sinks.Wait()
	for _, ns := range tr.spaces {
		_ = ns.Close()
	}
	clear(tr.spaces)
}

// finish stops the traffic and fails the test for every allowed packet that was lost and every denied one that was seen.
func (tr *traffic) finish(when string) {
	tr.c.t.Helper()
	tr.end()
	tr.report(when)
	for i, o := range tr.opened {
		tr.c.t.Errorf("%s: %d denied packets passed (%v), the first at %s, this one at %s", when, len(tr.opened), tr.seen, tr.opened[0].at, o.at)
		if i == 4 {
			break
		}
	}
}

// report fails the test for what allowed flows lost, and says how much there was.
func (tr *traffic) report(when string) {
	tr.c.t.Helper()
	for _, w := range tr.wrong {
		tr.c.t.Errorf("%s: %s", when, w)
	}
	if tr.total > len(tr.wrong) {
		tr.c.t.Errorf("%s: %d such errors in all", when, tr.total)
	}
	tr.c.t.Logf("%s: %d allowed exchanges, %d denied attempts in %s", when, tr.asked.Load(), tr.tried.Load(), time.Since(tr.begun).Round(time.Millisecond))
}

// fail notes what went wrong; only the first few are kept.
func (tr *traffic) fail(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.total++
	if len(tr.wrong) < 10 {
		at := time.Since(tr.begun).Round(time.Millisecond)
		tr.wrong = append(tr.wrong, fmt.Sprintf("at %s: ", at)+fmt.Sprintf(format, args...))
	}
}

// member returns the open namespace of a member and its addresses.
func (tr *traffic) member(name string) (*netns.NS, []netip.Addr) {
	tr.c.t.Helper()
	ns := tr.spaces[name]
	if ns == nil {
		var err error
		if ns, err = tr.c.Namespace(name); err != nil {
			tr.c.t.Fatal(err)
		}
		tr.spaces[name] = ns
	}
	if name == lab.External {
		addrs, err := globalAddrs(ns)
		if err != nil {
			tr.c.t.Fatal(err)
		}
		return ns, addrs
	}
	w, err := tr.c.Workload(name)
	if err != nil {
		tr.c.t.Fatal(err)
	}
	return ns, w.Addresses
}

// globalAddrs lists the addresses of the uplink inside a namespace.
func globalAddrs(ns *netns.NS) ([]netip.Addr, error) {
	var out []netip.Addr
	err := ns.Do(func() error {
		link, err := net.InterfaceByName(lab.Uplink)
		if err != nil {
			return err
		}
		addrs, err := link.Addrs()
		for _, a := range addrs {
			p, perr := netip.ParsePrefix(a.String())
			if perr == nil && p.Addr().IsGlobalUnicast() {
				out = append(out, p.Addr())
			}
		}
		return err
	})
	return out, err
}

// pair is one direction between two members in one family.
type pair struct {
	name     string
	from, to *netns.NS
	src, dst netip.Addr
}

// pairs returns a pair for each family that both members have.
func (tr *traffic) pairs(src, dst string) []pair {
	tr.c.t.Helper()
	from, sources := tr.member(src)
	to, destinations := tr.member(dst)
	var out []pair
	for _, s := range sources {
		for _, d := range destinations {
			if s.Is4() == d.Is4() {
				out = append(out, pair{fmt.Sprintf("%s -> %s (%s)", src, dst, d), from, to, s, d})
			}
		}
	}
	if len(out) == 0 {
		tr.c.t.Fatalf("%s and %s have no family in common", src, dst)
	}
	return out
}

// flow runs a generator inside a namespace until the traffic stops.
func (tr *traffic) flow(ns *netns.NS, name string, run func() error) {
	tr.flows.Go(func() {
		if err := ns.Do(run); err != nil {
			tr.fail("%s: %v", name, err)
		}
	})
}

// tick waits for the next turn; false means stop.
func (tr *traffic) tick(t *time.Ticker) bool {
	select {
	case <-tr.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// stream keeps one TCP connection from src to dst busy with numbered messages, each of which has to come back, in order.
func (tr *traffic) stream(src, dst string) {
	tr.c.t.Helper()
	for _, p := range tr.pairs(src, dst) {
		target := tr.listen(p).String()
		ready := make(chan struct{})
		tr.flow(p.from, "stream "+p.name, func() error {
			conn, err := net.DialTimeout("tcp", target, 2*time.Second)
			close(ready)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			return tr.converse(conn)
		})
		<-ready
	}
}

// converse sends numbers and checks their echoes until the traffic stops.
func (tr *traffic) converse(conn net.Conn) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	var sent, got [8]byte
	for n := uint64(1); tr.tick(ticker); n++ {
		binary.BigEndian.PutUint64(sent[:], n)
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := conn.Write(sent[:]); err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		asked := time.Now()
		if _, err := io.ReadFull(conn, got[:]); err != nil {
			return fmt.Errorf("echo %d: %w", n, err)
		}
		if got != sent {
			return fmt.Errorf("echo %d came back as %d", n, binary.BigEndian.Uint64(got[:]))
		}
		if took := tr.clock.took(asked); took > tr.answer {
			return fmt.Errorf("echo %d took %s: packets were lost", n, took)
		}
		tr.asked.Add(1)
	}
	return nil
}

// connects opens a new TCP connection from src to dst on the service port again and again: each has to be let in at its first SYN.
func (tr *traffic) connects(src, dst string) {
	tr.c.t.Helper()
	for _, p := range tr.pairs(src, dst) {
		target := tr.listen(p).String()
		tr.flow(p.from, "connects "+p.name, func() error {
			ticker := time.NewTicker(pace)
			defer ticker.Stop()
			for tr.tick(ticker) {
				begun := time.Now()
				conn, err := net.DialTimeout("tcp", target, tr.handshake+patience)
				if err != nil {
					tr.fail("new connection %s: %v", p.name, err)
					continue
				}
				if took := tr.clock.took(begun); took > tr.handshake {
					tr.fail("new connection %s took %s: packets were lost", p.name, took)
				}
				tr.asked.Add(1)
				_ = conn.(*net.TCPConn).SetLinger(0) // no TIME-WAIT: the ports are needed again
				_ = conn.Close()
			}
			return nil
		})
	}
}

// listen serves TCP on the service port of p's destination, once.
func (tr *traffic) listen(p pair) netip.AddrPort {
	tr.c.t.Helper()
	at := netip.AddrPortFrom(p.dst, servicePort)
	if tr.served[at] {
		return at
	}
	tr.served[at] = true
	var ln net.Listener
	err := p.to.Do(func() (err error) {
		ln, err = net.Listen("tcp", at.String())
		return err
	})
	if err != nil {
		tr.c.t.Fatal(err)
	}
	tr.closers = append(tr.closers, func() { _ = ln.Close() })
	tr.sinks.Go(func() { tr.serve(ln) })
	return at
}

// serve sends everything back that connections bring.
func (tr *traffic) serve(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		tr.sinks.Go(func() {
			defer context.AfterFunc(tr.over, func() { _ = conn.Close() })()
			defer func() { _ = conn.Close() }()
			_, _ = io.Copy(conn, conn)
		})
	}
}

// long says whether the tests may take their time.
func long() bool { return os.Getenv("WEFT_LONG") != "" }

// rounds chooses between the number of repetitions of the short form and of the long one.
func rounds(short, full int) int {
	if long() {
		return full
	}
	return short
}

// during runs do while the cluster carries traffic, and judges the traffic afterwards.
func (c *cluster) during(when string, fill func(*traffic), do func()) {
	c.t.Helper()
	tr := c.newTraffic()
	fill(tr)
	do()
	tr.finish(when)
}

// TestTrafficIsWatched turns the traffic round: without a policy the "denied" flows have to be seen, and with one pings have to be missed. A detector that is blind proves nothing.
func TestTrafficIsWatched(t *testing.T) {
	c := up(t, "detector", 1)
	c.add("n1", "frontend", "frontend")
	c.add("n1", "database", "database")
	c.converge()
	tr := c.newTraffic()
	tr.denied("shop/frontend", "shop/database")
	seen := func() error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for _, proto := range []string{"icmp", "udp", "tcp"} {
			for _, family := range []string{"IPv4", "IPv6"} {
				if tr.seen[proto+" over "+family] == 0 {
					return fmt.Errorf("no %s packet over %s was seen", proto, family)
				}
			}
		}
		return nil
	}
	c.eventually("open flows are noticed", seen)
	c.apply(isolated())
	c.converge()
	tr.ping("shop/database", "shop/frontend")
	before := tr.tried.Load()
	c.eventually("pings go out", func() error {
		if tr.tried.Load() < before+50 {
			return errors.New("not many yet")
		}
		return nil
	})
	tr.end()
	if tr.total == 0 {
		t.Error("pings into a workload that policy isolates were not missed")
	}
}
