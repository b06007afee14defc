// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/weftnet/weft/agent/nodeaddr"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

var nodeKey = api.Key{Resource: api.Nodes, Name: "n1"}

func claimOf(instance, address string) claim {
	return claim{name: "n1", instance: instance, addrs: addresses{v4: nodeaddr.Decision{Value: netip.MustParsePrefix(address)}}}
}

func nodeIn(t *testing.T, s store.Store) *v3.Node {
	t.Helper()
	obj, err := s.Get(t.Context(), nodeKey)
	if err != nil {
		t.Fatal(err)
	}
	return obj.(*v3.Node)
}

func TestClaimKeepsWhatTheUserWrote(t *testing.T) {
	s := memstore.New()
	as := v3.ASNumber{Value: 64777}
	node := &v3.Node{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Node"}}
	node.Name, node.Labels, node.Spec.BGP = "n1", map[string]string{"rack": "1"}, &v3.NodeBGPSpec{ASNumber: &as}
	if _, err := s.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	c := claimOf("i1", "192.0.2.1/24")
	if wrote, err := c.enter(t.Context(), s); !wrote || err != nil {
		t.Fatalf("enter = %v, %v", wrote, err)
	}
	got := nodeIn(t, s)
	if got.Spec.BGP.IPv4Address != "192.0.2.1/24" || *got.Spec.BGP.ASNumber != as || got.Labels["rack"] != "1" || got.Annotations[InstanceAnnotation] != "i1" {
		t.Errorf("node %+v %+v", got.ObjectMeta, got.Spec.BGP)
	}
	if wrote, err := c.enter(t.Context(), s); wrote || err != nil {
		t.Errorf("a Node that is right was written: %v, %v", wrote, err)
	}
}

func TestOneNameTwoHosts(t *testing.T) {
	s := memstore.New()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			host := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 24)
			_, errs[i] = claimOf(string(rune('a'+i)), host.String()).enter(t.Context(), s.Peer())
		})
	}
	wg.Wait()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else if !errors.Is(err, ErrNameTaken) {
			t.Errorf("unexpected: %v", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d hosts got the name, want one", winners)
	}
}

func TestTheSameHostSetUpAnewTakesItsNameOver(t *testing.T) {
	s := memstore.New()
	old, fresh := claimOf("i1", "192.0.2.1/24"), claimOf("i2", "192.0.2.1/24")
	for _, c := range []claim{old, fresh} {
		if _, err := c.enter(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	old.running = true
	if wrote, err := old.enter(t.Context(), s); wrote || !errors.Is(err, ErrNameTaken) {
		t.Errorf("a running agent took the name back: %v, %v; both would never come to an end", wrote, err)
	}
}

func TestARunningAgentClaimsAgainWhatWasTakenFromIt(t *testing.T) {
	s := memstore.New()
	c := claimOf("i1", "192.0.2.1/24")
	if _, err := c.enter(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	c.running = true
	if err := s.Delete(t.Context(), nodeKey, 0); err != nil {
		t.Fatal(err)
	}
	if wrote, err := c.enter(t.Context(), s); !wrote || err != nil {
		t.Fatalf("after deletion: %v, %v", wrote, err)
	}
	bare := api.Clone(nodeIn(t, s))
	bare.Spec.BGP, bare.Annotations = nil, nil
	if _, err := s.Update(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	if wrote, err := c.enter(t.Context(), s); !wrote || err != nil || nodeIn(t, s).Spec.BGP == nil {
		t.Errorf("after an apply without spec.bgp: %v, %v", wrote, err)
	}
}

func TestInstanceIdentityIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := instanceID(dir)
	if err != nil || first == "" {
		t.Fatal(first, err)
	}
	if again, err := instanceID(dir); err != nil || again != first {
		t.Errorf("second start: %q, %v; want %q", again, err, first)
	}
}

func method(t *testing.T, text string) nodeaddr.Method {
	t.Helper()
	m, err := nodeaddr.ParseMethod(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReadNode(t *testing.T) {
	data := memstore.New()
	none, err := readNode(t.Context(), data, "n1")
	if err != nil || none != (nodeObject{}) {
		t.Errorf("without a Node: %+v, %v", none, err)
	}
	node := &v3.Node{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Node"}, ObjectMeta: v3.ObjectMeta{Name: "n1"}}
	node.Spec.BGP = &v3.NodeBGPSpec{IPv4Address: "192.0.2.7/24"}
	node.Spec.Addresses = []v3.NodeAddress{{Address: "198.51.100.1", Type: "ExternalIP"}, {Address: "192.0.2.8", Type: "InternalIP"}, {Address: "192.0.2.9", Type: "InternalIP"},
		{Address: "2001:db8::8", Type: "InternalIP"}}
	if _, err := data.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	got, err := readNode(t.Context(), data, "n1")
	want := nodeObject{[2]netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}, [2]netip.Addr{netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("2001:db8::8")}}
	if err != nil || got != want {
		t.Errorf("read %+v, %v, want %+v", got, err, want)
	}
}

func TestDetect(t *testing.T) {
	p := netip.MustParsePrefix
	host := hostFacts{candidates: []nodeaddr.Candidate{
		{Interface: "eth0", Up: true, Prefix: p("192.0.2.7/24")}, {Interface: "eth1", Up: true, Prefix: p("198.51.100.7/24")},
		{Interface: "eth0", Up: true, Prefix: p("2001:db8::7/64")},
	}, source: [2]netip.Addr{netip.MustParseAddr("198.51.100.7")}}
	for _, tc := range []struct {
		name     string
		config   Config
		previous [2]netip.Prefix
		host     hostFacts
		v4, v6   string
		err      error
	}{
		{"both families", Config{}, [2]netip.Prefix{}, host, "198.51.100.7/24", "2001:db8::7/64", nil},
		{"sticky", Config{}, [2]netip.Prefix{p("192.0.2.7/24")}, host, "192.0.2.7/24", "2001:db8::7/64", nil},
		{"one family off", Config{IP6: noAddress}, [2]netip.Prefix{}, host, "198.51.100.7/24", "", nil},
		{"explicit", Config{IP4: "203.0.113.1/25", IP6: noAddress}, [2]netip.Prefix{}, hostFacts{}, "203.0.113.1/25", "", nil},
		{"first found", Config{Method4: method(t, "first-found")}, [2]netip.Prefix{}, host, "192.0.2.7/24", "2001:db8::7/64", nil},
		{"InternalIP", Config{Method4: method(t, "kubernetes-internal-ip")}, [2]netip.Prefix{p("198.51.100.7/24")}, host, "192.0.2.7/24", "2001:db8::7/64", nil},
		{"wrong family", Config{IP4: "2001:db8::7/64"}, [2]netip.Prefix{}, host, "", "", errSetting},
		{"no address", Config{IP6: "eth0"}, [2]netip.Prefix{}, host, "", "", errSetting},
		{"both off", Config{IP4: noAddress, IP6: noAddress}, [2]netip.Prefix{}, host, "", "", errSetting},
		{"nothing there yet", Config{}, [2]netip.Prefix{}, hostFacts{}, "", "", errNoAddress},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := detect(tc.config, nodeObject{previous: tc.previous, internal: [2]netip.Addr{netip.MustParseAddr("192.0.2.7")}}, tc.host)
			if !errors.Is(err, tc.err) || text(got.v4.Value) != tc.v4 || text(got.v6.Value) != tc.v6 {
				t.Errorf("detect = %s %s, %v; want %s %s, %v", text(got.v4.Value), text(got.v6.Value), err, tc.v4, tc.v6, tc.err)
			}
		})
	}
}
