// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

const many = 10_000

// manyBlocks are the /26 blocks of 10.128.0.0/9, as far as needed.
func manyBlocks() (list []netip.Prefix) {
	for i := range many {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 128 | byte(i>>10), byte(i >> 2), byte(i << 6)}), 26))
	}
	return list
}

// rss returns the resident memory of the node's process in MB.
func (n *node) rss() float64 {
	n.f.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.PID))
	n.f.check(err)
	for line := range strings.Lines(string(raw)) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			return kb / 1024
		}
	}
	n.f.t.Fatal("no VmRSS")
	return 0
}

// BenchmarkConverge announces 10,000 prefixes on one node until they are in the kernel of another, over one session, and withdraws
// them. It reports the memory of both processes at rest before and after.
func BenchmarkConverge(b *testing.B) {
	f := newFabric(b, "bench")
	from, to := f.node(11), f.node(12)
	from.want.BGP.ExportOnly = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	table, err := netlink.OpenRoutes(to.ns)
	f.check(err)
	defer func() { _ = table.Close() }()
	count := func(want int) {
		f.eventually(func() (string, bool) {
			list, err := table.List(own.RouteProtocolBGP)
			f.check(err)
			return fmt.Sprintf("%d routes of %d", len(list), want), len(list) == want
		})
	}
	from.peer(12, nodeAS)
	to.peer(11, nodeAS)
	from.up()
	to.up()
	count(2)
	idle := to.rss()
	few := from.want.BGP.Advertise
	var up, down time.Duration
	for b.Loop() {
		from.want.BGP.Advertise = append(few[:2:2], manyBlocks()...)
		start := time.Now()
		from.up()
		count(many + 2)
		up += time.Since(start)
		from.want.BGP.Advertise = few
		start = time.Now()
		from.up()
		count(2)
		down += time.Since(start)
	}
	from.want.BGP.Advertise = append(few[:2:2], manyBlocks()...)
	from.up()
	count(many + 2)
	b.ReportMetric(up.Seconds()/float64(b.N), "s/announce")
	b.ReportMetric(down.Seconds()/float64(b.N), "s/withdraw")
	b.ReportMetric(idle, "MB-idle")
	b.ReportMetric(from.rss(), "MB-sender")
	b.ReportMetric(to.rss(), "MB-receiver")
}
