// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/packet"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/sysctl"
)

// Net is a router, the namespace that the driver works in, with links to workloads and to the world. All other ends are in one namespace
// without addresses, where packet sockets play the workloads and the world: nothing answers but the router. A bridge carries packets that show
// that all before them has been handled.
//
//	wire                 router
//	cali1 … cali4  ────  cali1 … cali4   10.65.0.N, fd00:65::N
//	up0            ────  up0             default route, IPv4 and IPv6
//	dmz0           ────  dmz0            203.0.113.0/24, 2001:db8:1::/48
//
//	                     bridge
//	mark0, mark1   ────  mark0, mark1
type Net struct {
	Router *netns.NS
	wire   *netns.NS
	bridge *netns.NS
	ends   map[string]*packet.Conn
	host   *packet.Host // the router's own processes
	token  uint32
	buf    []byte
	// answered tells whether the sender of the last packet got one in return: a reset, an ICMP error.
	answered bool
}

// Links of the router.
const (
	Workloads = 4
	uplink    = "up0"
	dmz       = "dmz0"
)

// Ends of the bridge.
const (
	markIn  = "mark0"
	markOut = "mark1"
)

// toHost is where a packet comes out that a process of the router gets; fromHost is where one of its packets enters.
const (
	toHost   = "host"
	fromHost = ""
)

var (
	routerMAC = []byte{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	peerMAC   = []byte{0x02, 0, 0, 0, 0, 0x01}

	// hostAddrs are the router's own.
	hostAddrs = []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00:99::1")}
	// linkLocal is the router's address on every link, as it follows from its MAC.
	linkLocal = netip.MustParseAddr("fe80::ecee:eeff:feee:eeee")
	// dmzNets are behind dmz0.
	dmzNets = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
)

// Workload is the name of a workload's interface, from 1.
func Workload(i int) string { return fmt.Sprintf("cali%d", i) }

// WorkloadAddr is the address that the router routes to a workload.
func WorkloadAddr(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("fd00:65::%d", i))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.65.0.%d", i))
}

// NewNet builds the network. It is gone when the test ends.
func NewNet(t testing.TB) *Net {
	t.Helper()
	n := &Net{Router: netnstest.New(t), wire: netnstest.New(t), bridge: netnstest.New(t), ends: map[string]*packet.Conn{}, buf: make([]byte, 1<<16)}
	must(t, n.Router.Do(prepare))
	for _, ns := range []*netns.NS{n.wire, n.bridge} {
		must(t, ns.Do(func() error { return sysctl.Set("net/ipv6/conf/default/disable_ipv6", "1") }))
	}
	n.links(t)
	must(t, n.wire.Do(func() error {
		for _, name := range append(n.names(), markIn, markOut) {
			end, err := packet.Open(name)
			if err != nil {
				return err
			}
			t.Cleanup(func() { must(t, end.Close()) })
			n.ends[name] = end
		}
		return nil
	}))
	must(t, n.Router.Do(func() (err error) {
		n.host, err = packet.OpenHost(hostPriority, protoICMP, protoIPIP, protoTCP, protoUDP, protoICMPv6, protoOther, protoSCTP, protoUDPLite)
		return err
	}))
	t.Cleanup(func() { must(t, n.host.Close()) })
	n.warmUp(t)
	return n
}

// warmUp waits until all links carry frames; before that the kernel throws them away. And until the router has its addresses: the kernel takes those of
// IPv6 into use in the background, where it waits for whoever else changes links.
func (n *Net) warmUp(t testing.TB) {
	t.Helper()
	nobody := [2]netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8::1")}
	for i, addr := range hostAddrs {
		n.until(t, uplink, eval.Packet{Src: nobody[i], Dst: addr, Protocol: protoOther}, toHost)
	}
	for _, name := range n.names() {
		n.until(t, name, eval.Packet{Src: netip.MustParseAddr("fe80::1"), Dst: linkLocal, Protocol: protoOther}, toHost)
		if name == uplink {
			continue
		}
		away := eval.Packet{Src: nobody[0], Dst: netip.MustParseAddr("198.18.0.2"), Protocol: protoUDP, SrcPort: 7, DstPort: 7}
		back := eval.Packet{Src: nobody[1], Dst: netip.MustParseAddr("2001:db8:1::1"), Protocol: protoUDP, SrcPort: 7, DstPort: 7}
		for i := 1; i <= Workloads; i++ {
			if name == Workload(i) {
				back.Dst = WorkloadAddr(i, true)
			}
		}
		n.until(t, name, away, uplink)
		n.until(t, uplink, back, name)
	}
}

