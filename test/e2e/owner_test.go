// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// introduce answers each message to a place's port, TCP and UDP, with a name.
func (c *cluster) introduce(at place, port uint16, name string) {
	c.t.Helper()
	var ln net.Listener
	var packets net.PacketConn
	err := at.ns.Do(func() (err error) {
		if ln, err = net.Listen("tcp", at.port(port).String()); err == nil {
			packets, err = net.ListenPacket("udp", at.port(port).String())
		}
		return err
	})
	if err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	c.t.Cleanup(func() { _, _ = ln.Close(), packets.Close() })
	go func() {
		buf := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = packets.WriteTo([]byte(name), from)
			}
		}
	}()
	go accept(ln, func(conn net.Conn) {
		for buf := make([]byte, 64); ; {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			_, _ = conn.Write([]byte(name))
		}
	})
}

// accept serves each connection, and closes it then, until the listener is closed.
func accept(ln net.Listener, serve func(net.Conn)) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			serve(conn)
		}()
	}
}

// insist sends datagrams from one socket without a pause until the test is over, and returns who answered last.
func (c *cluster) insist(from place, to netip.AddrPort) func() string {
	c.t.Helper()
	conn := c.dial(from, "udp", to)
	var last atomic.Pointer[string]
	go func() {
		for buf := make([]byte, 64); ; {
			n, err := conn.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if name := string(buf[:n]); err == nil {
				last.Store(&name)
			}
		}
	}()
	go func() {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for range ticker.C {
			if _, err := conn.Write([]byte("who")); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}()
	return func() string {
		if name := last.Load(); name != nil {
			return *name
		}
		return ""
	}
}

func (c *cluster) dial(from place, network string, to netip.AddrPort) (conn net.Conn) {
	c.t.Helper()
	if err := from.ns.Do(func() (err error) { conn, err = net.DialTimeout(network, to.String(), patience/4); return err }); err != nil {
		c.t.Fatalf("%v asks %v by %s: %v", from.addr, to, network, err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// who asks at the other end of a connection for its name.
func who(conn net.Conn, limit time.Duration) (string, error) {
	buf := make([]byte, 64)
	err := conn.SetDeadline(time.Now().Add(limit))
	if err == nil {
		_, err = conn.Write([]byte("who"))
	}
	if err != nil {
		return "", err
	}
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

// clients are what a port's clients hold on to: an endless row of datagrams, and a connection.
type clients struct {
	datagrams func() string
	stream    net.Conn
}

func (c *cluster) clientsOf(from place, to netip.AddrPort) clients {
	return clients{c.insist(from, to), c.dial(from, "tcp", to)}
}

// served waits until datagrams reach their server, and asks for it on the connection.
func (c *cluster) served(when string, k clients, name string) {
	c.t.Helper()
	c.eventually(when+": datagrams to "+name, func() error {
		if got := k.datagrams(); got != name {
			return fmt.Errorf("%q answers", got)
		}
		return nil
	})
	if got, err := who(k.stream, patience/4); err != nil || got != name {
		c.t.Errorf("%s: %q answers on the connection, %v; want %s", when, got, err, name)
	}
}

// left fails unless the connection has ended, or nobody answers on it any more.
func (c *cluster) left(when string, k clients) {
	c.t.Helper()
	if got, err := who(k.stream, silence); err == nil {
		c.t.Errorf("%s: %q answers on the connection to the former owner", when, got)
	}
}

// TestHostPortsChangeHands: a host port whose workload is deleted and that another asks for at once leads to that one. The datagrams of a client that never
// pauses follow, a connection to the former owner does not go on, and a new one comes about.
func TestHostPortsChangeHands(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "owners", Nodes: 1, ToR: true})
	n1, outside := c.places("n1"), c.places(lab.External)
	ports := []lab.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostPort: 8080, ContainerPort: 80, Protocol: "udp"}}
	own := func(name string) {
		t.Helper()
		if _, err := c.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: name, Ports: ports}); err != nil {
			t.Fatal(err)
		}
		for _, at := range c.places("shop/" + name) {
			c.introduce(at, 80, name)
		}
	}
	for _, name := range natDrivers {
		c.apply(natConfig(name, func(*v3.FelixNAT) {}))
		c.drivenBy(name)
		c.converge()
		own("one")
		var all [2]clients
		for family := range all {
			all[family] = c.clientsOf(outside[family], n1[family].port(8080))
			c.served(name+", first", all[family], "one")
		}
		if err := c.DeleteWorkload(t.Context(), "shop/one"); err != nil {
			t.Fatal(err)
		}
		own("two")
		for family, k := range all {
			if got, err := who(c.dial(outside[family], "tcp", n1[family].port(8080)), patience/4); err != nil || got != "two" {
				t.Errorf("%s: %q answers on a new connection, %v; want two", name, got, err)
			}
			c.left(name, k)
			c.eventually(name+": datagrams to the new owner", func() error {
				if got := k.datagrams(); got != "two" {
					return fmt.Errorf("%q answers", got)
				}
				return nil
			})
		}
		if err := c.DeleteWorkload(t.Context(), "shop/two"); err != nil {
			t.Fatal(err)
		}
	}
}

