// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

func TestChoosePools(t *testing.T) {
	node := &v3.Node{ObjectMeta: v3.ObjectMeta{Name: "n1", Labels: map[string]string{"rack": "1"}}}
	shop := &corev1.Namespace{ObjectMeta: v3.ObjectMeta{Name: "shop", Labels: map[string]string{"env": "prod"}}}
	w := newWorld(t, node, shop,
		pool("a-disabled", "10.0.0.0/24", func(s *v3.IPPoolSpec) { s.Disabled = to(true) }),
		pool("b-manual", "10.1.0.0/24", func(s *v3.IPPoolSpec) { s.AssignmentMode = "Manual" }),
		pool("c-rack2", "10.2.0.0/24", func(s *v3.IPPoolSpec) { s.NodeSelector = "rack == '2'" }),
		pool("d-prod", "10.3.0.0/24", func(s *v3.IPPoolSpec) {
			s.NamespaceSelector, s.AllowedUses = "env == 'prod'", []string{"Workload"}
		}),
		pool("e-tunnel", "10.4.0.0/24", func(s *v3.IPPoolSpec) { s.AllowedUses = []string{"Tunnel"} }),
		pool("g-typo", "10.6.0.0/24", func(s *v3.IPPoolSpec) { s.NodeSelector = "rack = '2'" }),
	)
	a := w.node("n1")
	all := Request{Handle: "x", IPv4: true}
	w.refused(a, all, ErrNoPool, "a-disabled (10.0.0.0/24) is disabled", "b-manual (10.1.0.0/24) has assignmentMode Manual",
		`c-rack2 (10.2.0.0/24) has nodeSelector rack == "2", which does not select the node`, "d-prod (10.3.0.0/24) has namespaceSelector",
		"e-tunnel (10.4.0.0/24) has allowedUses Tunnel, without Workload", "g-typo is ignored: spec.nodeSelector:")
	w.refused(a, Request{Handle: "x", IPv6: true}, ErrNoPool, "IPv6", "g-typo")
	w.refused(a, Request{Handle: "x", IPv4: true, Pools4: []string{"nope"}}, ErrNoPool, `"nope" does not exist`)
	w.refused(a, Request{Handle: "x", IPv4: true, Pools4: []string{"g-typo"}}, ErrNoPool, `"g-typo" is ignored`)
	w.refused(a, Request{Handle: "x", IPv4: true, Pools4: []string{"c-rack2", "a-disabled"}}, ErrNoPool, "requested pool a-disabled (10.0.0.0/24) is disabled")
	w.refused(a, Request{Handle: "x", IPv6: true, Pools6: []string{"c-rack2"}}, ErrNoPool, "requested for IPv6")
	w.refused(a, Request{Handle: "x", IPv4: true, Pools4: []string{}}, ErrNoPool, "list of requested IPv4 pools is empty")
	for _, r := range []struct {
		Request
		from string
	}{
		{Request{Handle: "1", IPv4: true, Namespace: "shop"}, "10.3.0.0/24"},
		{Request{Handle: "2", IPv4: true, Pools4: []string{"c-rack2"}}, "10.2.0.0/24"},
		{Request{Handle: "3", IPv4: true, Pools4: []string{"10.1.0.0/24"}}, "10.1.0.0/24"},
		{Request{Handle: "4", IPv4: true, Use: v3.UseTunnel}, "10.4.0.0/24"},
	} {
		if got := w.assign(a, r.Request); !netipPrefix(r.from).Contains(addrs(got)[0]) {
			t.Errorf("%+v got %s, want one of %s", r.Request, got, r.from)
		}
	}
	w.sound(true)
}

// Of two pools that overlap the younger one is not used; of two of one age, the second by name.
func TestOverlappingPools(t *testing.T) {
	w := newWorld(t, pool("a", "10.0.0.0/24"), pool("b", "10.0.0.0/16", blockSize(28)))
	w.refused(w.node("n1"), Request{Handle: "x", IPv4: true, Pools4: []string{"b"}}, ErrNoPool, "overlaps 10.0.0.0/24 of IPPool a")
	w.assign(w.node("n1"), Request{Handle: "x", IPv4: true})
	w.sound(true)
}

func TestNoPoolAtAll(t *testing.T) {
	w := newWorld(t)
	w.refused(w.node("n1"), Request{Handle: "x", IPv4: true}, ErrNoPool, "there is no IPv4 pool; create an IPPool")
}

// A pool that was created just now counts, even if the watch has not told of it yet.
func TestPoolCreatedJustNow(t *testing.T) {
	w := newWorld(t)
	a := w.node("n1")
	for range 50 {
		w.refused(a, Request{Handle: "x", IPv4: true}, ErrNoPool)
		w.create(pool("p", "10.0.0.0/24"))
		w.assign(a, Request{Handle: "x", IPv4: true})
		w.release(a, "x")
		w.delete(poolKey("p"))
		for w.stale(a) {
			time.Sleep(time.Millisecond)
		}
	}
}

// stale reports that the allocator's watch has not seen yet that there is no pool.
func (w *world) stale(a *Allocator) bool {
	s, err := a.settings.get(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(s.pools) > 0
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24"))
	for text, r := range map[string]Request{
		"the handle is missing":              {IPv4: true},
		"no family asked for":                {Handle: "x"},
		"more than one IPv4 address":         {Handle: "x", Addrs: addrs("10.0.0.1", "10.0.0.2")},
		"is no plain IPv4 or IPv6 address":   {Handle: "x", Addrs: addrs("fe80::1%eth0")},
		`"::ffff:10.0.0.1" is no plain IPv4`: {Handle: "x", Addrs: addrs("::ffff:10.0.0.1")},
	} {
		if _, err := w.node("n1").Assign(t.Context(), r); err == nil || !contains(err.Error(), text) {
			t.Errorf("Assign(%+v) = %v, want %q", r, err, text)
		}
	}
}
