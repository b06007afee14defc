// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

func weftNode(name string) *v3.Node {
	return &v3.Node{ObjectMeta: v3.ObjectMeta{Name: name, Annotations: map[string]string{v3.AgentInstanceAnnotation: "i"}}}
}

// TestLeaks: an address without an owner is a leak where weft knows the owners, and nowhere else.
func TestLeaks(t *testing.T) {
	w := newWorld(t, &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "p"}, Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/24"}})
	a := w.node("n1")
	pod := func(node, handle string) string {
		return w.assign(a, Request{Handle: handle, IPv4: true, Attrs: map[string]string{"node": node, "namespace": "prod", "pod": handle}})
	}
	used := pod("n1", "alive")
	pod("n1", "gone")
	pod("calico", "calicos")
	pod("away", "away")
	w.assign(a, Request{Handle: "t1", IPv4: true, Attrs: map[string]string{"node": "n1", "type": "vxlanTunnelAddress"}})
	w.assign(a, Request{Handle: "t2", IPv4: true, Attrs: map[string]string{"node": "away", "type": "ipipTunnelAddress"}})
	w.assign(a, Request{Handle: "lb-1", IPv4: true, Attrs: map[string]string{"service": "s", "namespace": "prod", "type": "loadBalancer"}})
	w.assign(a, Request{Handle: "unknown", IPv4: true})
	first := pod("n1", "half") // one of its addresses is in use
	pod2 := w.assign(a, Request{Handle: "half2", IPv4: true, Attrs: map[string]string{"node": "n1", "namespace": "prod"}})
	endpoint := &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Name: "e", Namespace: "prod"}}
	endpoint.Spec.IPNetworks = []string{used + "/32", first + "/32", pod2 + "/32"}
	objects := []api.Object{endpoint, weftNode("n1"), &v3.Node{ObjectMeta: v3.ObjectMeta{Name: "calico"}}}
	list, err := w.store.List(t.Context(), api.IPAMBlocks, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, leak := range Leaks(append(objects, list.Items...)) {
		got = append(got, fmt.Sprintf("%s %v %d %s", leak.Handle, leak.NodeGone, len(leak.Addrs), leak.Reason))
		if err := a.ReleaseAddrs(t.Context(), leak.Addrs...); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"away true 1 its node is gone, and there is no WorkloadEndpoint with the address",
		"gone false 1 there is no WorkloadEndpoint with the address",
		"t2 true 1 its node is gone",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("leaks\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list, err = w.store.List(t.Context(), api.IPAMBlocks, ""); err != nil || len(Leaks(append(objects, list.Items...))) > 0 {
		t.Errorf("after the release: %v", err)
	}
}

// TestVirtualNode: blocks of a virtual node are its own, and no node's of the same name.
func TestVirtualNode(t *testing.T) {
	pool := &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "lb"}, Spec: v3.IPPoolSpec{CIDR: "10.7.0.0/24", AllowedUses: []string{v3.UseLoadBalancer}}}
	w := newWorld(t, pool)
	a := New(w.store, Options{Node: LoadBalancerNode, Virtual: true})
	defer a.Close()
	first := w.assign(a, Request{Handle: "lb-a", IPv4: true, Use: v3.UseLoadBalancer})
	again := New(w.store, Options{Node: LoadBalancerNode, Virtual: true})
	defer again.Close()
	second := w.assign(again, Request{Handle: "lb-b", IPv4: true, Use: v3.UseLoadBalancer})
	if first == second || first[:7] != second[:7] {
		t.Errorf("addresses %s and %s", first, second)
	}
	var objects []api.Object
	for _, r := range []api.Resource{api.IPPools, api.IPAMBlocks, api.BlockAffinities, api.IPAMHandles} {
		list, err := w.store.List(t.Context(), r, "")
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, list.Items...)
	}
	if found := Check(objects); len(found) > 0 {
		t.Errorf("check: %v", found)
	}
	affinity := objects[2].(*v3.BlockAffinity).Spec
	if owner := *objects[1].(*v3.IPAMBlock).Spec.Affinity; owner != "virtual:load-balancer" || affinity.Type != "virtual" || len(objects) != 5 {
		t.Errorf("owner %s, affinity %+v", owner, affinity)
	}
	if err := w.node("n1").ReleaseNode(t.Context(), LoadBalancerNode); err != nil {
		t.Fatal(err)
	}
	if list, err := w.store.List(t.Context(), api.BlockAffinities, ""); err != nil || len(list.Items) != 1 {
		t.Errorf("released as a node's: %v, %v", list, err)
	}
}
