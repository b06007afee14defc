// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSetDefaults(t *testing.T) {
	pool := &IPPool{Spec: IPPoolSpec{CIDR: "10.0.0.0/16", NATOutgoing: new(true)}}
	SetDefaults(pool)
	want := IPPoolSpec{
		CIDR: "10.0.0.0/16", BlockSize: new(26), IPIPMode: EncapNever, VXLANMode: EncapNever, NATOutgoing: new(true), Disabled: new(false),
		DisableBGPExport: new(false), NodeSelector: "all()", AllowedUses: []string{"Workload", "Tunnel"}, AssignmentMode: "Automatic",
	}
	if !reflect.DeepEqual(pool.Spec, want) {
		t.Errorf("got %+v, want %+v", pool.Spec, want)
	}
	six := &IPPool{Spec: IPPoolSpec{CIDR: "fd00::/48", BlockSize: new(0), NamespaceSelector: "all()"}}
	SetDefaults(six)
	if *six.Spec.BlockSize != 122 || !slices.Equal(six.Spec.AllowedUses, []string{"Workload"}) {
		t.Errorf("IPv6 pool for namespaces: blockSize %d, uses %v", *six.Spec.BlockSize, six.Spec.AllowedUses)
	}

	bgp := &BGPConfiguration{}
	SetDefaults(bgp)
	if !*bgp.Spec.NodeToNodeMeshEnabled || bgp.Spec.ASNumber.Value != DefaultASNumber || *bgp.Spec.ListenPort != DefaultBGPPort {
		t.Errorf("BGP: %+v", bgp.Spec)
	}
	peer := &BGPPeer{Spec: BGPPeerSpec{KeepOriginalNextHop: new(true)}}
	SetDefaults(peer)
	if peer.Spec.NextHopMode != NextHopKeep || peer.Spec.MaxRestartTime.Duration != 2*time.Minute || peer.Spec.SourceAddress != "UseNodeIP" {
		t.Errorf("peer: %+v", peer.Spec)
	}
	felix := &FelixConfiguration{Spec: FelixConfigurationSpec{FelixPolicy: FelixPolicy{FailsafeInboundHostPorts: []ProtoPort{{Port: 22}}}}}
	SetDefaults(felix)
	if in := felix.Spec.FailsafeInboundHostPorts; len(in) != 1 || in[0].Protocol != "TCP" || len(felix.Spec.FailsafeOutboundHostPorts) != 9 {
		t.Errorf("failsafe ports: %v and %v", in, felix.Spec.FailsafeOutboundHostPorts)
	}
	if *felix.Spec.IPTablesMarkMask != 0xffff0000 || felix.Spec.NATPortRange.IntVal != 0 || felix.Spec.BPFPSNATPorts.StrVal != "20000:29999" {
		t.Errorf("agent: %+v", felix.Spec)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	a, b := &FelixConfiguration{}, &FelixConfiguration{}
	SetDefaults(a)
	SetDefaults(b)
	*a.Spec.HealthPort, a.Spec.FailsafeInboundHostPorts[0].Port = 1, 1
	if *b.Spec.HealthPort != 9099 || b.Spec.FailsafeInboundHostPorts[0].Port != 22 {
		t.Error("two objects share the memory of a default")
	}
}

func TestPolicyTypes(t *testing.T) {
	some, none := []Rule{{Action: Allow}}, []Rule(nil)
	for _, c := range []struct {
		stated          []PolicyType
		ingress, egress []Rule
		want            []PolicyType
	}{
		{nil, none, none, []PolicyType{Ingress}},
		{nil, some, none, []PolicyType{Ingress}},
		{nil, none, some, []PolicyType{Egress}},
		{nil, none, []Rule{}, []PolicyType{Egress}},
		{nil, some, some, []PolicyType{Ingress, Egress}},
		{nil, []Rule{}, some, []PolicyType{Ingress, Egress}},
		{[]PolicyType{}, none, some, []PolicyType{Egress}},
		{[]PolicyType{Ingress}, none, some, []PolicyType{Ingress}},
	} {
		p := &NetworkPolicy{Spec: NetworkPolicySpec{Types: c.stated, Ingress: c.ingress, Egress: c.egress}}
		SetDefaults(p)
		if !slices.Equal(p.Spec.Types, c.want) || p.Spec.Tier != "default" || p.Spec.Selector != "all()" {
			t.Errorf("%+v: types %v, want %v", c, p.Spec.Types, c.want)
		}
	}
}

func TestTiers(t *testing.T) {
	fixed := FixedTiers()
	for i, want := range []struct {
		name   string
		order  float64
		action Action
	}{{"kube-admin", 1000, Pass}, {"default", 1_000_000, Deny}, {"kube-baseline", 10_000_000, Pass}} {
		if got := fixed[i]; got.Name != want.name || *got.Spec.Order != want.order || got.Spec.DefaultAction != want.action {
			t.Errorf("tier %d: %+v", i, got)
		}
		bare := &Tier{ObjectMeta: ObjectMeta{Name: want.name}}
		SetDefaults(bare)
		if *bare.Spec.Order != want.order || bare.Spec.DefaultAction != want.action {
			t.Errorf("tier %s without values becomes %+v", want.name, bare.Spec)
		}
		if wrong := Validate(fixed[i], Checks{}); wrong != nil {
			t.Errorf("tier %s: %v", want.name, wrong)
		}
	}
	*fixed[0].Spec.Order = 1
	if *FixedTiers()[0].Spec.Order != 1000 {
		t.Error("FixedTiers hands out shared memory")
	}
	own := &Tier{ObjectMeta: ObjectMeta{Name: "own"}}
	SetDefaults(own)
	if own.Spec.Order != nil || own.Spec.DefaultAction != Deny {
		t.Errorf("own tier: %+v", own.Spec)
	}
}

