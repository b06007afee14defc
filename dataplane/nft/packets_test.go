// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/packet"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/sysctl"
)

// BenchmarkPackets measures what a 64-byte datagram from one workload to another of the same host costs: CPU time of the sender, within which
// the whole way through two veth pairs and the router happens. Established is a flow that was answered; new one that never was, so that each
// packet meets policy. Beside it: bare routing, and routing with conntrack and one rule.
func BenchmarkPackets(b *testing.B) {
	p := newPath(b)
	d := newDriver(b, p.router)
	conntrack := filepath.Join(b.TempDir(), "conntrack")
	check(b, os.WriteFile(conntrack, []byte("table inet weft { chain f { type filter hook forward priority 0; ct state established accept; }; }"), 0o600))
	plain := openDriver(b, p.router, Options{Plain: true})
	remove := func() { check(b, d.Remove(b.Context())) }
	modes := []struct {
		name string
		set  func()
	}{
		{"bare", remove},
		{"conntrack", func() { remove(); nftTool(b, p.router, "-f", conntrack) }},
		{"1-policy", func() { apply(b, d, inFront(b, 1), nil) }},
		{"10-policies", func() { apply(b, d, inFront(b, 10), nil) }},
		{"100-policies", func() { apply(b, d, inFront(b, 100), nil) }},
		{"1000-policies", func() { apply(b, d, inFront(b, 1000), nil) }},
		{"100-plain", func() { remove(); apply(b, plain, inFront(b, 100), nil) }},
		{"100-ports", func() { remove(); apply(b, d, portsInFront(b, 100), nil) }},
		{"100-ports-plain", func() { remove(); apply(b, plain, portsInFront(b, 100), nil) }},
	}
	for _, kind := range []string{"established", "new"} {
		b.Run(kind, func(b *testing.B) {
			took := make([][]float64, len(modes))
			for b.Loop() {
				for i, m := range modes {
					m.set()
					took[i] = append(took[i], p.datagrams(b, kind == "established"))
				}
			}
			b.ReportMetric(0, "ns/op")
			bare := least(took[0])
			for i, m := range modes {
				b.ReportMetric(least(took[i]), m.name+"-ns")
				if i > 0 {
					b.ReportMetric(bare/least(took[i]), m.name+"-of-bare")
				}
			}
		})
	}
}

// least is the steadiest estimate of CPU time on a busy machine.
func least(x []float64) float64 { return slices.Min(x) }

// path is a router with two workloads that have addresses and a network stack.
type path struct{ router, a, b *netns.NS }

func newPath(t testing.TB) *path {
	t.Helper()
	p := &path{newNS(t), newNS(t), newNS(t)}
	for i, w := range []*netns.NS{p.a, p.b} {
		p.attach(t, i, w)
	}
	check(t, p.router.Do(func() error { return sysctl.Set("net/ipv4/ip_forward", "1") }))
	return p
}

// attach gives the workload with index i its interface.
func (p *path) attach(t testing.TB, i int, w *netns.NS) {
	t.Helper()
	host, addr := fmt.Sprintf("cali%d", i+1), fmt.Sprintf("10.65.0.%d", i+1)
	ip(t, p.router, "link add "+host+" type veth peer name eth0 netns "+w.Name())
	ip(t, p.router, "link set "+host+" up")
	ip(t, p.router, "addr add 169.254.1.1/32 dev "+host)
	ip(t, p.router, "route add "+addr+" dev "+host)
	ip(t, w, "link set eth0 up")
	ip(t, w, "addr add "+addr+"/32 dev eth0")
	ip(t, w, "route add 169.254.1.1 dev eth0")
	ip(t, w, "route add default via 169.254.1.1")
}

func ip(t testing.TB, ns *netns.NS, command string) {
	t.Helper()
	_, err := proc.Output(t.Context(), proc.Spec{Path: "ip", Args: strings.Fields(command), NS: ns})
	check(t, err)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// datagrams returns the nanoseconds of CPU time for one.
func (p *path) datagrams(t testing.TB, answered bool) float64 {
	t.Helper()
	const n, receiveBuffer = 5000, 1 << 10 // the receiver's buffer overflows, so that receiving costs the same in all modes: nothing
	to := netip.MustParseAddrPort("10.65.0.2:5432")
	var server, client *net.UDPConn
	check(t, p.b.Do(func() (err error) {
		server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
		return err
	}))
	check(t, p.a.Do(func() (err error) {
		client, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	}))
	defer func() { check(t, errors.Join(server.Close(), client.Close())) }()
	check(t, server.SetReadBuffer(receiveBuffer))
	if answered {
		answer(t, server, client)
	}
	raw, err := client.SyscallConn()
	check(t, err)
	var took float64
	check(t, packet.OnOneCPU(func() (err error) {
		return errors.Join(raw.Control(func(fd uintptr) {
			buf := make([]byte, 64)
			start := threadTime()
			for range n {
				if _, err = unix.Write(int(fd), buf); err != nil {
					return
				}
			}
			took = float64(threadTime()-start) / n
		}), err)
	}))
	return took
}

func answer(t testing.TB, server, client *net.UDPConn) {
	t.Helper()
	buf := make([]byte, 64)
	_, err := client.Write(buf)
	check(t, err)
	_, from, err := server.ReadFromUDPAddrPort(buf)
	check(t, err)
	_, err = server.WriteToUDPAddrPort(buf, from)
	check(t, err)
	_, err = client.Read(buf)
	check(t, err)
}

func threadTime() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// inFront is n policies in front of cali2, of which the last allows cali1 on TCP and UDP port 5432.
func inFront(t testing.TB, n int) *desired.State {
	t.Helper()
	var b build
	var ids []rule.PolicyID
	for i := range n {
		members := []string{fmt.Sprintf("10.70.%d.%d", i/250, i%250), "10.71.0.1"}
		if i == n-1 {
			members = append(members, "10.65.0.1")
		}
		from := rule.Side{Sets: []rule.Set{b.Set(fmt.Sprintf("s%d", i), members...)}}
		to := rule.Side{Ports: ports(5432)}
		ids = append(ids, b.Policy(np(fmt.Sprintf("p%d", i)), []rule.Rule{
			allow(rule.Match{Protocol: 6, Src: from, Dst: to}),
			allow(rule.Match{Protocol: 17, Src: from, Dst: to}),
		}, nil))
	}
	open := b.Policy(profile("open"), nil, []rule.Rule{allow(rule.Match{})})
	for i := range 2 {
		e := b.Endpoint(fmt.Sprintf("cali%d", i+1), []desired.TierPolicies{tier("default", rule.Deny, ids...)}, []rule.PolicyID{open}, fmt.Sprintf("10.65.0.%d", i+1))
		e.Tiers[rule.Egress] = nil
	}
	return b.State(t)
}
