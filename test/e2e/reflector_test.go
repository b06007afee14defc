// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// TestReflectorForMesh moves a running cluster from the full mesh to an external route reflector (GoBGP) and back, with a ToR (BIRD) beside
// it, while packets flow: sessions are made before others are broken, so nothing is lost.
func TestReflectorForMesh(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "reflector", Nodes: 3, Subnets: 2})
	c.shop()
	c.add("n3", "backend-beyond", "backend")
	c.converge()
	c.sessionsUp()
	fill := func(tr *traffic) {
		usual(tr)
		tr.ping("shop/backend-beyond", "shop/frontend-near")
		tr.ping(lab.External, "shop/backend-beyond")
		tr.denied(lab.External, "shop/database")
	}
	if err := c.StartReflector(t.Context()); err != nil {
		t.Fatal(err)
	}
	peers := c.reflectorPeers()
	mesh := func(on bool) {
		cfg := &v3.BGPConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "BGPConfiguration"}, ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		cfg.Spec.NodeToNodeMeshEnabled = &on
		c.apply(cfg)
		c.converge()
	}
	c.during("from the mesh to the reflector", fill, func() {
		for _, p := range peers {
			c.apply(p)
		}
		c.converge()
		c.sessionsUp()
		mesh(false)
		c.peerTypes(map[string]bool{"node-to-node mesh": false})
	})
	c.reached("through the reflector")
	c.add("n2", "late", "backend") // its route has only the reflector to travel by
	c.converge()
	c.during("from the reflector to the mesh", fill, func() {
		mesh(true)
		c.peerTypes(map[string]bool{"node-to-node mesh": true})
		c.sessionsUp()
		s, err := c.Store()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			if err := s.Delete(t.Context(), api.KeyOf(p), 0); err != nil {
				t.Fatal(err)
			}
		}
		c.converge()
	})
	c.reached("through the mesh again")
}

// reflectorPeers let every node call the reflector, in each family.
func (c *cluster) reflectorPeers() []*v3.BGPPeer {
	c.t.Helper()
	ns, err := c.Namespace("rr")
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	addrs, err := globalAddrs(ns)
	if err != nil || len(addrs) == 0 {
		c.t.Fatalf("addresses of the reflector: %v, %v", addrs, err)
	}
	var out []*v3.BGPPeer
	for i, a := range addrs {
		p := &v3.BGPPeer{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "BGPPeer"}, ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("reflector-%d", i)}}
		p.Spec.PeerIP, p.Spec.ASNumber, p.Spec.NodeSelector = a.String(), &v3.ASNumber{Value: lab.NodeAS}, "all()"
		out = append(out, p)
	}
	return out
}

// peerTypes waits until every node has, or has not, sessions of the types.
func (c *cluster) peerTypes(want map[string]bool) {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.eventually("BGP peers of "+node, func() error {
			s, err := c.status(node)
			if err != nil {
				return err
			}
			have := map[string]bool{}
			for _, p := range s.BGP.Peers {
				have[p.Type] = true
			}
			for kind, wanted := range want {
				if have[kind] != wanted {
					return fmt.Errorf("%s: %v, want %v", kind, have[kind], wanted)
				}
			}
			return nil
		})
	}
}

// reached probes everything, the host behind the ToR included.
func (c *cluster) reached(when string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	m, err := c.Matrix(ctx, nil, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", when, err)
	}
	for _, cell := range m.Mismatches() {
		c.t.Errorf("%s: %s is %s, expected %s: %s", when, cell.Flow, cell.Got, cell.Expected, cell.Why)
	}
	c.t.Logf("%s: %d allowed, %d denied", when, m.Count(probe.Allowed), m.Count(probe.Denied))
}
