// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package drivertest is one conformance suite for every data plane driver: Run sends real packets through a router in a network namespace
// and compares what happens with policy/eval.
//
// WEFT_LONG=1 makes the random part ten times longer, WEFT_JUDGE gives it a duration ("1h"), and WEFT_SEED repeats a run of it.
package drivertest

import (
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
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
	t.Run("contract", func(t *testing.T) { Contract(t, open) })
	t.Run("random policies", func(t *testing.T) { random(t, open) })
	t.Run("matches", func(t *testing.T) { matches(t, open) })
	t.Run("actions", func(t *testing.T) { actions(t, open) })
	t.Run("rejects", func(t *testing.T) { rejects(t, open) })
	t.Run("connections", func(t *testing.T) { connections(t, open) })
	t.Run("ended connections", func(t *testing.T) { ended(t, open) })
	t.Run("segments of unknown connections", func(t *testing.T) { midway(t, open) })
	t.Run("guards", func(t *testing.T) { guards(t, open) })
	t.Run("changes", func(t *testing.T) { changes(t, open) })
	t.Run("damage", func(t *testing.T) { damage(t, open) })
	t.Run("removed", func(t *testing.T) { removed(t, open) })
	t.Run("host", func(t *testing.T) { host(t, open) })
	t.Run("host endpoints", func(t *testing.T) { hostEndpoints(t, open) })
	t.Run("tunnels", func(t *testing.T) { tunnels(t, open) })
	t.Run("connections of tunnels", func(t *testing.T) { tunnelsUntracked(t, open) })
	t.Run("segment sizes", func(t *testing.T) { clamp(t, open) })
	t.Run("outgoing NAT", func(t *testing.T) { natOutgoing(t, open) })
	t.Run("address of outgoing NAT", func(t *testing.T) { natAddress(t, open) })
	t.Run("floating IPs and host ports", func(t *testing.T) { exposes(t, open) })
	t.Run("policy behind floating IPs and host ports", func(t *testing.T) { exposedPolicy(t, open) })
	t.Run("connections at host endpoints", func(t *testing.T) { hostConnections(t, open) })
	t.Run("discovery at host endpoints", func(t *testing.T) { hostDiscovery(t, open) })
}

// bench is a network with a driver in it.
type bench struct {
	*Net
	open     Open
	driver   Driver
	settings desired.Settings
	hits     map[rule.ID]uint64 // as last read; nil: not known
	sources  uint16             // the last source port used by natted
}

func newBench(t *testing.T, open Open, hostAccept bool) *bench {
	t.Helper()
	b := &bench{Net: NewNet(t), open: open, settings: *desired.DefaultSettings()}
	if hostAccept {
		b.settings.EndpointToHost = desired.HostAccept
	}
	b.start(t)
	t.Cleanup(func() { must(t, b.driver.Close()) })
	return b
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	must(t, b.Router.Do(func() (err error) {
		b.driver, err = b.open(t)
		return err
	}))
}

// reopen replaces the driver by a new one, as a restart does.
func (b *bench) reopen(t *testing.T) {
	t.Helper()
	must(t, b.driver.Close())
	b.hits = nil
	b.start(t)
}

// apply programs a state under the bench's settings.
func (b *bench) apply(t *testing.T, view *desired.State) {
	t.Helper()
	settings := b.settings
	must(t, view.Apply(&desired.Delta{Settings: &settings}))
	b.hits = nil
	r, err := b.driver.Apply(t.Context(), view, nil)
	must(t, err)
	if len(r.Failed) > 0 {
		t.Fatalf("endpoints failed: %v", r.Failed)
	}
}
