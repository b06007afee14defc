// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
)

// newcomers is how many workloads start at once.
const newcomers = 20

// helloPort is none that the matrix uses.
const helloPort = 6000

// Payloads of the newcomers' datagrams: what policy allows, and what it does not.
const (
	toAllowed uint16 = iota + 1
	toForbidden
)

// TestFirstPackets attaches many workloads in parallel. Each sends to a forbidden peer from before its interface exists, and once to an
// allowed one as soon as ADD has answered: the allowed packet arrives, though UDP never sends it again, and the others never do.
func TestFirstPackets(t *testing.T) {
	c := up(t, "first", 2)
	c.add("n1", "open", "open")
	c.add("n2", "closed", "closed")
	c.apply(newcomersPolicy())
	c.converge()
	allowed, closed := c.notice("shop/open", toAllowed), c.notice("shop/closed", toForbidden)
	var group sync.WaitGroup
	for i := range newcomers {
		group.Go(func() { c.firstPackets(fmt.Sprintf("new%d", i), c.Nodes()[i%2], allowed.addrs, closed.addrs) })
	}
	group.Wait()
	c.eventually("first packets", func() error {
		if got := allowed.senders(); got != 2*newcomers {
			return fmt.Errorf("%d of %d arrived", got, 2*newcomers)
		}
		return nil
	})
	if got := closed.senders(); got > 0 {
		t.Errorf("packets of %d senders reached the forbidden peer", got)
	}
	m, err := c.Matrix(t.Context(), []string{"shop/open", "shop/closed", "shop/new0", "shop/new1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range m.Mismatches() {
		t.Errorf("%s is %s, expected %s: %s", cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
}

// newcomersPolicy lets newcomers out to the open peer by UDP, and nowhere else.
func newcomersPolicy() *v3.NetworkPolicy {
	p := isolated()
	p.Name = "newcomers"
	udp := intstr.FromString("UDP")
	p.Spec.Selector, p.Spec.Types = "app == 'new'", []v3.PolicyType{v3.Egress}
	p.Spec.Egress = []v3.Rule{{Action: v3.Allow, Protocol: &udp, Destination: &v3.EntityRule{Selector: "app == 'open'"}}}
	return p
}

// firstPackets attaches one workload and sends its packets.
func (c *cluster) firstPackets(name, node string, allowed, forbidden []netip.Addr) {
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- keepTrying("weft-first-shop."+name, forbidden, stop) }()
	_, err := c.AddWorkload(c.t.Context(), lab.Workload{Node: node, Namespace: "shop", Name: name, Labels: map[string]string{"app": "new"}})
	if err != nil {
		c.t.Errorf("%s: %v", name, err)
	} else if err := netns.DoNamed("weft-first-shop."+name, func() error { return sendTo(allowed, toAllowed) }); err != nil {
		c.t.Errorf("%s: first packet: %v", name, err)
	}
	time.Sleep(20 * time.Millisecond) // the forbidden packets go on for a while
	close(stop)
	if err := <-stopped; err != nil {
		c.t.Errorf("%s: %v", name, err)
	}
}

// keepTrying sends to the forbidden peer from the moment on when the workload's namespace exists, long before it has an address.
func keepTrying(namespace string, to []netip.Addr, stop <-chan struct{}) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	var last error
	sent := false
	for {
		select {
		case <-stop:
			if !sent {
				return fmt.Errorf("nothing could be sent to the forbidden peer: %w", last)
			}
			return nil
		case <-ticker.C:
		}
		last = netns.DoNamed(namespace, func() error { return sendTo(to, toForbidden) })
		sent = sent || last == nil
	}
}

// sendTo sends a datagram to each address from the calling thread's namespace.
func sendTo(addrs []netip.Addr, what uint16) error {
	for _, a := range addrs {
		conn, err := net.Dial("udp", netip.AddrPortFrom(a, helloPort).String())
		if err != nil {
			return err
		}
		_, err = conn.Write(binary.BigEndian.AppendUint16(nil, what))
		_ = conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// noticer collects who sent datagrams to a workload.
type noticer struct {
	addrs []netip.Addr
	mu    sync.Mutex
	from  map[netip.Addr]bool
}

func (n *noticer) senders() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.from)
}

// notice receives one kind of datagram at a workload until the test ends.
func (c *cluster) notice(key string, what uint16) *noticer {
	c.t.Helper()
	w, err := c.Workload(key)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &noticer{addrs: w.Addresses, from: map[netip.Addr]bool{}}
	for _, a := range w.Addresses {
		var conn *net.UDPConn
		err := c.within(key, func() (err error) {
			conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, helloPort)))
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); n.receive(conn, what) }()
		c.t.Cleanup(func() { _ = conn.Close(); <-done })
	}
	return n
}

func (n *noticer) receive(conn *net.UDPConn, what uint16) {
	buf := make([]byte, 64)
	for {
		size, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if size == 2 && binary.BigEndian.Uint16(buf) == what {
			n.mu.Lock()
			n.from[from.Addr().Unmap()] = true
			n.mu.Unlock()
		}
	}
}
