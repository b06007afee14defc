// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/bgp"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// deadline bounds every wait. A session takes 2 to 8 seconds to come up, the engine's timers being what they are.
const deadline = 40 * time.Second

// fabric is a switch with machines around it: machine i has 172.30.1.i/24 and fd30::i/64 on its eth0.
type fabric struct {
	t      testing.TB
	prefix string
	sw     *netns.NS
	links  *netlink.Conn // of the switch
}

func newFabric(t testing.TB, name string) *fabric {
	t.Helper()
	f := &fabric{t: t, prefix: fmt.Sprintf("weft-io%d-%s", os.Getpid(), name)}
	f.sw = f.namespace("sw")
	f.links = f.connect(f.sw)
	_, err := f.links.AddBridge(netlink.LinkSpec{Name: "br0", Up: true})
	f.check(err)
	return f
}

func (f *fabric) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fabric) namespace(suffix string) *netns.NS {
	f.t.Helper()
	ns, err := netns.Create(f.prefix + "-" + suffix)
	f.check(err)
	f.t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(f.prefix + "-" + suffix) })
	return ns
}

func (f *fabric) connect(ns *netns.NS) *netlink.Conn {
	f.t.Helper()
	c, err := netlink.Open(ns)
	f.check(err)
	f.t.Cleanup(c.Close)
	return c
}

// machine is a namespace at the switch.
type machine struct {
	f    *fabric
	i    int
	ns   *netns.NS
	v4   netip.Addr
	v6   netip.Addr
	dir  string
	pods []*netns.NS
}

func (f *fabric) machine(i int) *machine {
	f.t.Helper()
	m := &machine{f: f, i: i, ns: f.namespace(fmt.Sprint(i)), dir: f.t.TempDir()}
	m.v4, m.v6 = underlay(i)
	links := f.connect(m.ns)
	port, err := f.links.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: fmt.Sprintf("p%d", i), Up: true}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: m.ns,
	})
	f.check(err)
	br, err := f.links.Link("br0")
	f.check(err)
	f.check(f.links.SetMaster(port.Index, br.Index))
	eth, err := links.Link("eth0")
	f.check(err)
	f.check(links.SetUp(eth.Index, true))
	f.check(links.AddAddr(netlink.Addr{Link: eth.Index, Prefix: netip.PrefixFrom(m.v4, 24)}))
	f.check(links.AddAddr(netlink.Addr{Link: eth.Index, Prefix: netip.PrefixFrom(m.v6, 64), NoDAD: true}))
	m.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	return m
}

func underlay(i int) (v4, v6 netip.Addr) {
	return netip.AddrFrom4([4]byte{172, 30, 1, byte(i)}), netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x30, 15: byte(i)})
}

// blocks are the address blocks of machine i.
func blocks(i int) (v4, v6 netip.Prefix) {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 65, byte(i), 0}), 26),
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x65, 13: byte(i)}), 122)
}

// podAddrs are the addresses of the pod of machine i.
func podAddrs(i int) (v4, v6 netip.Addr) {
	b4, b6 := blocks(i)
	return b4.Addr().Next(), b6.Addr().Next()
}

// run runs a command on the machine and returns its output.
func (m *machine) run(args ...string) string {
	m.f.t.Helper()
	return runIn(m.f.t, m.ns, args...)
}

func runIn(t testing.TB, ns *netns.NS, args ...string) string {
	t.Helper()
	out, err := proc.Output(context.Background(), proc.Spec{Path: args[0], Args: args[1:], NS: ns})
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start runs a daemon on the machine until the test ends.
func (m *machine) start(env []string, args ...string) *proc.Process {
	m.f.t.Helper()
	log := filepath.Join(m.dir, filepath.Base(args[0])+".log")
	p, err := proc.Start(proc.Spec{Path: args[0], Args: args[1:], Env: env, NS: m.ns, Log: log})
	m.f.check(err)
	m.f.t.Cleanup(func() {
		_ = p.Kill()
		if m.f.t.Failed() {
			out, _ := os.ReadFile(log)
			m.f.t.Logf("log of %s on machine %d:\n%s", args[0], m.i, tail(out))
		}
	})
	return p
}

func tail(out []byte) []byte {
	lines := bytes.Split(out, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-60):], []byte("\n"))
}

