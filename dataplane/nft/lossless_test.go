// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
)

// TestComingAndGoingLosesNothing programs a large table and removes it again while new flows of an allowed kind pass, from a workload's own address
// and from one of its prefixes: each gets through by its first packet, whatever moment of a transaction it meets.
func TestComingAndGoingLosesNothing(t *testing.T) {
	p := newPath(t)
	ip(t, p.a, "addr add 10.66.0.1/32 dev eth0")
	ip(t, p.router, "route add 10.66.0.0/24 dev cali1")
	d := openDriver(t, p.router, Options{Plain: true}) // many objects: long transactions
	const policies = 500
	view := inFront(t, policies)
	for e := range view.Endpoints() {
		if e.Interface == "cali1" {
			e.SpoofPrefixes = prefixes("10.66.0.0/24")
		}
	}
	last := desired.IPSetChange{ID: rule.SetID(fmt.Sprintf("s%d", policies-1)), Added: []desired.Member{{Prefix: prefix("10.66.0.1")}}}
	check(t, view.Apply(&desired.Delta{IPSets: []desired.IPSetChange{last}}))
	flows := newArrivals(t, p, "10.65.0.1", "10.66.0.1")
	for range 5 {
		apply(t, d, view, nil)
		flows.more(t)
		check(t, d.Remove(t.Context()))
		flows.more(t)
	}
	flows.end(t)
}

// arrivals is a stream of datagrams from one end of a path to the other, each from a new port.
type arrivals struct {
	sent, arrived atomic.Int64
	stop, done    chan struct{}
	server        *net.UDPConn
}

func newArrivals(t *testing.T, p *path, sources ...string) *arrivals {
	t.Helper()
	a := &arrivals{stop: make(chan struct{}), done: make(chan struct{})}
	to := netip.MustParseAddrPort("10.65.0.2:5432")
	check(t, p.b.Do(func() (err error) {
		a.server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
		return err
	}))
	check(t, a.server.SetReadBuffer(4<<20))
	go a.receive()
	go a.send(t, p.a, net.UDPAddrFromAddrPort(to), sources)
	return a
}

func (a *arrivals) receive() {
	buf := make([]byte, 64)
	for {
		if _, err := a.server.Read(buf); err != nil {
			return
		}
		a.arrived.Add(1)
	}
}

func (a *arrivals) send(t *testing.T, from *netns.NS, to *net.UDPAddr, sources []string) {
	defer close(a.done)
	err := from.Do(func() error {
		for n := 0; ; n++ {
			select {
			case <-a.stop:
				return nil
			default:
			}
			conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(sources[n%len(sources)])}, to)
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte("datagram"))
			if err := errors.Join(err, conn.Close()); err != nil {
				return err
			}
			a.sent.Add(1)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// more waits until some more have been sent.
func (a *arrivals) more(t *testing.T) {
	t.Helper()
	for until := a.sent.Load() + 1000; a.sent.Load() < until; {
		select {
		case <-a.done:
			t.Fatal("the sender has ended")
		case <-time.After(time.Millisecond): // between polls
		}
	}
}

// end fails the test for every datagram that did not arrive.
func (a *arrivals) end(t *testing.T) {
	t.Helper()
	close(a.stop)
	<-a.done
	for deadline := time.Now().Add(5 * time.Second); a.arrived.Load() < a.sent.Load() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // between polls
	}
	check(t, a.server.Close())
	if lost := a.sent.Load() - a.arrived.Load(); lost != 0 {
		t.Errorf("%d of %d datagrams were lost", lost, a.sent.Load())
	}
}
