// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package dataplane is the contract between desired state and a packet filter: a Driver applies deltas and reports what is in force.
package dataplane

import (
	"context"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Driver programs policy for local endpoints. One caller at a time.
//
// Packets of established connections pass without meeting policy, but for those that carry own.EndedMark: they are dropped. To and from
// workloads, a TCP segment that belongs to no known connection and opens none is dropped like any other packet of invalid state.
type Driver interface {
	// Apply brings the kernel to view. A delta limits the work to what changed; nil means compare with what the kernel really
	// holds, repair and prune. One call is one transaction as far as packets can see.
	Apply(ctx context.Context, view desired.View, delta *desired.Delta) (Report, error)
	// Probe says what this kernel can do, and why not.
	Probe(ctx context.Context) (Caps, error)
	// Remove leaves no trace.
	Remove(ctx context.Context) error
	// Hits counts the packets that each rule has decided, or logged, since it was programmed. Packets of established connections do not
	// meet rules.
	Hits() (map[rule.ID]uint64, error)
	// Events is signalled when someone else changed what is ours: call Apply with a nil delta.
	Events() <-chan struct{}
}

// Report is the result of one Apply.
type Report struct {
	// Programmed lists endpoints that were written and read back in this call, host endpoints among them.
	Programmed []desired.EndpointID
	// Failed lists all endpoints whose policy is not in force, with the reason. They are closed, never open; of a closed host endpoint the
	// failsafe ports stay open. A change that concerns them, and the next comparison with the kernel, try them again.
	Failed map[desired.EndpointID]error
	// Settings is what the kernel refuses of the settings, and why: in its place holds what it took last, or the default. The next comparison with
	// the kernel tries it again.
	Settings map[Setting]error
	// Repaired counts foreign changes undone.
	Repaired int
}

// Caps is what a driver can do here.
type Caps struct {
	Usable  bool
	Reasons []string // when not usable: what is missing and what to do
	// Choice says what the driver picked where it had to pick, why, and why nothing else; empty: there was nothing to pick.
	Choice string
}
