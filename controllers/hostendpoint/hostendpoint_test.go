// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package hostendpoint_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/hostendpoint"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

func node(name string, labels map[string]string) *v3.Node {
	return &v3.Node{ObjectMeta: v3.ObjectMeta{Name: name, Labels: labels}, Spec: v3.NodeSpec{
		BGP:                 &v3.NodeBGPSpec{IPv4Address: "192.0.2.1/24", IPv6Address: "2001:db8::1/64", IPv4IPIPTunnelAddr: "10.65.0.1"},
		IPv4VXLANTunnelAddr: "10.65.0.2", Wireguard: &v3.NodeWireguard{InterfaceIPv4Address: "10.65.0.3"},
		Addresses: []v3.NodeAddress{{Address: "192.0.2.1/24"}, {Address: "198.51.100.1"}},
	}}
}

func TestFor(t *testing.T) {
	n := node("n1", map[string]string{"rack": "a"})
	got := hostendpoint.For(n)
	want := v3.HostEndpointSpec{
		Node: "n1", InterfaceName: "*", Profiles: []string{"projectcalico-default-allow"},
		ExpectedIPs: []string{"192.0.2.1", "2001:db8::1", "10.65.0.1", "10.65.0.2", "10.65.0.3", "198.51.100.1"},
	}
	labels := map[string]string{"rack": "a", "projectcalico.org/created-by": "calico-kube-controllers"}
	if got.Name != "n1-auto-hep" || !reflect.DeepEqual(got.Spec, want) || !reflect.DeepEqual(got.Labels, labels) {
		t.Errorf("got %+v", got)
	}
	if len(n.Labels) != 1 {
		t.Error("the node's labels changed")
	}
	for _, hep := range []*v3.HostEndpoint{got, hostendpoint.For(&v3.Node{ObjectMeta: v3.ObjectMeta{Name: "bare"}})} {
		if found := api.Validate(hep, api.Checks{Selector: selector.ValidateSyntax}); len(found) > 0 {
			t.Errorf("%s is invalid: %v", hep.Name, found)
		}
	}
}

// names lists the host endpoints of a store.
func names(t *testing.T, s store.Store) []string {
	t.Helper()
	list, err := s.List(context.Background(), api.HostEndpoints, "")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, obj := range list.Items {
		out = append(out, obj.GetName())
	}
	return out
}

func TestReconcile(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()
	create := func(obj api.Object) api.Object {
		t.Helper()
		out, err := s.Create(ctx, obj)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	check := func(enabled bool, want ...string) {
		t.Helper()
		if err := hostendpoint.Reconcile(ctx, s, enabled); err != nil {
			t.Fatal(err)
		}
		if got := names(t, s); !slices.Equal(got, want) {
			t.Fatalf("host endpoints %v, want %v", got, want)
		}
	}
	create(&v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: "by-hand"}, Spec: v3.HostEndpointSpec{Node: "n1", InterfaceName: "eth0"}})
	first := create(node("n1", nil))
	create(node("n2", nil))
	check(false, "by-hand")
	check(true, "by-hand", "n1-auto-hep", "n2-auto-hep")

	key := api.Key{Resource: api.HostEndpoints, Name: "n1-auto-hep"}
	before, err := s.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	check(true, "by-hand", "n1-auto-hep", "n2-auto-hep")
	if again, err := s.Get(ctx, key); err != nil || again.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("written again without a change: %v, %v", again, err)
	}
	relabelled := api.Clone(first)
	relabelled.SetLabels(map[string]string{"rack": "b"})
	if _, err := s.Update(ctx, relabelled); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, api.Key{Resource: api.Nodes, Name: "n2"}, 0); err != nil {
		t.Fatal(err)
	}
	check(true, "by-hand", "n1-auto-hep")
	if now, err := s.Get(ctx, key); err != nil || now.GetLabels()["rack"] != "b" || now.GetUID() != before.GetUID() {
		t.Errorf("after the node was relabelled: %v, %v", now, err)
	}
	check(false, "by-hand")
}

func TestReconcileLeavesOthersAlone(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()
	taken := &v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: "n1-auto-hep"}, Spec: v3.HostEndpointSpec{Node: "n1", InterfaceName: "eth0"}}
	for _, obj := range []api.Object{taken, node("n1", nil), node("n2", nil)} {
		if _, err := s.Create(ctx, obj); err != nil {
			t.Fatal(err)
		}
	}
	err := hostendpoint.Reconcile(ctx, s, true)
	if err == nil || !strings.Contains(err.Error(), "host endpoint n1-auto-hep was not made by weft") {
		t.Errorf("error %v", err)
	}
	obj, err := s.Get(ctx, api.KeyOf(taken))
	if err != nil || obj.(*v3.HostEndpoint).Spec.InterfaceName != "eth0" {
		t.Errorf("the other's host endpoint is now %v, %v", obj, err)
	}
	if got := names(t, s); !slices.Equal(got, []string{"n1-auto-hep", "n2-auto-hep"}) {
		t.Errorf("host endpoints %v", got)
	}
	s.Disconnect(store.ErrUnavailable)
	if err := hostendpoint.Reconcile(ctx, s, true); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a datastore: %v", err)
	}
}

// TestUnreadableNodeKeepsItsHostEndpoint checks that nothing is deleted because a node cannot be read for the moment.
func TestUnreadableNodeKeepsItsHostEndpoint(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()
	if _, err := s.Create(ctx, node("n1", nil)); err != nil {
		t.Fatal(err)
	}
	if err := hostendpoint.Reconcile(ctx, s, true); err != nil {
		t.Fatal(err)
	}
	s.Inject(api.Key{Resource: api.Nodes, Name: "n1"}, []byte("no JSON"))
	if err := hostendpoint.Reconcile(ctx, s, true); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s); !slices.Equal(got, []string{"n1-auto-hep"}) {
		t.Errorf("host endpoints %v", got)
	}
}