func (n *Net) until(t testing.TB, from string, p eval.Packet, to string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		out, err := n.Send(from, p)
		if err == nil && out == to {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a packet from %s to %s gets to %q (%v) with no policy in place", from, to, out, err)
		}
	}
}

// prepare makes the namespace a router that says nothing unasked, and that forgets connections soon: thousands of packets come, and no two
// of them may belong to one.
func prepare() error {
	var errs error
	for key, value := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
		"net/ipv6/conf/default/accept_dad": "0", "net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/conf/all/send_redirects": "0",
		"net/ipv4/conf/default/send_redirects": "0",
	} {
		errs = errors.Join(errs, sysctl.Set(key, value))
	}
	tracking := map[string]string{"checksum": "0"} // Linux 6.18 wants UDP's checksum in UDP-Lite
	for _, timeout := range []string{"tcp_timeout_syn_sent", "udp_timeout", "icmp_timeout", "icmpv6_timeout", "generic_timeout", "sctp_timeout_cookie_wait"} {
		tracking[timeout] = "5"
	}
	for key, value := range tracking {
		err := sysctl.Set("net/netfilter/nf_conntrack_"+key, value)
		if !errors.Is(err, fs.ErrNotExist) { // not every kernel tracks every protocol
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (n *Net) names() []string {
	names := []string{uplink, dmz}
	for i := range Workloads {
		names = append(names, Workload(i+1))
	}
	return names
}

// links makes links, addresses, routes and permanent neighbours with iproute2.
func (n *Net) links(t testing.TB) {
	t.Helper()
	var router, bridge, wire strings.Builder
	cable := func(to *strings.Builder, name string) {
		fmt.Fprintf(to, "link add %s address %s type veth peer name %s address %s netns %s\nlink set %s up\n", name, mac(routerMAC), name, mac(peerMAC), n.wire.Name(), name)
		fmt.Fprintf(&wire, "link set %s up\n", name)
	}
	for _, name := range n.names() {
		cable(&router, name)
	}
	fmt.Fprintf(&bridge, "link add bridge type bridge\nlink set bridge up\n")
	for _, name := range []string{markIn, markOut} {
		cable(&bridge, name)
		fmt.Fprintf(&bridge, "link set %s master bridge\n", name)
	}
	for i := 1; i <= Workloads; i++ {
		for _, v6 := range []bool{false, true} {
			fmt.Fprintf(&router, "route add %s dev %s\n", WorkloadAddr(i, v6), Workload(i))
			fmt.Fprintf(&router, "neigh add %s lladdr %s dev %s nud permanent\n", WorkloadAddr(i, v6), mac(peerMAC), Workload(i))
		}
	}
	fmt.Fprintf(&router, "link set lo up\naddr add %s/32 dev lo\naddr add %s/128 dev lo\n", hostAddrs[0], hostAddrs[1])
	for _, via := range []string{"169.254.7.7", "fe80::7"} {
		for _, name := range []string{uplink, dmz} {
			fmt.Fprintf(&router, "neigh add %s lladdr %s dev %s nud permanent\n", via, mac(peerMAC), name)
		}
		fmt.Fprintf(&router, "route add default via %s dev %s onlink\n", via, uplink)
	}
	for i, via := range []string{"169.254.7.7", "fe80::7"} {
		fmt.Fprintf(&router, "route add %s via %s dev %s onlink\n", dmzNets[i], via, dmz)
	}
	batch(t, n.Router, router.String())
	for i := 1; i <= Workloads; i++ { // as sys/veth does
		must(t, n.Router.Do(func() error { return sysctl.Set("net/ipv4/conf/"+Workload(i)+"/route_localnet", "1") }))
	}
	batch(t, n.bridge, bridge.String())
	batch(t, n.wire, wire.String())
}

func mac(b []byte) string {
	var parts []string
	for _, x := range b {
		parts = append(parts, fmt.Sprintf("%02x", x))
	}
	return strings.Join(parts, ":")
}

func batch(t testing.TB, ns *netns.NS, commands string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "batch")
	must(t, os.WriteFile(file, []byte(commands), 0o600))
	for _, family := range []string{"-4", "-6"} {
		var lines []string
		for line := range strings.Lines(commands) {
			v6 := strings.Contains(line, "fd00:") || strings.Contains(line, "fe80::") || strings.Contains(line, "2001:db8:")
			if v6 == (family == "-6") {
				lines = append(lines, line)
			}
		}
		must(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))
		_, err := proc.Output(context.Background(), proc.Spec{Path: "ip", Args: []string{family, "-batch", file}, NS: ns})
		must(t, err)
	}
}

