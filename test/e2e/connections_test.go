// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
)

// silence is how long nothing may arrive until a flow counts as cut. Of flows with a packet every few milliseconds it says enough.
const silence = 300 * time.Millisecond

// talk is an established flow on which both sides send all the time, whatever arrives.
type talk struct {
	name    string
	arrived [2]atomic.Int64 // at the client, at the server
}

func (k *talk) arrivals() [2]int64 { return [2]int64{k.arrived[0].Load(), k.arrived[1].Load()} }

// talks opens a flow for each protocol and family from src to the service port of dst and waits until both sides have heard of each other.
func (tr *traffic) talks(src, dst string) (all []*talk) {
	tr.c.t.Helper()
	for _, p := range tr.pairs(src, dst) {
		for _, network := range []string{"tcp", "udp"} {
			k := &talk{name: network + " " + p.name}
			tr.converseBoth(k, network, p)
			all = append(all, k)
		}
	}
	for _, k := range all {
		tr.c.eventually(k.name+" is established", func() error {
			if n := k.arrivals(); n[0] < 10 || n[1] < 10 {
				return fmt.Errorf("%v messages have arrived", n)
			}
			return nil
		})
	}
	return all
}

// converseBoth connects two sockets of a pair's ends and keeps both sides sending.
func (tr *traffic) converseBoth(k *talk, network string, p pair) {
	tr.c.t.Helper()
	var client, server net.Conn
	accepted := make(chan error, 1)
	port := 7000 + tr.ports
	tr.ports++
	at := net.JoinHostPort(p.dst.String(), fmt.Sprint(port))
	err := p.to.Do(func() error {
		if network == "udp" {
			conn, err := net.ListenPacket(network, at)
			server = &peerConn{PacketConn: conn}
			accepted <- err
			return err
		}
		ln, err := net.Listen(network, at)
		if err != nil {
			return err
		}
		go func() {
			var err error
			server, err = ln.Accept()
			accepted <- errors.Join(err, ln.Close())
		}()
		return nil
	})
	err = errors.Join(err, p.from.Do(func() (err error) {
		client, err = net.DialTimeout(network, at, 2*time.Second)
		return err
	}))
	if err = errors.Join(err, <-accepted); err != nil {
		tr.c.t.Fatalf("%s: %v", k.name, err)
	}
	for side, conn := range []net.Conn{client, server} {
		tr.sinks.Go(func() { tr.hear(conn, &k.arrived[side]) })
		tr.flows.Go(func() { tr.speak(conn) })
	}
}

// hear counts what arrives until the traffic is over.
func (tr *traffic) hear(conn net.Conn, count *atomic.Int64) {
	defer context.AfterFunc(tr.over, func() { _ = conn.Close() })()
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) || tr.over.Err() != nil {
			return
		}
		count.Add(int64(n))
	}
}

// speak sends a byte at a time. That nothing takes them any more is no error here.
func (tr *traffic) speak(conn net.Conn) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for tr.tick(ticker) {
		_ = conn.SetWriteDeadline(time.Now().Add(pace))
		_, _ = conn.Write([]byte{0})
	}
}

// peerConn is the server's side of a UDP flow: it sends to whom it heard last.
type peerConn struct {
	net.PacketConn
	peer atomic.Pointer[net.Addr]
}

func (c *peerConn) Read(b []byte) (int, error) {
	n, from, err := c.ReadFrom(b)
	if err == nil {
		c.peer.Store(&from)
	}
	return n, err
}

func (c *peerConn) Write(b []byte) (int, error) {
	if to := c.peer.Load(); to != nil {
		return c.WriteTo(b, *to)
	}
	return 0, nil
}

func (c *peerConn) RemoteAddr() net.Addr { return nil }

// cut waits until nothing arrives any more on any of the flows, at either side.
func (c *cluster) cut(when string, talks ...*talk) {
	c.t.Helper()
	begun := time.Now()
	c.eventually(when+": cut", func() error {
		before := make([][2]int64, len(talks))
		for i, k := range talks {
			before[i] = k.arrivals()
		}
		time.Sleep(silence)
		for i, k := range talks {
			if after := k.arrivals(); after != before[i] {
				return fmt.Errorf("%s: bytes that arrived at client and server rose from %v to %v", k.name, before[i], after)
			}
		}
		return nil
	})
	c.t.Logf("%s: %d flows were cut within %s", when, len(talks), (time.Since(begun) - silence).Round(time.Millisecond))
}

