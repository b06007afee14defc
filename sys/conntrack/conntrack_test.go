// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package conntrack_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/conntrack/conntracktest"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func shell(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// tracked makes the kernel track connections in the test's namespace, those to port 99 with their destination translated and those to
// port 77 in zone 7.
func tracked(t *testing.T) *conntrack.Conn {
	t.Helper()
	shell(t, "ip link set lo up")
	shell(t, `nft -f - <<'END'
table inet t {
  chain out { type filter hook output priority raw; udp dport 77 ct zone set 7; }
  chain in { type filter hook prerouting priority raw; udp sport 77 ct zone set 7; udp dport 77 ct zone set 7; }
  chain filter { type filter hook input priority 0; ct state invalid drop; }
  chain nat { type nat hook output priority -100; ip daddr 127.0.0.3 udp dport 99 dnat ip to 127.0.0.2:53; }
}
END`)
	t.Cleanup(func() { shell(t, "nft delete table inet t") })
	c, err := conntrack.Open(nil)
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

// send sends a datagram; an answer is not needed for a connection to be known.
func send(t *testing.T, from, to string) {
	t.Helper()
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	check(t, err)
	_, err = conn.Write([]byte("x"))
	check(t, err)
	check(t, conn.Close())
}

func udp(from, to string) conntrack.Tuple {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return conntrack.Tuple{Src: src.Addr(), Dst: dst.Addr(), Protocol: unix.IPPROTO_UDP, SrcPort: src.Port(), DstPort: dst.Port()}
}

// table is what the kernel's and the fake have in common.
type table interface {
	Count() (int, error)
	List(conntrack.Filter, func(conntrack.Flow)) error
	SetMark(flow conntrack.Flow, value, mask uint32) error
	Delete(flow conntrack.Flow) error
}

func count(t *testing.T, c table) int {
	t.Helper()
	n, err := c.Count()
	check(t, err)
	return n
}

func list(t *testing.T, c table, f conntrack.Filter) []conntrack.Flow {
	t.Helper()
	var out []conntrack.Flow
	check(t, c.List(f, func(flow conntrack.Flow) { out = append(out, flow) }))
	slices.SortFunc(out, func(a, b conntrack.Flow) int { return strings.Compare(a.Orig.String(), b.Orig.String()) })
	return slices.CompactFunc(out, func(a, b conntrack.Flow) bool { return a.ID == b.ID })
}

// TestParity does the same to the kernel and to the fake and compares what comes back.
func TestParity(t *testing.T) {
	kernel, fake := tracked(t), &conntracktest.Table{}
	for _, pair := range [][2]string{
		{"127.0.0.1:1001", "127.0.0.2:53"}, {"127.0.0.1:1002", "127.0.0.4:53"}, {"127.0.0.5:1003", "127.0.0.2:53"},
		{"127.0.0.1:1004", "127.0.0.2:77"}, {"[::1]:1005", "[::1]:53"},
	} {
		send(t, pair[0], pair[1])
		flow := conntrack.Flow{Orig: udp(pair[0], pair[1])}
		if flow.Orig.DstPort == 77 {
			flow.Zone = 7
		}
		fake.Put(flow)
	}
	send(t, "127.0.0.1:1006", "127.0.0.3:99")
	fake.Put(conntrack.Flow{Orig: udp("127.0.0.1:1006", "127.0.0.3:99"), Reply: udp("127.0.0.2:53", "127.0.0.1:1006")})

	addr := netip.MustParseAddr
	filters := []conntrack.Filter{
		{}, {Zone: 7}, {IPVersion: 4}, {IPVersion: 6}, {From: addr("127.0.0.1")}, {From: addr("127.0.0.9")}, {To: addr("127.0.0.2")}, {To: addr("127.0.0.3")}, {From: addr("::1")},
		{From: addr("127.0.0.1"), To: addr("127.0.0.2")}, {From: addr("127.0.0.1"), Zone: 7},
	}
	compare := func(when string) {
		t.Helper()
		for _, f := range filters {
			got, want := anonymous(list(t, kernel, f)), anonymous(list(t, fake, f))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %+v: the kernel lists\n%v\nthe fake\n%v", when, f, got, want)
			}
		}
		if got, want := count(t, kernel), count(t, fake); got != want || got == 0 {
			t.Errorf("%s: the kernel counts %d connections, the fake %d", when, got, want)
		}
	}
	compare("at first")
	if got := len(list(t, kernel, conntrack.Filter{})); got != 5 {
		t.Fatalf("%d connections in zone 0, want 5", got)
	}
	both := []table{kernel, fake}
	for _, c := range both {
		for _, f := range list(t, c, conntrack.Filter{From: addr("127.0.0.1")}) {
			check(t, c.SetMark(f, 0xf0, 0xff))
			check(t, c.SetMark(f, 0x3, 0x13))
		}
		check(t, c.SetMark(list(t, c, conntrack.Filter{Zone: 7})[0], 1, 1))
	}
	compare("marked")
	if got := list(t, kernel, conntrack.Filter{From: addr("127.0.0.1")})[0].Mark; got != 0xe3 {
		t.Errorf("mark %#x, want 0xe3", got)
	}
	for _, c := range both {
		one := list(t, c, conntrack.Filter{To: addr("127.0.0.4")})[0]
		later := one
		later.ID++
		if err := c.Delete(later); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("deleting a connection by a wrong ID: %v", err)
		}
		check(t, c.Delete(one))
		for what, err := range map[string]error{"delete": c.Delete(one), "mark": c.SetMark(one, 1, 1)} {
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "udp 127.0.0.1:1002 -> 127.0.0.4:53") {
				t.Errorf("%s of a connection that is gone: %v", what, err)
			}
		}
	}
	compare("after a deletion")
}