func TestValidateUpdate(t *testing.T) {
	pool := func(cidr string, size *int) *IPPool { return &IPPool{Spec: IPPoolSpec{CIDR: cidr, BlockSize: size}} }
	for _, c := range []struct {
		old, updated *IPPool
		want         []string
	}{
		{pool("10.0.0.0/16", nil), pool("10.0.0.0/16", new(26)), nil},
		{pool("10.0.0.0/16", new(26)), pool("10.0.0.0/16", new(0)), nil},
		{pool("10.0.0.0/16", nil), pool("10.0.0.0/16", new(27)), []string{"spec.blockSize"}},
		{pool("10.0.0.0/16", new(26)), pool("10.0.0.0/15", new(28)), []string{"spec.cidr", "spec.blockSize"}},
	} {
		var got []string
		for _, e := range ValidateUpdate(c.old, c.updated) {
			got = append(got, e.Path)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v to %+v: %v, want %v", c.old.Spec, c.updated.Spec, got, c.want)
		}
	}
	old := pool("10.0.0.0/16", nil)
	_ = ValidateUpdate(old, old)
	if old.Spec.BlockSize != nil {
		t.Error("ValidateUpdate changed its argument")
	}
	if wrong := ValidateUpdate(&Tier{}, &Tier{Spec: TierSpec{DefaultAction: Pass}}); wrong != nil {
		t.Errorf("a tier may change: %v", wrong)
	}
}

// TestValidatePools compares with the definition: what stays is free of overlaps, what goes overlaps something that stays and is older, and the
// order of the arguments does not matter.
func TestValidatePools(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var pools []*IPPool
		for i := range 2 + random.IntN(10) {
			cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(random.IntN(4)), 0, 0}), 13+random.IntN(8)).Masked().String()
			if random.IntN(4) == 0 {
				cidr = fmt.Sprintf("fd00:%d::/%d", random.IntN(3), 31+random.IntN(3))
			}
			created := metav1.NewTime(time.Unix(int64(random.IntN(3)), 0))
			pools = append(pools, &IPPool{ObjectMeta: ObjectMeta{Name: fmt.Sprint("pool", i), CreationTimestamp: created}, Spec: IPPoolSpec{CIDR: cidr}})
		}
		refused := ValidatePools(pools)
		gone := map[string]bool{}
		for _, e := range refused {
			gone[e.Pool.Name] = true
		}
		for _, a := range pools {
			blocked := false
			for _, b := range pools {
				if a != b && !gone[b.Name] && overlap(a, b) {
					blocked = blocked || older(b, a)
					if !gone[a.Name] {
						t.Fatalf("%s and %s overlap and both stay", a.Spec.CIDR, b.Spec.CIDR)
					}
				}
			}
			if gone[a.Name] && !blocked {
				t.Fatalf("%s is refused without an older pool that overlaps it", a.Spec.CIDR)
			}
		}
		random.Shuffle(len(pools), func(i, j int) { pools[i], pools[j] = pools[j], pools[i] })
		if again := ValidatePools(pools); !reflect.DeepEqual(again, refused) {
			t.Fatalf("another order of arguments gives %v, not %v", again, refused)
		}
	}
}

func overlap(a, b *IPPool) bool {
	x, errX := ParseCIDR(a.Spec.CIDR)
	y, errY := ParseCIDR(b.Spec.CIDR)
	return errX == nil && errY == nil && x.Overlaps(y)
}

func older(a, b *IPPool) bool {
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
		return c < 0
	}
	return a.Name < b.Name
}

func BenchmarkValidate(b *testing.B) {
	wep := &WorkloadEndpoint{
		ObjectMeta: ObjectMeta{Name: "n1-k8s-web-eth0", Namespace: "prod", Labels: map[string]string{"app": "web", "tier": "front", NamespaceLabel: "prod"}},
		Spec: WorkloadEndpointSpec{Orchestrator: "k8s", Node: "n1", Pod: "web", Endpoint: "eth0", IPNetworks: []string{"10.65.0.2/32", "fd00:65::2/128"},
			Profiles: []string{"kns.prod", "ksa.prod.default"}, InterfaceName: "cali0123456789a"},
	}
	if wrong := Validate(wep, Checks{}); wrong != nil {
		b.Fatal(wrong)
	}
	b.Run("Validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Validate(wep, Checks{})
		}
	})
	b.Run("SetDefaults", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			SetDefaults(wep)
		}
	})
	b.Run("NotYetEffective", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NotYetEffective(wep)
		}
	})
}