// network puts a network of its own behind the machine: a bridge without ports, since not every kernel has dummy links.
func (m *machine) network(addrs ...string) {
	m.f.t.Helper()
	links := m.f.connect(m.ns)
	br, err := links.AddBridge(netlink.LinkSpec{Name: "behind", Up: true})
	m.f.check(err)
	for _, a := range addrs {
		m.f.check(links.AddAddr(netlink.Addr{Link: br.Index, Prefix: netip.MustParsePrefix(a), NoDAD: true}))
	}
}

// pod makes a workload with one address of each family, and returns the routes to it.
func (m *machine) pod() []desired.Route {
	m.f.t.Helper()
	ns := m.f.namespace(fmt.Sprintf("pod%d", m.i))
	links, inside := m.f.connect(m.ns), m.f.connect(ns)
	mac := net.HardwareAddr{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	_, err := links.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: "cali1", MAC: mac, Up: true}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: ns,
	})
	m.f.check(err)
	eth, err := inside.Link("eth0")
	m.f.check(err)
	m.f.check(inside.SetUp(eth.Index, true))
	v4, v6 := podAddrs(m.i)
	var routes []desired.Route
	for _, a := range []struct {
		addr    netip.Addr
		gateway string
	}{{v4, "169.254.1.1"}, {v6, "fe80::1"}} {
		host := netip.PrefixFrom(a.addr, a.addr.BitLen())
		m.f.check(inside.AddAddr(netlink.Addr{Link: eth.Index, Prefix: host, NoDAD: true}))
		runIn(m.f.t, ns, "ip", "neigh", "add", a.gateway, "lladdr", mac.String(), "dev", "eth0")
		runIn(m.f.t, ns, "ip", "route", "add", "default", "via", a.gateway, "dev", "eth0", "onlink")
		routes = append(routes, desired.Route{Dst: host, Kind: desired.RouteLocal, Interface: "cali1"})
	}
	m.pods = append(m.pods, ns)
	return routes
}

// node is a machine that runs weft's routing.
type node struct {
	*machine
	want    intent
	process *proc.Process
}

// nodeAS is the AS number of the nodes.
const nodeAS = 64512

// node returns machine i as a node with a pod, its blocks announced, without peers.
func (f *fabric) node(i int) *node {
	f.t.Helper()
	n := &node{machine: f.machine(i)}
	b4, b6 := blocks(i)
	n.want.BGP = &desired.BGP{
		AS: nodeAS, RouterID: n.v4, ListenPort: 179, NextHops: [2]netip.Addr{n.v4, n.v6}, Advertise: []netip.Prefix{b4, b6},
		ExportOnly: []netip.Prefix{netip.MustParsePrefix("10.65.0.0/16"), netip.MustParsePrefix("fd65::/48")},
	}
	n.want.Routes = append(n.pod(), desired.Route{Dst: b4, Kind: desired.RouteBlackhole}, desired.Route{Dst: b6, Kind: desired.RouteBlackhole})
	return n
}

// peer adds a session to machine i, in both families; the smaller number waits.
func (n *node) peer(i int, as uint32, change ...func(*desired.Peer)) {
	v4, v6 := underlay(i)
	for _, to := range []struct{ from, to netip.Addr }{{n.v4, v4}, {n.v6, v6}} {
		p := desired.Peer{
			Name: fmt.Sprintf("Mesh_%s", to.to), Addr: to.to, AS: as, Source: to.from, Passive: n.i < i,
		}
		for _, c := range change {
			c(&p)
		}
		n.want.BGP.Peers = append(n.want.BGP.Peers, p)
	}
}

// mesh joins nodes of one AS pairwise and starts them.
func mesh(nodes ...*node) {
	for _, n := range nodes {
		for _, o := range nodes {
			if n != o {
				n.peer(o.i, nodeAS)
			}
		}
		n.up()
	}
}

