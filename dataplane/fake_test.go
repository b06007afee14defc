// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

func endpoint(name, iface string) *desired.Endpoint {
	return &desired.Endpoint{
		ID: desired.EndpointID{Namespace: "ns", Name: name}, Interface: iface, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Profiles: []rule.PolicyID{{Kind: rule.KindProfile, Name: "open"}},
	}
}

func state(t *testing.T, d *desired.Delta) *desired.State {
	t.Helper()
	s := desired.NewState()
	if err := s.Apply(d); err != nil {
		t.Fatal(err)
	}
	return s
}

var open = &desired.Policy{ID: rule.PolicyID{Kind: rule.KindProfile, Name: "open"}}

func TestFakeFollowsDeltas(t *testing.T) {
	f := dataplane.NewFake()
	view := state(t, &desired.Delta{Policies: []*desired.Policy{open}})
	if _, err := f.Apply(t.Context(), view, nil); err != nil {
		t.Fatal(err)
	}
	delta := &desired.Delta{Endpoints: []*desired.Endpoint{endpoint("a", "cali1")}}
	if err := view.Apply(delta); err != nil {
		t.Fatal(err)
	}
	r, err := f.Apply(t.Context(), view, delta)
	if err != nil || len(r.Programmed) != 1 || f.Applies != 2 || f.Reconciles != 1 {
		t.Errorf("report %+v, %v after %d applies, %d without a delta", r, err, f.Applies, f.Reconciles)
	}
	want := "endpoint ns/a interface cali1 addresses [10.0.0.1]\npolicy " + open.ID.String() + " rules 0/0\n"
	if got := f.Dump(); got != want {
		t.Errorf("dump\n%s; want\n%s", got, want)
	}
	if err := f.Remove(t.Context()); err != nil || f.Dump() != "" {
		t.Errorf("after Remove: %q, %v", f.Dump(), err)
	}
}

func TestFakeRefusesWrongDeltas(t *testing.T) {
	f := dataplane.NewFake()
	view := state(t, &desired.Delta{Policies: []*desired.Policy{open}})
	if _, err := f.Apply(t.Context(), view, nil); err != nil {
		t.Fatal(err)
	}
	if err := view.Apply(&desired.Delta{Endpoints: []*desired.Endpoint{endpoint("a", "cali1")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), view, &desired.Delta{Revision: 9}); err == nil || !strings.Contains(err.Error(), "does not lead to the view") {
		t.Errorf("a delta that leaves out an endpoint: %v", err)
	}
	gone := &desired.Delta{EndpointsRemoved: []desired.EndpointID{{Name: "none"}}}
	if _, err := f.Apply(t.Context(), view, gone); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a delta that removes what is not there: %v", err)
	}
}

func TestFakeFailures(t *testing.T) {
	lost := endpoint("c", "cali3")
	lost.Profiles = []rule.PolicyID{{Kind: rule.KindProfile, Name: "gone"}}
	needs := &desired.Policy{ID: rule.PolicyID{Kind: rule.KindProfile, Name: "needs"}}
	needs.Rules[rule.Ingress] = []rule.Rule{{Match: rule.Match{Src: rule.Side{NotSets: []rule.Set{{ID: "gone"}}}}}}
	setless := endpoint("d", "cali4")
	setless.Profiles = []rule.PolicyID{needs.ID}
	zoned := endpoint("e", "cali5")
	zoned.Addrs = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}
	spoof := endpoint("f", "cali6")
	spoof.SpoofPrefixes = make([]netip.Prefix, 1)
	view := desired.NewState()
	if err := view.Apply(&desired.Delta{
		Policies:  []*desired.Policy{needs, open},
		Endpoints: []*desired.Endpoint{endpoint("a", "cali1"), endpoint("b", "cali1"), lost, setless, zoned, spoof, endpoint("g", "")},
	}); err == nil {
		t.Error("a state with dangling references is no error")
	}
	r, err := dataplane.NewFake().Apply(t.Context(), view, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Programmed) != 1 || r.Programmed[0].Name != "a" {
		t.Errorf("programmed %v; want a alone", r.Programmed)
	}
	for name, want := range map[string]string{"b": "interface cali1", "c": "gone", "d": "IP set gone", "e": "zone", "f": "source prefix", "g": "interface name"} {
		if err := r.Failed[desired.EndpointID{Namespace: "ns", Name: name}]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
}

func TestFakeFaults(t *testing.T) {
	f := dataplane.NewFake()
	view := state(t, &desired.Delta{})
	f.Err = errors.New("no memory")
	if _, err := f.Apply(t.Context(), view, nil); !errors.Is(err, f.Err) {
		t.Errorf("error %v", err)
	}
	f.Err = nil
	f.Damage(3)
	f.Damage(1)
	select {
	case <-f.Events():
	default:
		t.Error("no event for damage")
	}
	if r, err := f.Apply(t.Context(), view, nil); err != nil || r.Repaired != 4 {
		t.Errorf("repaired %+v, %v", r, err)
	}
	if caps, err := f.Probe(t.Context()); err != nil || !caps.Usable {
		t.Errorf("probe: %+v, %v", caps, err)
	}
}
