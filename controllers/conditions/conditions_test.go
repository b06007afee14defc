// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store/memstore"
)

func TestReconcile(t *testing.T) {
	s := memstore.New()
	defer func() { _ = s.Close() }()
	put := func(obj api.Object) {
		t.Helper()
		if _, err := s.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	pool := func(name, cidr string, disabled bool) *v3.IPPool {
		return &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: cidr, Disabled: &disabled}}
	}
	order := 7.0
	put(pool("good", "10.0.0.0/16", false))
	put(pool("off", "10.1.0.0/16", true))
	put(pool("overlap", "10.0.1.0/24", false))
	put(pool("bits", "fd00::1/64", false))
	put(&v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "front"}, Spec: v3.TierSpec{Order: &order}})
	put(&v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.TierSpec{Order: &order}})
	expect := func(resource api.Resource, name, want string) {
		t.Helper()
		obj, err := s.Get(t.Context(), api.Key{Resource: resource, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		var list []metav1.Condition
		switch obj := obj.(type) {
		case *v3.IPPool:
			list = obj.Status.Conditions
		case *v3.Tier:
			list = obj.Status.Conditions
		}
		var got []string
		for _, c := range list {
			if c.LastTransitionTime.IsZero() {
				t.Errorf("%s: no time in %+v", name, c)
			}
			got = append(got, c.Type+" "+string(c.Status)+" "+c.Reason+" "+c.Message)
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	reconcile := func() {
		t.Helper()
		if err := Reconcile(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	reconcile()
	expect(api.IPPools, "good", "Allocatable True InForce")
	expect(api.IPPools, "off", "Allocatable False Disabled")
	expect(api.IPPools, "overlap", "Allocatable False Overlap spec.cidr: 10.0.1.0/24 overlaps 10.0.0.0/16 of IPPool good")
	expect(api.IPPools, "bits", "Allocatable False Invalid spec.cidr: fd00::1/64 has host bits set; write fd00::/64")
	expect(api.Tiers, "front", "Ready True InForce")
	expect(api.Tiers, "default", "Ready False Invalid spec.order: tier default has the fixed order")

	before, err := s.List(t.Context(), api.IPPools, "")
	if err != nil {
		t.Fatal(err)
	}
	reconcile()
	if after, err := s.List(t.Context(), api.IPPools, ""); err != nil || after.Revision != before.Revision {
		t.Errorf("written without need: revision %d, %d before, %v", after.Revision, before.Revision, err)
	}
	if err := s.Delete(t.Context(), api.Key{Resource: api.IPPools, Name: "good"}, 0); err != nil {
		t.Fatal(err)
	}
	reconcile()
	expect(api.IPPools, "overlap", "Allocatable True InForce")
}