// anonymous takes away the identities, which the kernel draws at random.
func anonymous(flows []conntrack.Flow) []conntrack.Flow {
	for i := range flows {
		flows[i].ID = 0
	}
	return flows
}

func TestICMP(t *testing.T) {
	c := tracked(t)
	shell(t, "ping -c 1 -W 2 -e 300 127.0.0.6 && ping -6 -c 1 -W 2 -e 301 ::1")
	find := func(f conntrack.Filter) conntrack.Flow {
		t.Helper()
		flows := slices.DeleteFunc(list(t, c, f), func(f conntrack.Flow) bool { return f.Orig.ICMPID == 0 })
		if len(flows) != 1 {
			t.Fatalf("flows %v, want one", flows)
		}
		return flows[0]
	}
	v4, v6 := find(conntrack.Filter{To: netip.MustParseAddr("127.0.0.6")}), find(conntrack.Filter{To: netip.MustParseAddr("::1")})
	if v4.Orig.String() != "icmp 127.0.0.1 -> 127.0.0.6 type 8 code 0 id 300" || v6.Orig.ICMPType != 128 || v6.Orig.ICMPID != 301 {
		t.Errorf("flows %s and %s", v4.Orig, v6.Orig)
	}
	check(t, errors.Join(c.SetMark(v4, 1, 1), c.SetMark(v6, 1, 1), c.Delete(v4), c.Delete(v6)))
}

func TestText(t *testing.T) {
	tuple := conntrack.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: 47}
	if got := tuple.String(); got != "protocol 47 10.0.0.1 -> 10.0.0.2" {
		t.Errorf("%q", got)
	}
}

// TestMidway: what connection tracking has seen the beginning of is told from what it has not, whichever end's packet came first.
func TestMidway(t *testing.T) {
	shell(t, "ip link set lo up")
	early, earlyServer := connected(t)
	c := tracked(t)
	late, _ := connected(t)
	_, err := earlyServer.Write([]byte("x")) // an answer comes first
	check(t, err)
	_, err = late.Write([]byte("x"))
	check(t, err)
	midway := map[string]bool{}
	for _, f := range list(t, c, conntrack.Filter{}) {
		midway[netip.AddrPortFrom(f.Orig.Src, f.Orig.SrcPort).String()] = f.Midway
	}
	answering, opening := earlyServer.LocalAddr().String(), late.LocalAddr().String()
	if is, there := midway[answering]; !there || !is {
		t.Errorf("midway are %v; want that from %s", midway, answering)
	}
	if is, there := midway[opening]; !there || is {
		t.Errorf("midway are %v; want that from %s to be none, and %s to be one", midway, opening, early.LocalAddr())
	}
}

// connected returns both ends of a TCP connection.
func connected(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	client, err = net.Dial("tcp", ln.Addr().String())
	check(t, err)
	server, err = ln.Accept()
	check(t, err)
	t.Cleanup(func() { check(t, errors.Join(ln.Close(), client.Close(), server.Close())) })
	return client, server
}
