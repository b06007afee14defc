// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netlink"
)

// mute drops all ICMP of the underlay.
const mute = `
table bridge weft_lab_mute {
  chain forward {
    type filter hook forward priority 0
    meta protocol ip ip protocol icmp drop
    meta protocol ip6 icmpv6 type { 1, 2, 3, 4, 128, 129 } drop
  }
}
table inet weft_lab_mute {
  chain forward {
    type filter hook forward priority 0
    ip protocol icmp drop
    icmpv6 type { 1, 2, 3, 4, 128, 129 } drop
  }
  chain output {
    type filter hook output priority 0
    ip protocol icmp drop
    icmpv6 type { 1, 2, 3, 4, 128, 129 } drop
  }
}
`

// TestNarrowPathWithoutICMP: the way to one node takes less than every link says, and nobody says so. What one workload sends another arrives all
// the same, plainly and in VXLAN.
func TestNarrowPathWithoutICMP(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "narrow", Nodes: 2, Subnets: 2})
	c.add("n1", "frontend", "frontend")
	c.add("n2", "database", "database")
	c.converge()
	c.nftIn("tor", mute)
	const narrow = 1400
	c.setMTU("tor", "to-n2", narrow)
	for _, node := range c.Nodes() { // paths are measured at the start, and from time to time
		c.crash(node)
	}
	c.converged()
	c.eventuallyMTU("direct", narrow, 0)
	c.transfers("plainly", "shop/frontend", "shop/database")
	c.encapsulate(v3.EncapAlways)
	c.converged()
	c.eventuallyMTU("vxlan.calico", narrow-50, 1450)
	c.transfers("in VXLAN", "shop/frontend", "shop/database")
}

// converged waits for the cluster's own account: ICMP is of no use here.
func (c *cluster) converged() {
	c.t.Helper()
	if err := c.Converge(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) setMTU(member, link string, size int) {
	c.t.Helper()
	ns, err := c.Namespace(member)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	links, err := netlink.Open(ns)
	if err != nil {
		c.t.Fatal(err)
	}
	defer links.Close()
	l, err := links.Link(link)
	if err == nil {
		err = links.SetMTU(l.Index, size)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// eventuallyMTU waits until a way between both nodes is known to take size; computed, unless 0, is what the links promise.
func (c *cluster) eventuallyMTU(path string, size, computed int) {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.eventually("MTU of "+path+" on "+node, func() error {
			sizes, err := c.Agent(node).MTUs(c.t.Context())
			if err != nil {
				return err
			}
			for _, p := range sizes.Paths {
				// A virtual link takes a VLAN tag's four bytes more than it says.
				if p.Path == path && p.MTU >= size && p.MTU <= size+4 && p.Probed == p.MTU && (computed == 0 || p.Computed == computed) {
					return nil
				}
			}
			return fmt.Errorf("%+v", sizes)
		})
	}
}

// transfers sends a megabyte each way between two workloads, in each family that they have.
func (c *cluster) transfers(how, one, other string) {
	c.t.Helper()
	for _, pair := range [][2]string{{one, other}, {other, one}} {
		to, err := c.Workload(pair[1])
		if err != nil {
			c.t.Fatal(err)
		}
		for _, addr := range to.Addresses {
			c.eventually(how+" "+pair[0]+" to "+addr.String(), func() error { return c.transfer(pair[0], pair[1], addr) })
		}
	}
}

func (c *cluster) transfer(from, to string, addr netip.Addr) error {
	const megabyte = 1 << 20
	receiver, err := c.Namespace(to)
	if err != nil {
		return err
	}
	defer func() { _ = receiver.Close() }()
	sender, err := c.Namespace(from)
	if err != nil {
		return err
	}
	defer func() { _ = sender.Close() }()
	var listener net.Listener
	err = receiver.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(addr, 5001).String())
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	came := make(chan error, 1)
	go func() { came <- echo(listener) }()
	var conn net.Conn
	err = sender.Do(func() (err error) { conn, err = net.DialTimeout("tcp", listener.Addr().String(), patience); return err })
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent := bytes.Repeat([]byte("weft"), megabyte/4)
	go func() { _, _ = conn.Write(sent) }() // what is missing shows below
	back := make([]byte, megabyte)
	if _, err := io.ReadFull(conn, back); err != nil {
		return fmt.Errorf("a megabyte there and back: %w", err)
	}
	if !bytes.Equal(sent, back) {
		return errors.New("something else came back")
	}
	return errors.Join(conn.Close(), <-came)
}

// echo sends back what one connection brings.
func echo(l net.Listener) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(conn, conn)
	return errors.Join(err, conn.Close())
}

// TestUnderlayMTUChanges: workloads that run follow the links of their host.
func TestUnderlayMTUChanges(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "resize", Nodes: 2})
	c.add("n1", "frontend", "frontend")
	c.add("n2", "backend", "backend")
	c.converge()
	for _, size := range []int{1400, 1500} {
		for _, node := range c.Nodes() {
			c.setMTU(node, lab.Uplink, size)
		}
		c.eventually(fmt.Sprintf("workloads of %d", size), func() error {
			for _, workload := range []string{"shop/frontend", "shop/backend"} {
				if got, err := c.mtuInside(workload); err != nil || got != size {
					return fmt.Errorf("%s has %d, %w", workload, got, err)
				}
			}
			return nil
		})
		c.transferOnce("shop/frontend", "shop/backend")
	}
}

func (c *cluster) transferOnce(from, to string) {
	c.t.Helper()
	w, err := c.Workload(to)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.transfer(from, to, w.Addresses[0]); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) mtuInside(workload string) (int, error) {
	ns, err := c.Namespace(workload)
	if err != nil {
		return 0, err
	}
	defer func() { _ = ns.Close() }()
	links, err := netlink.Open(ns)
	if err != nil {
		return 0, err
	}
	defer links.Close()
	l, err := links.Link("eth0")
	return l.MTU, err
}
