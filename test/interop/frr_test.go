// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const frrConf = `
router bgp 65001
 bgp router-id %[1]s
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 neighbor %[2]s remote-as 64512
 neighbor %[3]s remote-as 64512
 address-family ipv4 unicast
  network 203.0.113.0/24
  no neighbor %[3]s activate
 exit-address-family
 address-family ipv6 unicast
  network fd99::/64
  neighbor %[3]s activate
 exit-address-family
`

// TestFRR: FRR's bgpd and zebra as a neighbour in another AS.
func TestFRR(t *testing.T) {
	const daemons = "/usr/lib/frr/"
	if _, err := os.Stat(daemons + "bgpd"); err != nil {
		t.Skipf("FRR is not installed (%v); apt-get install frr", err)
	}
	f := newFabric(t, "frr")
	a := f.node(11)
	a.peer(1, 65001)
	m := f.machine(1)
	m.network(behind4+"/24", behind6+"/64")
	dir := frrDir(t)
	conf := filepath.Join(dir, "frr.conf")
	f.check(os.WriteFile(conf, fmt.Appendf(nil, frrConf, m.v4, a.v4, a.v6), 0o644))
	for _, d := range []string{"zebra", "bgpd"} {
		m.start(nil, daemons+d, "-f", conf, "-z", filepath.Join(dir, "zserv"), "-i", filepath.Join(dir, d+".pid"),
			"--vty_socket", dir, "-P", "0", "--log", "stdout")
	}
	a.up()
	a.holds("203.0.113.0/24", "fd99::/64")
	v4, v6 := podAddrs(11)
	f.reach(m.ns, v4)
	f.reach(m.ns, v6)
	got := m.run("vtysh", "--vty_socket", dir, "-c", "show bgp ipv4 unicast", "-c", "show bgp ipv6 unicast")
	for _, block := range blocksOf(11) {
		if !strings.Contains(got, block) {
			t.Errorf("FRR lacks %s:\n%s", block, got)
		}
	}
}

// frrDir makes a directory for FRR's daemons, which give up root for their own user before they write.
func frrDir(t *testing.T) string {
	t.Helper()
	account, err := user.Lookup("frr")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "weft-frr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	return dir
}
