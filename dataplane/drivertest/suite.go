// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package drivertest is one conformance suite for every data plane driver: Run sends real packets through a router in a network namespace
// and compares what happens with policy/eval.
package drivertest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/packet"
)

// Driver is what the suite needs of a driver.
type Driver interface {
	dataplane.Driver
	Close() error
}

// Open opens a driver for the network namespace of the calling thread.
type Open func(t testing.TB) (Driver, error)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Run("random policies", func(t *testing.T) { random(t, open) })
	t.Run("connections", func(t *testing.T) { connections(t, open) })
	t.Run("ended connections", func(t *testing.T) { ended(t, open) })
	t.Run("segments of unknown connections", func(t *testing.T) { midway(t, open) })
	t.Run("guards", func(t *testing.T) { guards(t, open) })
	t.Run("changes", func(t *testing.T) { changes(t, open) })
	t.Run("host", func(t *testing.T) { host(t, open) })
}

// bench is a network with a driver in it.
type bench struct {
	*Net
	driver   Driver
	settings desired.Settings
}

func newBench(t *testing.T, open Open, hostAccept bool) *bench {
	t.Helper()
	b := &bench{Net: NewNet(t), settings: *desired.DefaultSettings()}
	if hostAccept {
		b.settings.EndpointToHost = desired.HostAccept
	}
	b.open(t, open)
	t.Cleanup(func() { must(t, b.driver.Close()) })
	return b
}

func (b *bench) open(t *testing.T, open Open) {
	t.Helper()
	must(t, b.Router.Do(func() (err error) {
		b.driver, err = open(t)
		return err
	}))
}

// apply programs a state under the bench's settings.
func (b *bench) apply(t *testing.T, view *desired.State, delta *desired.Delta) {
	t.Helper()
	settings := b.settings
	must(t, view.Apply(&desired.Delta{Settings: &settings}))
	r, err := b.driver.Apply(t.Context(), view, delta)
	must(t, err)
	if len(r.Failed) > 0 {
		t.Fatalf("endpoints failed: %v", r.Failed)
	}
}

// sizes of the random part: states, and packets judged in each. WEFT_LONG makes it a hundred times longer.
func sizes() (states, packets int) {
	if os.Getenv("WEFT_LONG") != "" {
		return 1000, 100
	}
	return 25, 40
}

// random walks from one random state to the next by deltas, and sends random packets in each.
func random(t *testing.T, open Open) {
	b := newBench(t, open, true)
	seed := uint64(time.Now().UnixNano())
	g := &generator{rnd: rand.New(rand.NewPCG(seed, 0))}
	states, packets := sizes()
	var old *desired.State
	seen := map[string]int{}
	must(t, packet.OnOneCPU(func() error {
		for state := range states {
			now := g.state(t)
			var delta *desired.Delta
			if old != nil {
				if delta = desired.Diff(old, now); delta == nil {
					continue
				}
			}
			b.apply(t, now, delta)
			for n := range packets {
				p := g.probe()
				want := expect(now, p, b.settings.EndpointToHost == desired.HostAccept)
				if problem := b.try(p, want); problem != "" {
					return fmt.Errorf("seed %d state %d packet %d: %v: %s\n%s", seed, state, n, p, problem, want.why)
				}
				seen[want.kind()]++
			}
			old = now
		}
		return nil
	}))
	t.Logf("judged %v", seen)
	for _, kind := range []string{"delivered", "dropped", "host"} {
		if seen[kind] == 0 {
			t.Errorf("no packet was expected to be %s: the generator is too narrow", kind)
		}
	}
}

// try sends a packet and returns what is wrong with what happened.
func (b *bench) try(p probe, want expectation) string {
	before, err := b.driver.Hits()
	if err != nil {
		return err.Error()
	}
	out, err := b.Send(p.from, p.packet)
	if err != nil {
		return err.Error()
	}
	after, err := b.driver.Hits()
	if err != nil {
		return err.Error()
	}
	if out != want.out {
		return fmt.Sprintf("came out at %q; want %q", out, want.out)
	}
	for id, n := range after {
		if hit := n > before[id]; hit != want.hits[id] {
			return fmt.Sprintf("rule %s hit: %v; want %v", id, hit, want.hits[id])
		}
	}
	return ""
}
