// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"iter"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Failed answers why a part of a view is left out, nil if it is not. Errors of sets and policies name them.
type Failed struct {
	Set      func(rule.SetID) error
	Policy   func(rule.PolicyID) error
	Endpoint func(desired.EndpointID) error // host endpoints among them
	// Translation is why no address can lead to a workload by translation; nil: it can.
	Translation error
}

// Closed returns the endpoints of a view, host endpoints among them, that have no policy in force because of what failed: themselves, a policy
// that they are under, an IP set that this refers to, or what leads to them. A driver drops all their packets. Staged policies close nothing.
func Closed(view desired.View, failed Failed) map[desired.EndpointID]error {
	bad := map[rule.PolicyID]error{}
	for p := range view.Policies() {
		if err := failed.ofPolicy(p); err != nil {
			bad[p.ID] = err
		}
	}
	out := map[desired.EndpointID]error{}
	put := func(id desired.EndpointID, uses iter.Seq[rule.PolicyID]) {
		if err := failed.Endpoint(id); err != nil {
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
	for e := range view.Endpoints() {
		put(e.ID, inForce(e))
		if failed.Translation != nil && out[e.ID] == nil && e.Translated() {
			out[e.ID] = fmt.Errorf("floating IPs and host ports: %w", failed.Translation)
		}
	}
	for e := range view.HostEndpoints() {
		put(e.ID, e.Uses())
	}
	return out
}

// ofPolicy is why a policy is not in force.
func (f Failed) ofPolicy(p *desired.Policy) error {
	if err := f.Policy(p.ID); err != nil {
		return err
	}
	for set := range p.Sets() {
		if err := f.Set(set.ID); err != nil {
			return fmt.Errorf("%v: %w", p.ID, err)
		}
	}
	return nil
}

// inForce are the policies that a workload's packets meet: not the staged ones.
func inForce(e *desired.Endpoint) iter.Seq[rule.PolicyID] {
	enforced := *e
	enforced.Staged = nil
	return enforced.Uses()
}
