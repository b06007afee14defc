// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
)

const gobgpdConf = `
[global.config]
as = 64512
router-id = "%s"
`

const gobgpdPeer = `
[[neighbors]]
[neighbors.config]
neighbor-address = "%[1]s"
peer-as = 64512
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "244.0.0.1"
[neighbors.transport.config]
passive-mode = true
[neighbors.graceful-restart.config]
enabled = true
restart-time = 120
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "%[2]s-unicast"
[neighbors.afi-safis.mp-graceful-restart.config]
enabled = true
`

// TestGoBGPReflector: no mesh, but GoBGP's daemon as an external route reflector between the nodes.
func TestGoBGPReflector(t *testing.T) {
	f := newFabric(t, "rr")
	a, b := f.node(11), f.node(12)
	rr := f.machine(1)
	conf := fmt.Sprintf(gobgpdConf, rr.v4)
	for _, n := range []*node{a, b} {
		conf += fmt.Sprintf(gobgpdPeer, n.v4, "ipv4") + fmt.Sprintf(gobgpdPeer, n.v6, "ipv6")
		n.peer(1, nodeAS, func(p *desired.Peer) { p.Kind = desired.PeerGlobal })
	}
	file := filepath.Join(rr.dir, "gobgpd.toml")
	f.check(os.WriteFile(file, []byte(conf), 0o600))
	rr.start(nil, "gobgpd", "-f", file, "--api-hosts", "127.0.0.1:50051", "--pprof-disable")
	a.up()
	b.up()
	a.holds(blocksOf(12)...)
	b.holds(blocksOf(11)...)
	v4, v6 := podAddrs(12)
	f.reach(a.pods[0], v4)
	f.reach(a.pods[0], v6)
	rib := rr.run("gobgp", "global", "rib")
	if !strings.Contains(rib, "10.65.11.0/26") || !strings.Contains(rib, "10.65.12.0/26") {
		t.Errorf("the reflector lacks blocks:\n%s", rib)
	}
	stop := f.flood(a.pods[0], v4)
	f.check(b.process.Kill())
	f.eventually(func() (string, bool) {
		got := rr.run("gobgp", "neighbor")
		return "the reflector does not notice:\n" + got, strings.Count(got, "Establ") == 2
	})
	b.up()
	f.eventually(func() (string, bool) { return "sessions do not come back", b.sessions() == 2 })
	f.eventually(func() (string, bool) { return "not everything was heard", b.ask().Status.Complete })
	b.holds(blocksOf(11)...)
	stop()
}
