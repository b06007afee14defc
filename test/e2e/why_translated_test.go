// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/why"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/netns"
	sysprobe "github.com/weftnet/weft/sys/probe"
)

// exposedPolicy lets clients and the outside to TCP port 80 of shop/web alone and clients to port 81 of UDP and SCTP, and careful clients to that TCP port and nowhere else.
const exposedPolicy = `
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {selector: app == 'web', types: [Ingress], ingress: [
  {action: Allow, protocol: TCP, source: {selector: app == 'client'}, destination: {ports: [80]}},
  {action: Allow, protocol: UDP, source: {selector: app == 'client'}, destination: {ports: [81]}},
  {action: Allow, protocol: SCTP, source: {selector: app == 'client'}, destination: {ports: [81]}},
  {action: Allow, protocol: TCP, source: {nets: [%s/32]}, destination: {ports: [80]}},
  {action: Allow, protocol: TCP, source: {nets: [%s/128]}, destination: {ports: [80]}}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: careful, namespace: shop}, spec: {selector: has(careful), types: [Egress], egress: [
  {action: Allow, protocol: TCP, destination: {selector: app == 'web', ports: [80]}}]}}
`

// way is how a client gets to shop/web.
type way struct {
	name string
	to   [2]netip.AddrPort // by family
	port uint16            // of the workload
	by   probe.Protocol
}

// TestWhyTranslated connects to a workload by its own address, its floating IP and ports of its node that stand for each other (80 leads to 81, 81 to 80), from
// workloads near and far, the nodes and outside, by TCP, UDP and SCTP under every driver of netfilter, and holds `weft why` against what becomes of it: the verdicts, online and
// offline, and for what is allowed the connection in the table of each node that it passes.
func TestWhyTranslated(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "whynat", Nodes: 2, ToR: true})
	floating := [2]netip.Addr{netip.MustParseAddr("10.65.200.7"), netip.MustParseAddr("fd65::c8:7")}
	var ports []lab.Port
	for _, protocol := range []string{"tcp", "udp", "sctp"} {
		ports = append(ports, lab.Port{HostPort: 80, ContainerPort: 81, Protocol: protocol}, lab.Port{HostPort: 81, ContainerPort: 80, Protocol: protocol})
	}
	for _, w := range []lab.Workload{
		{Node: "n1", Name: "web", Labels: map[string]string{"app": "web"}, Ports: ports, FloatingIPs: floating[:]},
		{Node: "n1", Name: "near", Labels: map[string]string{"app": "client"}},
		{Node: "n2", Name: "far", Labels: map[string]string{"app": "client"}},
		{Node: "n1", Name: "careful-near", Labels: map[string]string{"app": "client", "careful": ""}},
		{Node: "n2", Name: "careful-far", Labels: map[string]string{"app": "client", "careful": ""}},
		{Node: "n1", Name: "stranger"},
	} {
		w.Namespace = "shop"
		if _, err := c.AddWorkload(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	web, node, outside := c.places("shop/web"), c.places("n1"), c.places(lab.External)
	c.manifest(fmt.Sprintf(exposedPolicy, outside[0].addr, outside[1].addr))
	c.serves(web, 80, 81)
	var ways []way
	for _, port := range []uint16{80, 81} {
		for _, by := range []probe.Protocol{probe.TCP, probe.UDP, probe.SCTP} {
			ways = append(ways,
				way{"its address", [2]netip.AddrPort{web[0].port(port), web[1].port(port)}, port, by},
				way{"floating IP", [2]netip.AddrPort{netip.AddrPortFrom(floating[0], port), netip.AddrPortFrom(floating[1], port)}, port, by},
				way{"host port", [2]netip.AddrPort{node[0].port(161 - port), node[1].port(161 - port)}, port, by})
		}
	}
	for _, name := range drivers {
		for _, outgoing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s natOutgoing %v", name, outgoing), func(t *testing.T) {
				c := &cluster{c.Lab, t}
				c.apply(natConfig(name, func(*v3.FelixNAT) {}))
				c.drivenBy(name)
				c.translate(outgoing)
				c.converge()
				c.agreesBy(ways, func(from string, w way) bool {
					switch from {
					case "n1":
						return true // a node to its own workload
					case "shop/near":
						return w.open()
					case "shop/far":
						return w.open() && !(outgoing && w.name == "host port") // or the node of shop/web sees n2
					case "shop/careful-far":
						return w.open() && w.by == probe.TCP && w.name == "its address" // its node does not know where the others lead
					case "shop/careful-near", lab.External:
						return w.open() && w.by == probe.TCP
					}
					return false
				})
			})
		}
	}
}

// open tells whether the port that the way leads to is open to clients.
func (w way) open() bool {
	return w.port == 80 && w.by == probe.TCP || w.port == 81 && w.by != probe.TCP
}

// serves greets everyone who connects to the ports of a place, or sends a datagram or an INIT, until the test ends.
func (c *cluster) serves(at [2]place, ports ...uint16) {
	c.t.Helper()
	for _, p := range at {
		c.greetsSCTP(p, ports...)
		for _, port := range ports {
			ln := c.listenIn(p.ns, p.port(port))
			go accept(ln, func(conn net.Conn) {
				_, _ = fmt.Fprintf(conn, "%5d", port) // who gets no greeting counts as denied
				_, _ = io.Copy(io.Discard, conn)
			})
			packets := c.packetsIn(p.ns, p.port(port))
			go func() {
				buf := make([]byte, 1)
				for {
					_, from, err := packets.ReadFrom(buf)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					if err == nil {
						_, _ = packets.WriteTo(fmt.Appendf(nil, "%5d", port), from)
					}
				}
			}()
		}
	}
}