// alive waits until something more arrives on all of the flows, at both sides.
func (c *cluster) alive(when string, talks ...*talk) {
	c.t.Helper()
	for _, k := range talks {
		before := k.arrivals()
		c.eventually(when+": "+k.name+" lives on", func() error {
			if after := k.arrivals(); after[0] <= before[0] || after[1] <= before[1] {
				return errors.New("nothing arrives")
			}
			return nil
		})
	}
}

// openTo allows everything into the database from workloads with some labels.
func openTo(from string) *v3.NetworkPolicy {
	p := protectDatabase()
	p.Spec.Ingress = []v3.Rule{{Action: v3.Allow, Source: &v3.EntityRule{Selector: from}}}
	return p
}

func existingConnections(mode string) *v3.FelixConfiguration {
	f := &v3.FelixConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "FelixConfiguration"}, ObjectMeta: v3.ObjectMeta{Name: "default"}}
	f.Spec.ExistingConnections = &mode
	return f
}

// TestConnectionsEndWithTheirPermission: a change of policy ends just the established flows that it denies, on the server's node and on
// the client's, though both sides go on sending; with existingConnections: Keep it ends none.
func TestConnectionsEndWithTheirPermission(t *testing.T) {
	c := up(t, "cut", 2)
	c.shop()
	c.apply(openTo("app in {'frontend', 'backend'}"))
	c.converge()
	tr := c.newTraffic()
	var frontends, backends []*talk
	for _, where := range []string{"near", "far"} {
		frontends = append(frontends, tr.talks("shop/frontend-"+where, "shop/database")...)
		backends = append(backends, tr.talks("shop/backend-"+where, "shop/database")...)
	}
	c.apply(openTo("app == 'backend'"))
	c.cut("a rule's selector changed", frontends...)
	c.alive("a rule's selector changed", backends...)

	c.apply(openTo("app in {'frontend', 'backend'}"))
	c.alive("allowed again", frontends...)

	quarantine := &v3.GlobalNetworkPolicy{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "GlobalNetworkPolicy"}, ObjectMeta: v3.ObjectMeta{Name: "quarantine"}}
	quarantine.Spec = v3.GlobalNetworkPolicySpec{Selector: "app == 'frontend'", Types: []v3.PolicyType{v3.Egress}}
	c.apply(quarantine)
	c.cut("the clients may not send", frontends...)
	c.alive("the clients may not send", backends...)

	c.apply(existingConnections("Keep"), openTo("app == 'nobody'"))
	c.converge()
	c.alive("with Keep", backends...)
	c.apply(existingConnections("Reevaluate"))
	c.cut("with Reevaluate", backends...)
	tr.end()
}

// TestConnectionsOfADamagedMoment opens denied connections while the policy table is gone and the agent cannot repair it: once it is back
// they end, whether the kernel has tracked them meanwhile (somebody else's rules want it to) or not; what was allowed before lives on.
func TestConnectionsOfADamagedMoment(t *testing.T) {
	c := up(t, "moment", 1)
	c.add("n1", "frontend", "frontend")
	c.add("n1", "backend", "backend")
	c.add("n1", "database", "database")
	c.apply(openTo("app == 'backend'"))
	c.converge()
	tr := c.newTraffic()
	allowed := tr.talks("shop/backend", "shop/database")
	for _, tracked := range []bool{false, true} {
		when := fmt.Sprintf("tracked meanwhile: %v", tracked)
		if tracked {
			c.nftIn("n1", "add table inet others; add chain inet others c; add rule inet others c ct state invalid counter")
		}
		before, err := c.status("n1")
		if err != nil {
			t.Fatal(err)
		}
		pid := c.pid("n1")
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		err = c.DeleteTable(t.Context(), "n1")
		denied := tr.talks("shop/frontend", "shop/database")
		if err := errors.Join(err, syscall.Kill(pid, syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		c.repaired("n1", dataplane, before.Dataplane.Repaired)
		if !tracked { // of UDP nobody can tell who opened it, and the server may send
			denied = slices.DeleteFunc(denied, func(k *talk) bool { return strings.HasPrefix(k.name, "udp") })
		}
		c.cut(when, denied...)
		c.alive(when, allowed...)
	}
	tr.end()
}

// nftIn gives nft commands in a member's namespace.
func (c *cluster) nftIn(member, commands string) {
	c.t.Helper()
	err := c.within(member, func() error {
		out, err := exec.CommandContext(c.t.Context(), "nft", commands).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
