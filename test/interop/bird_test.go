// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
)

const (
	torAS = 65001
	// behind is what the top-of-rack switch has at its back, and announces; so is a default route.
	behind4, behind6 = "203.0.113.1", "fd99::1"
)

// birdConf is BIRD 2 as a top-of-rack switch: it announces what is behind it and a default route to the nodes, and routes by what
// they announce.
const birdConf = `
log stderr all;
router id %[1]s;
graceful restart wait 30;
protocol device {}
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol static { ipv4; route 203.0.113.0/24 unreachable; route 0.0.0.0/0 unreachable; }
protocol static { ipv6; route fd99::/64 unreachable; route ::/0 unreachable; }
template bgp node { local as 65001; graceful restart on; error wait time 1, 2; connect retry time 2; }
`

const birdPeer = `
protocol bgp n%[1]d_4 from node { neighbor %[2]s as 64512; ipv4 { import all; export where source = RTS_STATIC; }; }
protocol bgp n%[1]d_6 from node { neighbor %[3]s as 64512; ipv6 { import all; export where source = RTS_STATIC; }; }
`

// bird runs BIRD on machine i with sessions to the nodes.
func (f *fabric) bird(i int, nodes ...*node) *machine {
	f.t.Helper()
	m := f.machine(i)
	m.network(behind4+"/24", behind6+"/64")
	conf := fmt.Sprintf(birdConf, m.v4)
	for _, n := range nodes {
		conf += fmt.Sprintf(birdPeer, n.i, n.v4, n.v6)
	}
	file := filepath.Join(m.dir, "bird.conf")
	f.check(os.WriteFile(file, []byte(conf), 0o600))
	m.start(nil, "bird", "-f", "-c", file, "-s", filepath.Join(m.dir, "bird.ctl"))
	return m
}

func (m *machine) birdc(args ...string) string {
	return m.run(append([]string{"birdc", "-s", filepath.Join(m.dir, "bird.ctl")}, args...)...)
}

// TestBIRD: a top-of-rack switch in another AS. Workloads reach what is behind it and are reached from there, also while the node's
// process is killed and started again.
func TestBIRD(t *testing.T) {
	f := newFabric(t, "bird")
	a, b := f.node(11), f.node(12)
	tor := f.bird(1, a)
	a.peer(1, torAS)
	mesh(a, b)
	fabricRoutes := []string{"0.0.0.0/0", "203.0.113.0/24", "::/0", "fd99::/64"}
	a.holds(append(blocksOf(12), fabricRoutes...)...)
	// b hears of its mesh peer's block, and by iBGP of the switch's routes, for they lie outside the pools: not at all.
	b.holds(blocksOf(11)...)
	f.eventually(func() (string, bool) {
		got := tor.birdc("show", "route", "where", "source", "=", "RTS_BGP")
		ok := true
		for _, block := range blocksOf(11, 12) {
			ok = ok && strings.Contains(got, block)
		}
		return "BIRD lacks blocks:\n" + got, ok
	})
	if n := strings.Count(tor.birdc("show", "route", "where", "source", "=", "RTS_BGP"), "[n11_"); n != 4 {
		t.Errorf("BIRD has %d routes of node 11, want 4:\n%s", n, tor.birdc("show", "route"))
	}
	if got := tor.birdc("show", "protocols", "all", "n11_4"); !strings.Contains(got, "Graceful restart") {
		t.Errorf("no graceful restart agreed:\n%s", got)
	}
	for _, to := range []string{behind4, behind6} {
		f.reach(a.pods[0], netip.MustParseAddr(to))
	}
	v4, v6 := podAddrs(11)
	remote4, _ := podAddrs(12)
	f.reach(tor.ns, v4)
	f.reach(tor.ns, v6)
	f.reach(tor.ns, remote4) // learned by iBGP, announced by eBGP
	stop4, stop6 := f.flood(tor.ns, v4), f.flood(tor.ns, v6)
	f.check(a.process.Kill())
	f.eventually(func() (string, bool) {
		got := tor.birdc("show", "protocols", "n11_4")
		return "BIRD does not notice:\n" + got, !strings.Contains(got, "Established")
	})
	a.up()
	f.eventually(func() (string, bool) { return "sessions do not come back", a.sessions() == 4 })
	a.holds(append(blocksOf(12), fabricRoutes...)...)
	f.eventually(func() (string, bool) { return "not everything was heard", a.ask().Status.Complete })
	stop4()
	stop6()
	if got := tor.birdc("show", "route", "table", "master4"); !strings.Contains(got, "10.65.11.0/26") {
		t.Errorf("BIRD lost the block:\n%s", got)
	}
}

// TestBIRDOptions: a password, TTL security, another local AS number.
func TestBIRDOptions(t *testing.T) {
	f := newFabric(t, "opts")
	a := f.node(11)
	a.want.BGP.Peers = []desired.Peer{{
		Name: "Global_tor", Kind: desired.PeerGlobal, Addr: netip.MustParseAddr("172.30.1.1"), AS: torAS,
		LocalAS: 65100, Password: "s3cret", TTLSecurity: 1, KeepaliveSeconds: 3,
	}}
	tor := f.machine(1)
	conf := fmt.Sprintf(birdConf, tor.v4) + `
protocol bgp n11_4 from node { neighbor 172.30.1.11 as 65100; password "s3cret"; ttl security on; ipv4 { import all; export all; }; }`
	file := filepath.Join(tor.dir, "bird.conf")
	f.check(os.WriteFile(file, []byte(conf), 0o600))
	tor.start(nil, "bird", "-f", "-c", file, "-s", filepath.Join(tor.dir, "bird.ctl"))
	a.up()
	a.holds("0.0.0.0/0", "203.0.113.0/24")
	all := tor.birdc("show", "protocols", "all", "n11_4")
	for _, want := range []string{"Established", "Neighbor AS:      65100", "/9"} { // the negotiated hold time
		if !strings.Contains(all, want) {
			t.Errorf("BIRD lacks %q:\n%s", want, all)
		}
	}
	if got := tor.birdc("show", "route", "all", "10.65.11.0/26"); !strings.Contains(got, "BGP.as_path: 65100") {
		t.Errorf("AS path:\n%s", got)
	}
}