func (c *cluster) greetsSCTP(at place, ports ...uint16) {
	c.t.Helper()
	var server io.Closer
	err := at.ns.Do(func() (err error) { server, err = probe.GreetSCTP(at.addr, ports...); return err })
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = server.Close() })
}

func (c *cluster) listenIn(ns *netns.NS, at netip.AddrPort) (ln net.Listener) {
	c.t.Helper()
	err := ns.Do(func() (err error) { ln, err = net.Listen("tcp", at.String()); return err })
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func (c *cluster) packetsIn(ns *netns.NS, at netip.AddrPort) (conn net.PacketConn) {
	c.t.Helper()
	err := ns.Do(func() (err error) { conn, err = net.ListenPacket("udp", at.String()); return err })
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// attempt is a connection to shop/web.
type attempt struct {
	flow    probe.Flow
	way     way
	conn    net.Conn
	greeted chan error
}

// allowed tells whether the port that the way leads to has answered.
func (a *attempt) allowed() bool { return <-a.greeted == nil }

// agreesBy connects from everyone by every way, and asks about each connection.
func (c *cluster) agreesBy(ways []way, want func(from string, w way) bool) {
	c.t.Helper()
	file := c.dump()
	socket := filepath.Join(filepath.Dir(c.NodeDir("n1")), "{node}", "agent.sock")
	for _, a := range c.attempts(ways) {
		what := fmt.Sprintf("%s by %s to port %d", a.flow, a.way.name, a.way.port)
		allowed := a.allowed()
		if allowed && a.way.by != probe.TCP && greeting(a.conn, a.way.port) != nil { // so that the kernels have not forgotten it
			c.t.Errorf("%s: answered once only", what)
		}
		if allowed != want(a.flow.Src, a.way) {
			c.t.Errorf("%s: allowed %v", what, allowed)
		}
		online, offline := c.ask(a.flow, "--socket", socket), c.ask(a.flow, "--offline", "-f", file)
		if allowed != (online.Verdict == why.Allow) || allowed != (offline.Verdict == why.Allow) {
			c.t.Errorf("%s: online %s, offline %s; allowed is %v\negress: %s\ningress: %s", what, online.Verdict, offline.Verdict, allowed, online.Egress.Reason, online.Ingress.Reason)
		}
		if allowed {
			c.knownAs(what, a, online)
		}
		_ = a.conn.Close()
	}
}

// attempts starts all connections at once.
func (c *cluster) attempts(ways []way) (out []*attempt) {
	c.t.Helper()
	for _, from := range []string{"shop/web", "shop/near", "shop/far", "shop/careful-near", "shop/careful-far", "shop/stranger", "n1", "n2", lab.External} {
		for family, p := range c.places(from) {
			for _, w := range ways {
				if from == "shop/web" && w.name == "its address" {
					continue // does not leave it
				}
				to := w.to[family]
				a := &attempt{way: w, greeted: make(chan error, 1), flow: probe.Flow{Src: from, Dst: w.name, SrcAddr: p.addr, DstAddr: to.Addr(),
					Service: probe.Service{Protocol: w.by, Port: to.Port()}}}
				err := p.ns.Do(func() (err error) { a.conn, err = connect(w.by, p.addr, to); return err })
				if err != nil {
					c.t.Fatalf("%s: %v", a.flow, err)
				}
				c.t.Cleanup(func() { _ = a.conn.Close() })
				go func() { a.greeted <- greeting(a.conn, w.port) }()
				out = append(out, a)
			}
		}
	}
	return out
}

func connect(by probe.Protocol, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	switch by {
	case probe.UDP:
		return net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(to))
	case probe.SCTP:
		return probe.DialSCTP(from, to)
	}
	return sysprobe.Connect(from, to)
}

// greeting waits for that of a port.
func greeting(conn net.Conn, port uint16) error {
	buf := make([]byte, 5)
	if err := conn.SetDeadline(time.Now().Add(patience / 5)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	if strings.TrimSpace(string(buf)) != strconv.Itoa(int(port)) {
		return fmt.Errorf("greeted by port %s", buf)
	}
	return nil
}

// knownAs looks for an open connection in what each kernel on its way is said to know.
func (c *cluster) knownAs(what string, a *attempt, said answer) {
	c.t.Helper()
	_, port, err := net.SplitHostPort(a.conn.LocalAddr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	for name, end := range map[string]why.End{"egress": said.Egress, "ingress": said.Ingress} {
		k := end.Kernel
		if k == nil && name == "egress" && a.flow.Src == lab.External {
			continue
		}
		if k == nil || k.Hits != nil && *k.Hits == 0 || !strings.Contains(strings.Join(k.Connections, "\n"), ":"+port+" ") {
			c.t.Errorf("%s: %s of the open connection from port %s: %+v, %q", what, name, port, k, said.Notes)
		}
	}
}
