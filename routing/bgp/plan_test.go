// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/weftnet/weft/desired"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// states are desired states and the engine configuration in testdata that each must become.
var states = map[string]*desired.BGP{
	"mesh": {
		AS: 64512, RouterID: addr("172.30.1.11"), ListenPort: 179,
		NextHops:  [2]netip.Addr{addr("172.30.1.11"), addr("fd30::11")},
		Advertise: prefixes("10.65.0.0/26", "fd65::/122"), ExportOnly: prefixes("10.65.0.0/16", "fd65::/48"),
		Peers: []desired.Peer{
			{Name: "Mesh_172_30_1_12", Kind: desired.PeerMesh, Addr: addr("172.30.1.12"), AS: 64512, Source: addr("172.30.1.11"), Passive: true, Password: "s3cret"},
			{Name: "Mesh_fd30__12", Kind: desired.PeerMesh, Addr: addr("fd30::12"), AS: 64512, Source: addr("fd30::11"), Passive: true},
		},
	},
	"reflector-and-tor": {
		AS: 64512, RouterID: addr("172.30.1.11"), ListenPort: 1790, Listen: []netip.Addr{addr("172.30.1.11")}, ClusterID: addr("244.0.0.1"),
		NextHops:  [2]netip.Addr{addr("172.30.1.11")},
		Advertise: prefixes("10.65.0.0/26", "10.65.9.9/32"), ExportOnly: prefixes("10.65.0.0/16"),
		Peers: []desired.Peer{
			{Name: "Global_172_30_1_1", Kind: desired.PeerGlobal, Addr: addr("172.30.1.1"), AS: 65001, LocalAS: 65100, TTLSecurity: 2, NextHop: desired.NextHopKeep},
			{Name: "Node_172_30_1_12", Kind: desired.PeerNode, Addr: addr("172.30.1.12"), AS: 64512, RRClient: true, NextHop: desired.NextHopSelf, KeepaliveSeconds: 5},
			{Name: "Node_172_30_9_9", Kind: desired.PeerNode, Addr: addr("172.30.9.9"), Port: 1179, AS: 65002, AllowLocalAS: 1, RestartSeconds: 300},
		},
	},
}

func TestPlanGolden(t *testing.T) {
	for name, want := range states {
		t.Run(name, func(t *testing.T) {
			p, err := newPlan(want)
			if err != nil {
				t.Fatal(err)
			}
			got := dump(t, p)
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(golden) {
				t.Errorf("engine configuration differs from %s (go test ./routing/bgp -update rewrites it):\n%s", file, got)
			}
		})
	}
}

func dump(t *testing.T, p *plan) string {
	var b strings.Builder
	section := func(title string, m proto.Message) {
		raw, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", title, &out)
	}
	section("global", p.global)
	section("policies", p.policies)
	for _, a := range slices.SortedFunc(maps.Keys(p.peers), netip.Addr.Compare) {
		section("peer "+p.peers[a].desired.Name, p.peers[a].conf)
	}
	for _, dst := range slices.SortedFunc(maps.Keys(p.own), netip.Prefix.Compare) {
		fmt.Fprintf(&b, "announce %s via %s\n", dst, p.own[dst])
	}
	fmt.Fprintf(&b, "wait %d s\n", p.wait)
	return b.String()
}

// TestPlanRefuses: what cannot be had is named; the rest goes on.
func TestPlanRefuses(t *testing.T) {
	good := *states["mesh"]
	for _, c := range []struct {
		name   string
		change func(*desired.BGP)
		words  []string
		peers  int // planned in spite of it; -1: no plan
	}{
		{"AS 0", func(b *desired.BGP) { b.AS = 0 }, []string{"AS number 0", "asNumber"}, -1},
		{"no router ID", func(b *desired.BGP) { b.RouterID = addr("fd30::11") }, []string{"router ID fd30::11"}, -1},
		{"peer AS 0", func(b *desired.BGP) { b.Peers[0].AS = 0 }, []string{"Mesh_172_30_1_12", "AS number 0"}, 1},
		{"peer without address", func(b *desired.BGP) { b.Peers[0].Addr = netip.Addr{} }, []string{"Mesh_172_30_1_12", "no address"}, 1},
		{"same address twice", func(b *desired.BGP) { b.Peers[1].Addr, b.Peers[1].Source = b.Peers[0].Addr, b.Peers[0].Source },
			[]string{"Mesh_fd30__12", "Mesh_172_30_1_12 has the address"}, 1},
		{"source of other family", func(b *desired.BGP) { b.Peers[0].Source = addr("fd30::11") }, []string{"Mesh_172_30_1_12", "source address fd30::11"}, 1},
		{"no next hop", func(b *desired.BGP) { b.NextHops[1] = netip.Addr{} }, []string{"fd65::/122", "no address of its family"}, 2},
		{"host bits", func(b *desired.BGP) { b.Advertise = prefixes("10.65.0.1/26") }, []string{"10.65.0.1/26"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := good
			bad.Peers = slices.Clone(good.Peers)
			c.change(&bad)
			p, err := newPlan(&bad)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if c.peers < 0 != (p == nil) || p != nil && len(p.peers) != c.peers {
				t.Errorf("plan %+v, want %d peers", p, c.peers)
			}
		})
	}
}
