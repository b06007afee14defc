// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/packet"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/sysctl"
)

// Net is a router, the namespace that the driver works in, with workload interfaces and an uplink. All other ends are in one namespace
// without addresses, where packet sockets play the workloads and the world: nothing answers but the router.
//
//	wire                 router
//	cali1 … cali4  ────  cali1 … cali4   10.65.0.N, fd00:65::N
//	up0            ────  up0             default route, IPv4 and IPv6
//	dmz0           ────  dmz0            no workload: packets that show that all before them has been handled
type Net struct {
	Router *netns.NS
	wire   *netns.NS
	ends   map[string]*packet.Conn
	token  uint32
	buf    []byte
}

// Interfaces of the router.
const (
	Workloads = 4
	uplink    = "up0"
	dmz       = "dmz0"
)

var (
	routerMAC = []byte{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
	peerMAC   = []byte{0x02, 0, 0, 0, 0, 0x01}

	// hostAddrs are the router's own.
	hostAddrs = []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00:99::1")}
	// linkLocal is the router's address on every link, as it follows from its MAC.
	linkLocal = netip.MustParseAddr("fe80::ecee:eeff:feee:eeee")

	sentinelSrc, sentinelDst = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")

	count atomic.Int32
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
	n := &Net{Router: namespace(t), wire: namespace(t), ends: map[string]*packet.Conn{}, buf: make([]byte, 1<<16)}
	must(t, n.Router.Do(prepare))
	must(t, n.wire.Do(func() error { return sysctl.Set("net/ipv6/conf/default/disable_ipv6", "1") }))
	n.links(t)
	must(t, n.wire.Do(func() error {
		for _, name := range n.names() {
			end, err := packet.Open(name)
			if err != nil {
				return err
			}
			t.Cleanup(func() { must(t, end.Close()) })
			n.ends[name] = end
		}
		return nil
	}))
	n.warmUp(t)
	return n
}

// warmUp waits until all links carry frames; before that the kernel throws them away.
func (n *Net) warmUp(t testing.TB) {
	t.Helper()
	to := eval.Packet{Src: sentinelSrc, Dst: sentinelDst, Protocol: protoUDP, SrcPort: 7, DstPort: 7}
	for i := range Workloads {
		back := eval.Packet{Src: netip.MustParseAddr("2001:db8::1"), Dst: WorkloadAddr(i+1, true), Protocol: protoUDP, SrcPort: 7, DstPort: 7}
		n.until(t, Workload(i+1), to, uplink)
		n.until(t, uplink, back, Workload(i+1))
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

func prepare() error {
	var errs error
	for key, value := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
		"net/ipv6/conf/default/accept_dad": "0", "net/ipv4/icmp_ratelimit": "0", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/conf/all/send_redirects": "0",
		"net/ipv4/conf/default/send_redirects": "0",
	} {
		errs = errors.Join(errs, sysctl.Set(key, value))
	}
	return errs
}

func namespace(t testing.TB) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-dt%d-%d", os.Getpid(), count.Add(1))
	ns, err := netns.Create(name)
	must(t, err)
	t.Cleanup(func() {
		_ = ns.Close()
		if err := netns.Delete(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("delete: %v", err)
		}
	})
	return ns
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
	var router, wire strings.Builder
	for _, name := range n.names() {
		fmt.Fprintf(&router, "link add %s address %s type veth peer name %s address %s netns %s\n", name, mac(routerMAC), name, mac(peerMAC), n.wire.Name())
		fmt.Fprintf(&router, "link set %s up\n", name)
		fmt.Fprintf(&wire, "link set %s up\n", name)
	}
	for i := 1; i <= Workloads; i++ {
		for _, v6 := range []bool{false, true} {
			fmt.Fprintf(&router, "route add %s dev %s\n", WorkloadAddr(i, v6), Workload(i))
			fmt.Fprintf(&router, "neigh add %s lladdr %s dev %s nud permanent\n", WorkloadAddr(i, v6), mac(peerMAC), Workload(i))
		}
	}
	fmt.Fprintf(&router, "link set lo up\naddr add %s/32 dev lo\naddr add %s/128 dev lo\n", hostAddrs[0], hostAddrs[1])
	for _, via := range []string{"169.254.7.7", "fe80::7"} {
		fmt.Fprintf(&router, "neigh add %s lladdr %s dev %s nud permanent\n", via, mac(peerMAC), uplink)
		fmt.Fprintf(&router, "route add default via %s dev %s onlink\n", via, uplink)
	}
	batch(t, n.Router, router.String())
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
			v6 := strings.Contains(line, "fd00:") || strings.Contains(line, "fe80::")
			if v6 == (family == "-6") {
				lines = append(lines, line)
			}
		}
		must(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))
		_, err := proc.Output(context.Background(), proc.Spec{Path: "ip", Args: []string{family, "-batch", file}, NS: ns})
		must(t, err)
	}
}

// Send sends the first packet of a flow into an interface and returns where it came out: the name of an interface; "host" if the router
// answered it; "" if it was dropped.
func (n *Net) Send(from string, p eval.Packet) (string, error) {
	n.token += 0x10001
	return n.exchange(from, p, segment(p, n.token))
}

// exchange sends a segment, and behind it a sentinel through interfaces that no policy covers: when that has come, all is known.
func (n *Net) exchange(from string, p eval.Packet, sent []byte) (string, error) {
	if err := n.ends[from].Send(frame(p, sent)); err != nil {
		return "", err
	}
	n.token += 0x10001
	sentinel := eval.Packet{Src: sentinelSrc, Dst: sentinelDst, Protocol: protoUDP, SrcPort: 9, DstPort: 9}
	mark := segment(sentinel, n.token)
	if err := n.ends[dmz].Send(frame(sentinel, mark)); err != nil {
		return "", err
	}
	out := ""
	note := func(name string, f []byte) bool {
		src, dst, got, ok := carried(f)
		switch {
		case !ok:
		case bytes.Equal(got, mark):
			return true
		case bytes.Equal(got, sent):
			out = name
		case name == from && src == p.Dst && dst == p.Src:
			out = "host"
		}
		return false
	}
	if err := n.read(uplink, 2*time.Second, note); err != nil {
		return "", fmt.Errorf("waiting for the sentinel: %w", err)
	}
	for name := range n.ends {
		if err := n.read(name, 0, note); err != nil && !errors.Is(err, packet.ErrTimeout) {
			return "", err
		}
	}
	return out, nil
}

// read hands frames to note until it returns true.
func (n *Net) read(name string, patience time.Duration, note func(string, []byte) bool) error {
	for {
		f, err := n.ends[name].Receive(n.buf, patience)
		if err != nil || note(name, f) {
			return err
		}
	}
}