// up writes the intent and starts the process, or makes the running one read it.
func (n *node) up() {
	n.f.t.Helper()
	raw, err := json.Marshal(n.want)
	n.f.check(err)
	n.f.check(os.WriteFile(filepath.Join(n.dir, "intent.json"), raw, 0o600))
	if n.process != nil && n.process.Alive() {
		n.ask()
		return
	}
	self, err := os.Executable()
	n.f.check(err)
	n.process = n.start([]string{nodeDir + "=" + n.dir}, self)
}

// ask returns what the process says about itself.
func (n *node) ask() answer {
	n.f.t.Helper()
	a, err := n.tryAsk()
	n.f.check(err)
	if a.Error != "" {
		n.f.t.Fatalf("node %d: %s", n.i, a.Error)
	}
	return a
}

func (n *node) tryAsk() (a answer, err error) {
	c, err := net.Dial("unix", filepath.Join(n.dir, "node.sock"))
	if err != nil {
		return a, err
	}
	defer func() { _ = c.Close() }()
	return a, json.NewDecoder(c).Decode(&a)
}

// sessions returns how many sessions are up.
func (n *node) sessions() (up int) {
	a, err := n.tryAsk()
	if err != nil {
		return 0
	}
	for _, p := range a.Status.Peers {
		if p.State == bgp.Established {
			up++
		}
	}
	return up
}

// learned returns the destinations of the routes in the node's kernel that came over BGP, sorted.
func (m *machine) learned() []string {
	m.f.t.Helper()
	c, err := netlink.OpenRoutes(m.ns)
	m.f.check(err)
	defer func() { _ = c.Close() }()
	list, err := c.List(own.RouteProtocolBGP)
	m.f.check(err)
	out := []string{}
	for _, r := range list {
		out = append(out, r.Dst.String())
	}
	slices.Sort(out)
	return out
}

// holds waits until the kernel's learned routes are want.
func (m *machine) holds(want ...string) {
	m.f.t.Helper()
	slices.Sort(want)
	m.f.eventually(func() (string, bool) {
		got := m.learned()
		return fmt.Sprintf("machine %d has learned routes %v, want %v", m.i, got, want), slices.Equal(got, want)
	})
}

func blocksOf(machines ...int) (list []string) {
	for _, i := range machines {
		v4, v6 := blocks(i)
		list = append(list, v4.String(), v6.String())
	}
	return list
}

// eventually polls until ok.
func (f *fabric) eventually(ok func() (what string, ok bool)) {
	f.t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		what, done := ok()
		if done {
			return
		}
		if time.Since(start) > deadline {
			f.t.Fatal(what)
		}
	}
}

// reach fails unless a ping from the namespace gets through, once; it waits for the way to be there.
func (f *fabric) reach(ns *netns.NS, dst netip.Addr) {
	f.t.Helper()
	f.eventually(func() (string, bool) {
		out, err := proc.Output(context.Background(), proc.Spec{Path: "ping", Args: []string{"-c1", "-W1", dst.String()}, NS: ns})
		return fmt.Sprintf("no way from %s to %s: %s", ns.Name(), dst, out), err == nil
	})
}

// flood pings until stop is called, which fails the test if a single echo was lost.
func (f *fabric) flood(ns *netns.NS, dst netip.Addr) (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	done := make(chan struct{})
	interrupted := filepath.Join(f.t.TempDir(), "stop")
	go func() {
		defer close(done)
		// The shell ends ping with SIGINT, upon which it prints its count.
		script := `ping -q -i 0.002 "$0" & while [ ! -e "$1" ]; do sleep 0.05; done; kill -INT $!; wait $!`
		_ = proc.Run(ctx, proc.Spec{Path: "sh", Args: []string{"-c", script, dst.String(), interrupted}, NS: ns}, proc.IO{Out: &out, Err: &out})
	}()
	return func() {
		f.t.Helper()
		defer cancel()
		f.check(os.WriteFile(interrupted, nil, 0o600))
		<-done
		var sent, received int
		for line := range strings.Lines(out.String()) {
			if _, err := fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &received); err == nil {
				break
			}
		}
		f.t.Logf("flood %s -> %s: %d sent, %d received", ns.Name(), dst, sent, received)
		if sent < 100 || received < sent-1 { // the last one may be under way
			f.t.Errorf("lost %d of %d packets:\n%s", sent-received, sent, out.String())
		}
	}
}
