// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// fulfil makes a wish true and returns the revision of what is there now, or was deleted.
func (p *publisher) fulfil(ctx context.Context, key api.Key, w wish) (int64, error) {
	if w.endpoint == nil {
		return p.withdraw(ctx, key, w.owners)
	}
	created, err := p.store.Create(ctx, w.endpoint)
	if errors.Is(err, store.ErrExists) {
		return p.correct(ctx, key, w.endpoint)
	}
	if err != nil {
		return 0, err
	}
	return store.RevisionOf(created)
}

// correct brings a published endpoint up to date, unless it is. It stays the same object: uid and creationTimestamp are kept.
func (p *publisher) correct(ctx context.Context, key api.Key, want *v3.WorkloadEndpoint) (int64, error) {
	obj, err := p.store.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	current, ok := obj.(*v3.WorkloadEndpoint)
	if ok && reflect.DeepEqual(current.Spec, want.Spec) && maps.Equal(current.Labels, want.Labels) {
		return store.RevisionOf(obj)
	}
	next := api.Clone(want)
	next.SetUID(obj.GetUID())
	next.SetCreationTimestamp(obj.GetCreationTimestamp())
	next.SetResourceVersion(obj.GetResourceVersion())
	updated, err := p.store.Update(ctx, next)
	if err != nil {
		return 0, err
	}
	return store.RevisionOf(updated)
}

// withdraw deletes the endpoint if it belongs to a container that goes: one that somebody else put there stays.
func (p *publisher) withdraw(ctx context.Context, key api.Key, owners []string) (int64, error) {
	current, err := p.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if endpoint, ok := current.(*v3.WorkloadEndpoint); ok && !slices.Contains(owners, endpoint.Spec.ContainerID) {
		return 0, nil
	}
	revision, err := store.RevisionOf(current)
	if err != nil {
		return 0, err
	}
	if err := p.store.Delete(ctx, key, revision); !errors.Is(err, store.ErrNotFound) {
		return revision, err
	}
	return revision, nil
}
