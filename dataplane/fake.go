// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Fake is a Driver without a kernel, for tests of what drives drivers. It refuses what a real driver refuses, and more: a delta that does not
// lead to the view is an error. The zero value is not usable: call [NewFake].
type Fake struct {
	// Err, when set, is returned by Apply, which then changes nothing.
	Err error
	// Applies counts the calls of Apply, Reconciles those without a delta.
	Applies, Reconciles int

	state   *desired.State // nil: nothing programmed
	damaged int
	events  chan struct{}
}

var _ Driver = (*Fake)(nil)

// NewFake returns a driver that has programmed nothing.
func NewFake() *Fake { return &Fake{events: make(chan struct{}, 1)} }

// Apply implements Driver.
func (f *Fake) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (Report, error) {
	f.Applies++
	if err := errors.Join(ctx.Err(), f.Err); err != nil {
		return Report{}, err
	}
	if delta == nil || f.state == nil {
		return f.reconcile(view), nil
	}
	if err := f.state.Apply(delta); err != nil {
		return Report{}, fmt.Errorf("fake driver: the delta does not fit: %w", err)
	}
	if rest := desired.Diff(f.state, view); rest != nil {
		return Report{}, fmt.Errorf("fake driver: the delta does not lead to the view; missing is %+v", rest)
	}
	failed := f.failures(view)
	return Report{Programmed: programmed(slices.Values(delta.Endpoints), slices.Values(delta.HostEndpoints), failed), Failed: failed}, nil
}

func (f *Fake) reconcile(view desired.View) Report {
	f.Reconciles++
	f.state = desired.Snapshot(view)
	failed := f.failures(view)
	r := Report{Programmed: programmed(view.Endpoints(), view.HostEndpoints(), failed), Failed: failed, Repaired: f.damaged}
	f.damaged = 0
	return r
}

// failures are the endpoints that a real driver would close.
func (f *Fake) failures(view desired.View) map[desired.EndpointID]error {
	failed := map[desired.EndpointID]error{}
	taken := map[string]desired.EndpointID{}
	for e := range view.Endpoints() {
		err := CheckEndpoint(e)
		if other, ok := taken[e.Interface]; ok && err == nil {
			err = SharedInterfaceError(e.Interface, other)
		}
		if err == nil {
			err = references(view, e)
		}
		if err != nil {
			failed[e.ID] = err
			continue
		}
		taken[e.Interface] = e.ID
	}
	for e := range view.HostEndpoints() {
		err := CheckHostEndpoint(e)
		if other, ok := taken[e.Interface]; ok && err == nil {
			err = SharedInterfaceError(e.Interface, other)
		}
		if err == nil {
			err = hostReferences(view, e)
		}
		if err != nil {
			failed[e.ID] = err
		}
		taken[e.Interface] = e.ID // even then: it is closed
	}
	return failed
}

// references returns an error when the policy of an endpoint is not complete.
func references(view desired.View, e *desired.Endpoint) error {
	for dir, tiers := range e.Tiers {
		if err := complete(view, rule.Direction(dir), tiers, e.Profiles); err != nil {
			return err
		}
	}
	return nil
}

func hostReferences(view desired.View, e *desired.HostEndpoint) error {
	errs := []error{complete(view, rule.Ingress, e.PreDNAT, nil)}
	for dir := range e.Normal {
		for _, tiers := range [][]desired.TierPolicies{e.Untracked[dir], e.Normal[dir], e.Forward[dir]} {
			errs = append(errs, complete(view, rule.Direction(dir), tiers, e.Profiles))
		}
	}
	return errors.Join(errs...)
}

func complete(view desired.View, dir rule.Direction, tiers []desired.TierPolicies, profiles []rule.PolicyID) error {
	ids := slices.Clone(profiles)
	for _, t := range tiers {
		ids = append(ids, t.Policies...)
	}
	for _, id := range ids {
		p, ok := view.Policy(id)
		if !ok {
			return fmt.Errorf("policy %v is referred to and not there", id)
		}
		if err := sets(view, p.Rules[dir]); err != nil {
			return fmt.Errorf("policy %v: %w", id, err)
		}
	}
	return nil
}

func sets(view desired.View, rules []rule.Rule) error {
	for i := range rules {
		m := &rules[i].Match
		for _, s := range slices.Concat(m.Src.Sets, m.Src.NotSets, m.Src.PortSets, m.Src.NotPortSets, m.Dst.Sets, m.Dst.NotSets, m.Dst.PortSets, m.Dst.NotPortSets) {
			if _, ok := view.IPSet(s.ID); !ok {
				return fmt.Errorf("IP set %s is referred to and not there", s.ID)
			}
		}
	}
	return nil
}

func programmed(endpoints iter.Seq[*desired.Endpoint], hosts iter.Seq[*desired.HostEndpoint], failed map[desired.EndpointID]error) []desired.EndpointID {
	var out []desired.EndpointID
	for e := range endpoints {
		if failed[e.ID] == nil {
			out = append(out, e.ID)
		}
	}
	for e := range hosts {
		if failed[e.ID] == nil {
			out = append(out, e.ID)
		}
	}
	return out
}

// Probe implements Driver.
func (f *Fake) Probe(context.Context) (Caps, error) { return Caps{Usable: true}, nil }

// Remove implements Driver.
func (f *Fake) Remove(context.Context) error {
	f.state = nil
	return nil
}

// Hits implements Driver: no packet meets a fake.
func (f *Fake) Hits() (map[rule.ID]uint64, error) { return map[rule.ID]uint64{}, nil }

// Events implements Driver.
func (f *Fake) Events() <-chan struct{} { return f.events }

// Damage acts as if someone else had changed n of our objects.
func (f *Fake) Damage(n int) {
	f.damaged += n
	select {
	case f.events <- struct{}{}:
	default:
	}
}

// Dump lists what is programmed, one object a line, sorted within its kind.
func (f *Fake) Dump() string {
	if f.state == nil {
		return ""
	}
	var b strings.Builder
	for e := range f.state.Endpoints() {
		fmt.Fprintf(&b, "endpoint %s/%s interface %s addresses %v\n", e.ID.Namespace, e.ID.Name, e.Interface, e.Addrs)
	}
	for e := range f.state.HostEndpoints() {
		fmt.Fprintf(&b, "host endpoint %s interface %s\n", e.ID.Name, e.Interface)
	}
	for p := range f.state.Policies() {
		fmt.Fprintf(&b, "policy %v rules %d/%d\n", p.ID, len(p.Rules[rule.Ingress]), len(p.Rules[rule.Egress]))
	}
	for s := range f.state.IPSets() {
		fmt.Fprintf(&b, "set %s members %d\n", s.ID, len(s.Members))
	}
	return b.String()
}
