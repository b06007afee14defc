// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
)

// TestParityWithFake applies the same random states, good and bad, to the driver and to the fake: they must refuse the same.
func TestParityWithFake(t *testing.T) {
	seed := rand.Uint64()
	w := newWalker(seed)
	d, fake := newDriver(t, newNS(t)), dataplane.NewFake()
	var old *desired.State
	refused := 0
	for step := range 60 {
		now := w.state(t)
		w.spoil(t, now)
		w.spoilHost(t, now)
		var delta *desired.Delta
		if old != nil && w.pick(3) > 0 {
			if delta = desired.Diff(old, now); delta == nil {
				continue
			}
		}
		real := apply(t, d, now, delta)
		mock, err := fake.Apply(t.Context(), now, delta)
		if err != nil {
			t.Fatalf("seed %d step %d: %v", seed, step, err)
		}
		if got, want := failedIDs(mock), failedIDs(real); !slices.Equal(got, want) {
			t.Fatalf("seed %d step %d: the fake refuses %v, the driver %v", seed, step, got, want)
		}
		for _, id := range mock.Programmed {
			if !slices.Contains(real.Programmed, id) {
				t.Fatalf("seed %d step %d: the fake programs %v, the driver only %v", seed, step, id, real.Programmed)
			}
		}
		refused += len(real.Failed)
		old = now
	}
	if refused == 0 {
		t.Error("nothing was refused: the states are too good")
	}
}

// spoil makes an endpoint unusable, sometimes.
func (w *walker) spoil(t *testing.T, s *desired.State) {
	t.Helper()
	for e := range s.Endpoints() {
		if w.pick(6) > 0 {
			continue
		}
		bad := *e
		bad.Interface = []string{"", "cali-much-too-long", "cali0", "cali1"}[w.pick(4)]
		if err := s.Apply(&desired.Delta{Endpoints: []*desired.Endpoint{&bad}}); err != nil {
			t.Fatal(err)
		}
	}
}

// spoilHost does the same for host endpoints.
func (w *walker) spoilHost(t *testing.T, s *desired.State) {
	t.Helper()
	for e := range s.HostEndpoints() {
		if w.pick(6) > 0 {
			continue
		}
		bad := *e
		bad.Interface = []string{"", "cali9", "eth1", "eth-much-too-long"}[w.pick(4)]
		if err := s.Apply(&desired.Delta{HostEndpoints: []*desired.HostEndpoint{&bad}}); err != nil {
			t.Fatal(err)
		}
	}
}

func failedIDs(r dataplane.Report) []desired.EndpointID {
	return slices.SortedFunc(maps.Keys(r.Failed), desired.EndpointID.Compare)
}