// machine is a workload that no CNI runtime starts, as a virtual machine is: a link to n1 with addresses of its own, by family.
func (c *cluster) machine(link string, addrs [2]netip.Addr) [2]place {
	c.t.Helper()
	ns := netnstest.New(c.t)
	c.t.Cleanup(func() { _ = c.within("n1", func() error { return run(c.t, "ip", "link", "delete", link) }) })
	onNode := fmt.Sprintf(`set -e
ip link add %[1]s address ee:ee:ee:ee:ee:ee type veth peer name eth0 netns %[2]s
echo 1 > /proc/sys/net/ipv4/conf/%[1]s/proxy_arp
ip link set %[1]s up`, link, ns.Name())
	inside := fmt.Sprintf(`set -e
ip link set lo up
ip link set eth0 up
ip address add %s dev eth0
ip address add %s dev eth0 nodad
ip route add 169.254.1.1 dev eth0
ip route add default via 169.254.1.1
ip -6 route add default via fe80::ecee:eeff:feee:eeee dev eth0`, addrs[0], addrs[1])
	err := c.within("n1", func() error { return run(c.t, "bash", "-c", onNode) })
	if err == nil {
		err = ns.Do(func() error { return run(c.t, "bash", "-c", inside) })
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return [2]place{{ns, addrs[0]}, {ns, addrs[1]}}
}

// declared is the endpoint of a machine.
const declared = `
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-libvirt-%[1]s-eth0, namespace: shop, labels: {app: machine}}
spec:
  node: n1
  orchestrator: libvirt
  workload: %[1]s
  endpoint: eth0
  interfaceName: cali%[1]s
  ipNetworks: [%[2]v/32, %[3]v/128]
  profiles: [projectcalico-default-allow]
  ports: %[4]s
`

// guarded puts a host endpoint at the uplink of n1, whose policy before translation lets a port in from one node alone.
const guarded = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1-uplink, labels: {role: edge}}
spec: {node: n1, interfaceName: eth0, profiles: [projectcalico-default-allow]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: port-8080}
spec:
  selector: role == 'edge'
  preDNAT: true
  applyOnForward: true
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {nets: [%s]}, destination: {ports: [8080]}}
  - {action: Allow, protocol: TCP, source: {nets: [%s]}, destination: {ports: [8080]}}
  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}
  - {action: Allow}
`

// TestExposedByHand: ports of a node lead to workloads that somebody declares, with no CNI runtime, from other nodes and from outside; edited objects move a
// port from one to the other; the policy of a host endpoint judges before the translation.
func TestExposedByHand(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "byhand", Nodes: 2, ToR: true})
	c.add("n2", "pod", "pod")
	machines := map[string][2]netip.Addr{
		"one": {netip.MustParseAddr("10.65.201.1"), netip.MustParseAddr("fd65::c9:1")},
		"two": {netip.MustParseAddr("10.65.201.2"), netip.MustParseAddr("fd65::c9:2")},
	}
	for name, addrs := range machines {
		for _, at := range c.machine("cali"+name, addrs) {
			c.introduce(at, 80, name)
		}
	}
	declare := func(owner string) {
		t.Helper()
		for name, addrs := range machines {
			ports := "[]"
			if name == owner {
				ports = "[{protocol: TCP, port: 80, hostPort: 8080}, {protocol: UDP, port: 80, hostPort: 8080}]"
			}
			c.manifest(fmt.Sprintf(declared, name, addrs[0], addrs[1], ports))
		}
	}
	n1, n2, pod, outside := c.places("n1"), c.places("n2"), c.places("shop/pod"), c.places(lab.External)
	for _, name := range natDrivers {
		c.apply(natConfig(name, func(*v3.FelixNAT) {}))
		c.drivenBy(name)
		declare("one")
		var all []clients
		for family := range n1 {
			for _, from := range [][2]place{outside, n2, pod} {
				k := c.clientsOf(from[family], n1[family].port(8080))
				c.served(name+", first", k, "one")
				all = append(all, k)
			}
		}
		declare("two")
		for i, k := range all {
			c.left(name, k)
			from, to := [][2]place{outside, n2, pod}[i%3][i/3], n1[i/3].port(8080)
			k.stream = c.dial(from, "tcp", to)
			c.served(name+", moved", k, "two")
		}
		c.manifest(fmt.Sprintf(guarded, n2[0].addr, n2[1].addr))
		for family := range n1 {
			to := n1[family].port(8080)
			if got, err := who(c.dial(n2[family], "tcp", to), patience/4); err != nil || got != "two" {
				t.Errorf("%s: %q answers whom the host endpoint lets in, %v; want two", name, got, err)
			}
			if err := outside[family].ns.Do(func() error {
				conn, err := net.DialTimeout("tcp", to.String(), refused)
				if err == nil {
					_ = conn.Close()
				}
				return err
			}); err == nil {
				t.Errorf("%s: %v gets through the policy before translation", name, outside[family].addr)
			}
		}
		c.remove(c.objects(fmt.Sprintf(guarded, n2[0].addr, n2[1].addr)))
	}
}
