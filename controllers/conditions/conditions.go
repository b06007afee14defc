// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package conditions says in the status of IPPools and Tiers whether they are in force: Reconcile now and then. With Kubernetes as the datastore objects come past
// `weft apply`, and some of what is wrong with them the schema cannot refuse.
package conditions

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
)

// The types of conditions, as Calico's.
const (
	Allocatable = "Allocatable" // of an IPPool: addresses are assigned from it
	Ready       = "Ready"       // of a Tier: it takes part in policy
)

// Reconcile brings the conditions of all pools and tiers up to date. The error joins what could not be written; the rest is.
func Reconcile(ctx context.Context, s store.Store) error {
	pools, err := s.List(ctx, api.IPPools, "")
	if err != nil {
		return fmt.Errorf("conditions of pools: %w", err)
	}
	tiers, err := s.List(ctx, api.Tiers, "")
	if err != nil {
		return fmt.Errorf("conditions of tiers: %w", err)
	}
	var errs []error
	write := func(obj api.Object) {
		_, err := store.UpdateStatus(ctx, s, obj)
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) { // of what has changed an event is on its way
			errs = append(errs, fmt.Errorf("conditions: %w", err))
		}
	}
	for _, pool := range ofPools(pools.Items) {
		write(pool)
	}
	for _, obj := range tiers.Items {
		if tier, ok := obj.(*v3.Tier); ok {
			if next, changed := ofTier(tier); changed {
				write(next)
			}
		}
	}
	return errors.Join(errs...)
}

// ofPools returns the pools whose condition is to change, with the new one.
func ofPools(objects []api.Object) (out []*v3.IPPool) {
	var pools []*v3.IPPool
	for _, obj := range objects {
		if pool, ok := obj.(*v3.IPPool); ok {
			pools = append(pools, pool)
		}
	}
	overlaps := map[string]string{}
	for _, o := range v3.ValidatePools(pools) {
		overlaps[o.Pool.Name] = o.Error()
	}
	for _, pool := range pools {
		next := api.Clone(pool)
		if next.Status == nil {
			next.Status = &v3.IPPoolStatus{}
		}
		if meta.SetStatusCondition(&next.Status.Conditions, allocatable(pool, overlaps[pool.Name])) {
			out = append(out, next)
		}
	}
	return out
}

func allocatable(pool *v3.IPPool, overlap string) metav1.Condition {
	c := metav1.Condition{Type: Allocatable, Status: metav1.ConditionFalse, ObservedGeneration: pool.Generation}
	wrong := invalid(pool)
	switch {
	case wrong != "":
		c.Reason, c.Message = "Invalid", wrong
	case overlap != "":
		c.Reason, c.Message = "Overlap", overlap
	case pool.Spec.Disabled != nil && *pool.Spec.Disabled:
		c.Reason, c.Message = "Disabled", "spec.disabled is true: addresses in use stay, none is assigned"
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, "InForce", "addresses are assigned from this pool"
	}
	return c
}

func ofTier(tier *v3.Tier) (next *v3.Tier, changed bool) {
	next = api.Clone(tier)
	if next.Status == nil {
		next.Status = &v3.TierStatus{}
	}
	c := metav1.Condition{Type: Ready, Status: metav1.ConditionTrue, Reason: "InForce", Message: "policies of this tier are in force", ObservedGeneration: tier.Generation}
	if wrong := invalid(tier); wrong != "" {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Invalid", wrong
	}
	return next, meta.SetStatusCondition(&next.Status.Conditions, c)
}

// longest is how long the message of a condition may be in Kubernetes.
const longest = 32768

// invalid says what is wrong with an object; nothing is "".
func invalid(obj api.Object) string {
	wrong := api.Validate(obj, api.Checks{Selector: selector.ValidateSyntax, Stored: true})
	if len(wrong) == 0 {
		return ""
	}
	text := wrong.Error()
	return text[:min(len(text), longest)]
}