// Send sends the first packet of a flow into a link, or from a process of the router, and returns where it came out: the name of a link; "host"
// if a process of the router got it; "" if it was dropped.
func (n *Net) Send(from string, p eval.Packet) (string, error) {
	n.token += 0x10001
	return n.exchange(from, p, segment(p, n.token), segment(translate(p), n.token))
}

// exchange sends the first of some segments, which may come out in any of the forms.
func (n *Net) exchange(from string, p eval.Packet, forms ...[]byte) (string, error) {
	if err := n.deliver(from, p, forms[0]); err != nil {
		return "", err
	}
	return n.collect(from, p, forms)
}

// deliver sends a segment and waits until it has been handled. Mark and segment go from one CPU: the kernel has a queue of arrived frames for each, and
// a mark in another queue would tell nothing of the segment.
func (n *Net) deliver(from string, p eval.Packet, segment []byte) error {
	return packet.OnOneCPU(func() error {
		if err := n.enter(from, p, segment); err != nil {
			return err
		}
		return n.passMark()
	})
}

// passMark sends a mark past the router: when that has come, all packets before it have been handled.
func (n *Net) passMark() error {
	n.token += 0x10001
	mark := append(bytes.Repeat([]byte{0xff}, 6), append(append([]byte(nil), peerMAC...), 0x88, 0xb5)...) // an EtherType for experiments
	mark = binary.BigEndian.AppendUint32(mark, n.token)
	if err := n.ends[markIn].Send(mark); err != nil {
		return err
	}
	if err := n.read(markOut, 2*time.Second, func(f []byte) bool { return bytes.Equal(f, mark) }); err != nil {
		return fmt.Errorf("waiting for the mark: %w", err)
	}
	return nil
}

// enter puts a segment, with its headers, where it enters the router.
func (n *Net) enter(from string, p eval.Packet, segment []byte) error {
	f := frame(p, segment)
	if from == fromHost {
		err := n.host.Send(p.Dst, f[ethernet:])
		if errors.Is(err, fs.ErrPermission) { // the filter refused it
			err = nil
		}
		return err
	}
	return n.ends[from].Send(f)
}

// collect reads all that has come, and returns where one of the forms of the packet did.
func (n *Net) collect(from string, p eval.Packet, forms [][]byte) (string, error) {
	out := ""
	n.answered = false
	wanted := func(segment []byte) bool {
		return slices.ContainsFunc(forms, func(form []byte) bool { return bytes.Equal(form, segment) })
	}
	for _, name := range n.names() {
		err := n.read(name, 0, func(f []byte) bool {
			_, dst, segment, ok := carried(f)
			switch {
			case ok && wanted(segment):
				out = name
			case ok && name == from && dst == p.Src:
				n.answered = true
			}
			return false
		})
		if !errors.Is(err, packet.ErrTimeout) {
			return "", err
		}
	}
	for {
		segment, err := n.host.Receive(n.buf, 0)
		switch {
		case errors.Is(err, packet.ErrTimeout):
			return out, nil
		case err != nil:
			return "", err
		case wanted(segment):
			out = toHost
		}
	}
}

// read hands frames to note until it returns true.
func (n *Net) read(name string, patience time.Duration, note func([]byte) bool) error {
	for {
		f, err := n.ends[name].Receive(n.buf, patience)
		if err != nil || note(f) {
			return err
		}
	}
}
