// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
)

// summary renders sessions on a line each: name, AS, port unless 179, and flags.
func summary(b *desired.BGP) string {
	if b == nil {
		return "no BGP"
	}
	var lines []string
	for _, p := range b.Peers {
		line := fmt.Sprintf("%s AS%d", p.Name, p.AS)
		if p.Port != 179 {
			line += fmt.Sprintf(" port %d", p.Port)
		}
		if p.LocalAS != 0 {
			line += fmt.Sprintf(" local AS%d", p.LocalAS)
		}
		if p.Passive {
			line += " passive"
		}
		if p.RRClient {
			line += " client"
		}
		line += [...]string{"", " self", " keep"}[p.NextHop]
		if !p.Source.IsValid() {
			line += " from anywhere"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func port(text string) intstr.IntOrString { return intstr.FromString(text) }

func as(n uint32) *v3.ASNumber { return &v3.ASNumber{Value: n} }

// rack returns three nodes; the second only on IPv4. As strings 192.0.2.10 < 192.0.2.9, 2001:db8::10 < 2001:db8::9.
func rack() []api.Object {
	return []api.Object{
		ct.Node(ct.Me, ct.Labels{"rack": "a"}, "192.0.2.10/24", "2001:db8::9/64"),
		ct.Node("n2", ct.Labels{"rack": "a"}, "192.0.2.9/24", ""),
		ct.Node("n3", ct.Labels{"rack": "b"}, "198.51.100.1/24", "2001:db8::10/64"),
	}
}

func reflector(name, addr, id string) *v3.Node {
	n := ct.Node(name, ct.Labels{"rr": "yes"}, addr, "")
	n.Spec.BGP.RouteReflectorClusterID = id
	return n
}

func peer(name string, edit func(*v3.BGPPeerSpec)) api.Object { return ct.BGPPeer(name, edit) }

// TestSessions states what the reference (§7.3) says, case by case.
func TestSessions(t *testing.T) {
	yes, no, port := true, false, 1790
	mesh := "Mesh_192_0_2_9 AS64512 passive\nMesh_198_51_100_1 AS64512 passive\nMesh_2001_db8__10 AS64512"
	toRR := func(s *v3.BGPPeerSpec) { s.NodeSelector, s.PeerSelector = "!has(rr)", "has(rr)" }
	tor := func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber = "192.0.2.254", as(65100) }
	config := func(edit func(*v3.BGPConfigurationSpec)) api.Object { return ct.BGPConfig("default", edit) }
	cases := map[string]struct {
		objects []api.Object
		want    string
	}{
		"mesh":                 {nil, mesh},
		"mesh off":             {[]api.Object{config(func(s *v3.BGPConfigurationSpec) { s.NodeToNodeMeshEnabled = &no })}, "no BGP"},
		"AS of cluster":        {[]api.Object{config(func(s *v3.BGPConfigurationSpec) { s.ASNumber = as(65001) })}, strings.ReplaceAll(mesh, "64512", "65001")},
		"port of one node":     {[]api.Object{ct.BGPConfig("node.n2", func(s *v3.BGPConfigurationSpec) { s.ListenPort = &port })}, strings.Replace(mesh, "2_9 AS64512", "2_9 AS64512 port 1790", 1)},
		"no BGP":               {[]api.Object{&v3.Node{ObjectMeta: v3.ObjectMeta{Name: ct.Me}}}, "no BGP"},
		"IPv6 alone":           {[]api.Object{ct.Node(ct.Me, nil, "", "2001:db8::9/64")}, "Mesh_2001_db8__10 AS64512"},
		"not with a reflector": {[]api.Object{reflector("n3", "198.51.100.1/24", "224.0.0.1")}, "Mesh_192_0_2_9 AS64512 passive"},
		"nor as a reflector":   {[]api.Object{reflector(ct.Me, "192.0.2.10/24", "224.0.0.1")}, ""},

		"global peer":                  {[]api.Object{peer("tor", tor)}, "Global_192_0_2_254 AS65100\n" + mesh},
		"global peer is me":            {[]api.Object{peer("me", func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber = "192.0.2.10", as(1) })}, mesh},
		"node peer with port":          {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.Node, s.PeerIP = ct.Me, "192.0.2.254:1179" })}, mesh + "\nNode_192_0_2_254_port_1179 AS65100 port 1179"},
		"other node's peer":            {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.Node = "n2" })}, mesh},
		"selected by rack":             {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.NodeSelector = "rack == 'a'" })}, mesh + "\nNode_192_0_2_254 AS65100"},
		"other rack":                   {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.NodeSelector = "rack == 'b'" })}, mesh},
		"peer of a family that I lack": {[]api.Object{ct.Node(ct.Me, nil, "192.0.2.10/24", ""), peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.PeerIP = "2001:db8::fe" })}, "Mesh_192_0_2_9 AS64512 passive\nMesh_198_51_100_1 AS64512 passive"},
		"settings": {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) {
			tor(s)
			s.NextHopMode, s.SourceAddress, s.LocalASNumber = "Self", "None", as(65200)
		})}, "Global_192_0_2_254 AS65100 local AS65200 self from anywhere\n" + mesh},
		"original next hop, eBGP": {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.KeepOriginalNextHop = &yes })}, "Global_192_0_2_254 AS65100 keep\n" + mesh},
		"original next hop, iBGP": {[]api.Object{peer("tor", func(s *v3.BGPPeerSpec) { tor(s); s.KeepOriginalNextHop, s.ASNumber = &yes, as(64512) })}, "Global_192_0_2_254 AS64512\n" + mesh},
		"node before global before mesh": {[]api.Object{
			peer("a", tor), peer("b", func(s *v3.BGPPeerSpec) { tor(s); s.Node = ct.Me }),
			peer("c", func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber = "192.0.2.9", as(64512) }),
		}, "Global_192_0_2_9 AS64512\nMesh_198_51_100_1 AS64512 passive\nMesh_2001_db8__10 AS64512\nNode_192_0_2_254 AS65100"},

		"client": {[]api.Object{reflector("n3", "198.51.100.1/24", "224.0.0.1"), peer("rr", toRR)}, "Mesh_192_0_2_9 AS64512 passive\nNode_198_51_100_1 AS64512 passive"},
		"client by hand": {[]api.Object{reflector("n3", "198.51.100.1/24", "224.0.0.1"), peer("rr", func(s *v3.BGPPeerSpec) { toRR(s); s.ReversePeering = "Manual" })},
			"Mesh_192_0_2_9 AS64512 passive\nNode_198_51_100_1 AS64512"},
		"reflector": {[]api.Object{reflector(ct.Me, "192.0.2.10/24", "224.0.0.1"), peer("rr", toRR)},
			"Node_192_0_2_9 AS64512 passive client\nNode_198_51_100_1 AS64512 passive client"},
		"reflector, peers set up by hand": {[]api.Object{reflector(ct.Me, "192.0.2.10/24", "224.0.0.1"), peer("rr", func(s *v3.BGPPeerSpec) { toRR(s); s.ReversePeering = "Manual" })}, ""},
		"reflector of the same cluster is no client": {[]api.Object{
			reflector(ct.Me, "192.0.2.10/24", "224.0.0.1"), reflector("n3", "198.51.100.1/24", "224.0.0.1"),
			peer("rr", func(s *v3.BGPPeerSpec) { s.NodeSelector, s.PeerSelector = "has(rr)", "has(rr)" }),
		}, "Node_198_51_100_1 AS64512 passive"},
		"reflector of another cluster is": {[]api.Object{
			reflector(ct.Me, "192.0.2.10/24", "224.0.0.1"), reflector("n3", "198.51.100.1/24", "224.0.0.2"),
			peer("rr", func(s *v3.BGPPeerSpec) { s.NodeSelector, s.PeerSelector = "has(rr)", "has(rr)" }),
		}, "Node_198_51_100_1 AS64512 passive client"},
		"nobody is a client over eBGP": {[]api.Object{reflector(ct.Me, "192.0.2.10/24", "224.0.0.1"), peer("tor", tor)}, "Global_192_0_2_254 AS65100"},
		"global peer selector, both ends": {[]api.Object{ct.Node(ct.Me, ct.Labels{"hub": ""}, "192.0.2.10/24", ""), config(func(s *v3.BGPConfigurationSpec) { s.NodeToNodeMeshEnabled = &no }),
			peer("hub", func(s *v3.BGPPeerSpec) { s.PeerSelector = "has(hub)" })}, "Node_192_0_2_9 AS64512 passive\nNode_198_51_100_1 AS64512 passive"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := summary(apply(append(rack(), c.objects...)...).View().BGP()); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestOneSideListens checks that of each pair of nodes in the mesh one waits for the other.
func TestOneSideListens(t *testing.T) {
	passive := map[string]bool{}
	for _, me := range []string{ct.Me, "n2", "n3"} {
		g := calcFor(me, rack()...)
		for _, p := range g.View().BGP().Peers {
			passive[p.Source.String()+" waits for "+p.Addr.String()] = p.Passive
		}
	}
	for pair, waits := range passive {
		a, b, _ := strings.Cut(pair, " waits for ")
		if passive[b+" waits for "+a] == waits {
			t.Errorf("%s: %t, and the same the other way round", pair, waits)
		}
	}
	if len(passive) != 8 {
		t.Errorf("%d ends of sessions, want 8: %v", len(passive), passive)
	}
}

func TestSpeaker(t *testing.T) {
	g := apply(append(rack(), ct.Affinity(ct.Me, "10.65.0.0/26"), ct.Affinity("n2", "10.65.1.0/26"), ct.Pool("p", "10.65.0.0/16"),
		ct.Endpoint("prod/own", ct.Me, nil, "10.65.0.1"), ct.Endpoint("prod/borrowed", ct.Me, nil, "10.65.1.1"))...)
	b := g.View().BGP()
	if got := fmt.Sprint(b.Advertise, b.ExportOnly, b.RouterID, b.NextHops, b.Listen); got !=
		"[10.65.0.0/26 10.65.1.1/32] [10.65.0.0/16] 192.0.2.10 [192.0.2.10 2001:db8::9] []" {
		t.Error(got)
	}
	var routes []string
	for r := range g.View().Routes() {
		routes = append(routes, r.Dst.String()+" "+r.Kind.String()+" "+r.Interface)
	}
	if got := strings.Join(routes, ", "); got != "10.65.0.0/26 blackhole , 10.65.0.1/32 local caliown, 10.65.1.1/32 local caliborrowed" {
		t.Error(got)
	}
	only6 := apply(ct.Node(ct.Me, nil, "", "2001:db8::9/64")).View().BGP()
	if !only6.RouterID.Is4() || only6.RouterID == netip.IPv4Unspecified() {
		t.Errorf("router ID without IPv4 address: %s", only6.RouterID)
	}
}
