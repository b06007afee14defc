// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
)

func TestProblems(t *testing.T) {
	named := func(name string) *v3.NetworkPolicy {
		return ct.Policy("prod/p", func(s *v3.NetworkPolicySpec) { s.Tier = name })
	}
	twin := ct.Endpoint("prod/twin", ct.Me, nil, "10.65.0.1")
	sameLink := ct.Endpoint("prod/other", ct.Me, nil, "10.65.0.2")
	sameLink.Spec.InterfaceName = "calidb"
	noLink := ct.Endpoint("prod/nolink", ct.Me, nil, "10.65.0.3")
	noLink.Spec.InterfaceName = ""
	cases := map[string]struct {
		bad, mend api.Object
		want      []string // resource name: part of the reason
	}{
		"missing tier":     {named("security"), ct.Tier("security", 1, v3.Deny), []string{"prod/p spec.tier: tier security does not exist"}},
		"missing profile":  {ct.Endpoint("dev/x", ct.Me, nil, "10.65.0.9"), ct.Namespace("dev", nil), []string{"Namespace dev", "ServiceAccount dev/default"}},
		"address twice":    {twin, nil, []string{"prod/n1-k8s-db-eth0 spec.ipNetworks: endpoint prod/n1-k8s-twin-eth0, which goes before it, has address 10.65.0.1"}},
		"interface twice":  {sameLink, nil, []string{"prod/n1-k8s-db-eth0 spec.interfaceName: endpoint prod/n1-k8s-other-eth0, which goes before it, has interface calidb"}},
		"no interface":     {noLink, nil, []string{"prod/n1-k8s-nolink-eth0 spec.interfaceName: required"}},
		"no such selector": {guard("app = 'x'"), guard("app == 'x'"), []string{`prod/guard spec.ingress[0].source.selector: selector "app = 'x'", column 5`}},
		"unknown peer": {stranger(clusterpolicy.IngressPeer{}), stranger(clusterpolicy.IngressPeer{Namespaces: &metav1.LabelSelector{}}),
			[]string{"guard spec.ingress[0].from[0]: states 0 fields that are known, not one: the rule denies everything instead"}},
		"AS number 0": {ct.BGPConfig("default", func(s *v3.BGPConfigurationSpec) { s.ASNumber = &v3.ASNumber{} }), ct.BGPConfig("default", func(*v3.BGPConfigurationSpec) {}), []string{"default spec.asNumber"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := apply(base()...)
			put := func(obj api.Object) {
				g.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: 9}})
				g.Flush()
			}
			put(c.bad)
			expect(t, g, c.want)
			if c.mend != nil {
				put(c.mend)
				expect(t, g, c.want[1:])
			}
			g.Apply(deletions(c.bad))
			g.Flush()
			expect(t, g, nil)
		})
	}
}

// stranger is a policy that denies a peer.
func stranger(peer clusterpolicy.IngressPeer) api.Object {
	return ct.ClusterPolicy("guard", clusterpolicy.TierAdmin, 1, func(s *clusterpolicy.ClusterNetworkPolicySpec) {
		s.Ingress = []clusterpolicy.ClusterIngressRule{{Action: clusterpolicy.Deny, From: []clusterpolicy.IngressPeer{peer}}}
	})
}

func TestTwoNodesWithOneAddress(t *testing.T) {
	node := func(name string) api.Object { return ct.Node(name, nil, "192.0.2.1/24", "") }
	g := apply(node("n8"))
	expect(t, g, nil)
	g.Apply(changes(node("n9")))
	g.Flush()
	expect(t, g, []string{"n8 spec.bgp.ipv4Address: 192.0.2.1 is also the address of node n9", "n9 spec.bgp.ipv4Address: 192.0.2.1 is also the address of node n8"})
	g.Apply(deletions(node("n8")))
	g.Flush()
	expect(t, g, nil)
}

func TestTwoPeersForOneSession(t *testing.T) {
	tor := func(name, mode string) api.Object {
		return peer(name, func(s *v3.BGPPeerSpec) { s.PeerIP, s.ASNumber, s.NextHopMode = "192.0.2.254", as(65100), mode })
	}
	expect(t, apply(append(rack(), tor("a", "Self"), tor("b", "Self"))...), nil)
	expect(t, apply(append(rack(), tor("a", "Self"), tor("b", "Keep"))...), []string{"b spec: the session with 192.0.2.254 is set up as BGPPeer a says, which differs"})
	bothWays := peer("both", func(s *v3.BGPPeerSpec) { s.PeerSelector, s.LocalASNumber = "all()", as(65200) })
	expect(t, apply(append(rack(), bothWays)...), nil)
}

// expect checks that the graph has these problems, given by parts of their text, and no others.
func expect(t *testing.T, g *calc.Graph, want []string) {
	t.Helper()
	got := g.Problems()
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d: %v", len(got), len(want), got)
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(p calc.Problem) bool {
			return strings.Contains(fmt.Sprintf("%s %s: %s", p.Key, p.Field, p.Reason), w)
		}) {
			t.Errorf("no problem says %q: %v", w, got)
		}
	}
}

// TestRefusedObjectsTellWhatIsInForce: of a refused object a version from before is in force, or nothing.
func TestRefusedObjectsTellWhatIsInForce(t *testing.T) {
	wep := ct.Endpoint("prod/x", "n9", nil, "10.65.0.9")
	for name, good := range map[string]api.Object{"policy": guard("app == 'x'"), "many": wep, "set": ct.NetworkSet("prod/s", nil, "192.0.2.0/24")} {
		g := calc.New(ct.Me)
		key := api.KeyOf(good)
		check := func(when string, inForce bool) {
			t.Helper()
			g.Apply([]calc.Change{{Key: key, Err: errors.New("garbage"), Revision: 9}})
			g.Flush()
			at := slices.IndexFunc(g.Problems(), func(p calc.Problem) bool { return p.Key == key && p.Refused })
			if at < 0 || g.Problems()[at].InForce != inForce || strings.Contains(g.Problems()[at].Text(), "stays in force") != inForce {
				t.Errorf("%s, %s: %+v", name, when, g.Problems())
			}
		}
		check("never valid", false)
		g.Apply(changes(good))
		check("was valid", true)
		check("twice", true)
		g.Apply(deletions(good))
		check("deleted in between", false)
	}
}
