// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/weftnet/weft/sys/netns"
)

// makeUnderlay makes the network that the machines share: a bridge in the first one, which is the gateway of the others.
func (c *Cluster) makeUnderlay(t testing.TB) {
	t.Helper()
	c.control.ip(t, "link", "add", "br0", "type", "bridge")
	c.control.address(t, "br0")
}

// plug links a machine, which calls the link eth0, to the bridge.
func (c *Cluster) plug(t testing.TB, m *machine) {
	t.Helper()
	port := "port" + strconv.Itoa(m.pid)
	c.control.ip(t, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", m.name)
	c.control.ip(t, "link", "set", port, "master", "br0", "up")
	m.address(t, "eth0")
	m.ip(t, "route", "add", "default", "via", c.control.v4.String())
	m.ip(t, "-6", "route", "add", "default", "via", c.control.v6.String())
}

// Route leads addresses to a node, for what is outside the cluster.
func (c *Cluster) Route(t testing.TB, to string, n *Node) {
	t.Helper()
	c.control.ip(t, "route", "add", to, "via", n.v4.String())
}

// Outside gives the machine that is the nodes' gateway, and outside the cluster, addresses, leads from there to pods, and opens its namespace until the
// end of the test.
func (c *Cluster) Outside(t testing.TB, addrs []netip.Addr, pods []Pod) *netns.NS {
	t.Helper()
	for _, a := range addrs {
		c.control.ip(t, "address", "replace", netip.PrefixFrom(a, a.BitLen()).String(), "dev", "lo", "nodad")
	}
	for _, p := range pods {
		for _, a := range p.Addrs {
			c.control.ip(t, "route", "replace", a.String(), "via", c.gateway(t, p.Node, a.Is6()))
		}
	}
	ns, err := netns.Open(c.control.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}

// gateway is the address of a family that a node has.
func (c *Cluster) gateway(t testing.TB, node string, six bool) string {
	t.Helper()
	for _, n := range c.Nodes {
		switch {
		case n.Name == node && six:
			return n.v6.String()
		case n.Name == node:
			return n.v4.String()
		}
	}
	t.Fatalf("there is no node %s", node)
	return ""
}

// Listen listens outside the cluster, on an address and port, until the test ends.
func (c *Cluster) Listen(t testing.TB, at string) (listener net.Listener) {
	t.Helper()
	ns, err := netns.Open(c.control.name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	if err := ns.Do(func() (err error) { listener, err = net.Listen("tcp", at); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// address gives a device the addresses of a machine and sets it up.
func (m *machine) address(t testing.TB, device string) {
	t.Helper()
	m.ip(t, "address", "add", m.v4.String()+"/24", "dev", device)
	m.ip(t, "address", "add", m.v6.String()+"/64", "dev", device, "nodad")
	m.ip(t, "link", "set", device, "up")
}

// ip runs ip(8) in the network of a machine.
func (m *machine) ip(t testing.TB, args ...string) {
	t.Helper()
	run(t, append([]string{"ip", "-n", m.name}, args...)...)
}
