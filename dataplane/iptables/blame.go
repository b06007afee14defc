// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/xtables"
)

// blame finds the units that an error is about and marks them failed. It reports whether it found one that was not.
func (d *Driver) blame(_ context.Context, err error, _ *plan) bool {
	var r *refusal
	var sets *ipset.RefusedError
	var tables *xtables.RefusedError
	switch {
	case errors.As(err, &r):
		return d.fail(r.unit, r.err)
	case errors.As(err, &sets):
		found := false
		for _, x := range sets.Refusals {
			if u, ok := x.Tag.(unit); ok {
				found = d.fail(u, fmt.Errorf("%s: %w", x.Op, x.Err)) || found
			}
		}
		return found
	case errors.As(err, &tables) && tables.Known:
		if u, ok := tables.Tag.(unit); ok {
			return d.fail(u, err)
		}
	}
	return false
}

// fail marks a unit.
func (d *Driver) fail(u unit, err error) bool {
	if _, known := d.failed[u]; known || u.kind == frameUnit {
		return false
	}
	d.failed[u] = err
	return true
}

// closed returns the endpoints that have no policy in force because of what failed: they are left out of the dispatch, so that all their
// packets are dropped.
func (d *Driver) closed(view desired.View) map[desired.EndpointID]error {
	if len(d.failed) == 0 {
		return nil
	}
	bad := map[rule.PolicyID]error{}
	for p := range view.Policies() {
		if err := d.policyError(p); err != nil {
			bad[p.ID] = fmt.Errorf("%v: %w", policyUnit(p.ID), err)
		}
	}
	out := map[desired.EndpointID]error{}
	for e := range view.Endpoints() {
		d.closeFor(out, e.ID, enforced(e), bad)
	}
	for e := range view.HostEndpoints() {
		d.closeFor(out, e.ID, e.Uses(), bad)
	}
	return out
}

// closeFor closes an endpoint that has failed itself or is under a bad policy.
func (d *Driver) closeFor(out map[desired.EndpointID]error, id desired.EndpointID, uses iter.Seq[rule.PolicyID], bad map[rule.PolicyID]error) {
	if err := d.failed[endpointUnit(id)]; err != nil {
		out[id] = err
		return
	}
	for p := range uses {
		if err := bad[p]; err != nil {
			out[id] = err
			return
		}
	}
}

// enforced yields the policies that an endpoint is under, without the staged ones.
func enforced(e *desired.Endpoint) iter.Seq[rule.PolicyID] {
	plain := *e
	plain.Staged = nil
	return plain.Uses()
}

func (d *Driver) policyError(p *desired.Policy) error {
	if err := d.failed[policyUnit(p.ID)]; err != nil {
		return err
	}
	for set := range p.Sets() {
		if err := d.failed[setUnit(set.ID)]; err != nil {
			return fmt.Errorf("%v: %w", setUnit(set.ID), err)
		}
	}
	return nil
}

// touchesFailed reports whether a delta may concern what failed. Then everything is tried again.
func (d *Driver) touchesFailed(delta *desired.Delta) bool {
	if len(d.failed) == 0 {
		return false
	}
	if !membersOnly(delta) {
		return true
	}
	for i := range delta.IPSets {
		if d.failed[setUnit(delta.IPSets[i].ID)] != nil {
			return true
		}
	}
	return false
}
