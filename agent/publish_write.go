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
		return p.withdraw(ctx, key, w)
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

// createTogether writes the new endpoints of a round as one where the datastore can, and returns their revisions. Where
// something is in the way of one, none is in the answer and they are left to be fulfilled one by one; the error says that the datastore is away.
func (p *publisher) createTogether(ctx context.Context, work map[api.Key]wish) (map[api.Key]int64, error) {
	t, ok := p.store.(store.Transactor)
	if !ok {
		return nil, nil
	}
	var keys []api.Key
	var objs []api.Object
	for key, w := range work {
		if w.endpoint != nil && len(objs) < store.MaxTransact {
			keys, objs = append(keys, key), append(objs, w.endpoint)
		}
	}
	if len(objs) < 2 {
		return nil, nil
	}
	written, err := t.Transact(ctx, objs...)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return nil, err
	case err != nil:
		return nil, nil // each says for itself what is wrong
	}
	revisions := map[api.Key]int64{}
	for i, obj := range written {
		if revision, err := store.RevisionOf(obj); err == nil {
			revisions[keys[i]] = revision
		}
	}
	return revisions, nil
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

// withdraw deletes the endpoint if it belongs to a container that goes: one that somebody else put there stays. The endpoint is read first unless it
// is as it was written here.
func (p *publisher) withdraw(ctx context.Context, key api.Key, w wish) (int64, error) {
	if w.revision != 0 {
		err := p.store.Delete(ctx, key, w.revision)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return w.revision, err
		}
	}
	current, err := p.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if endpoint, ok := current.(*v3.WorkloadEndpoint); ok && !slices.Contains(w.owners, endpoint.Spec.ContainerID) {
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
