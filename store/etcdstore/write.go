// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/record"
)

// Create adds an object.
func (s *Store) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	out, key, value, err := record.New(obj, record.NewIdentity(time.Now()))
	if err == nil {
		var revision int64
		if revision, err = s.swap(ctx, s.keys.path(key), 0, value); err == nil {
			store.SetRevision(out, revision)
			return out, nil
		}
	}
	if errors.Is(err, store.ErrConflict) {
		err = store.ErrExists
	}
	return nil, &store.KeyError{Op: "create", Key: key, Err: err}
}

// Update replaces an object.
func (s *Store) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	key := api.KeyOf(obj)
	out, err := s.update(ctx, key, obj)
	if err != nil {
		return nil, &store.KeyError{Op: "update", Key: key, Err: err}
	}
	return out, nil
}

func (s *Store) update(ctx context.Context, key api.Key, obj api.Object) (api.Object, error) {
	if err := record.CheckKey(key); err != nil {
		return nil, err
	}
	want, err := store.RevisionOf(obj)
	if err != nil {
		return nil, err
	}
	if want != 0 && obj.GetUID() != "" && !obj.GetCreationTimestamp().Time.IsZero() {
		// As it was read: nothing to look up.
		return s.replace(ctx, key, obj, want, record.Identity{UID: obj.GetUID(), Created: obj.GetCreationTimestamp()})
	}
	for {
		base, identity, err := s.current(ctx, key, want)
		if err != nil {
			return nil, err
		}
		out, err := s.replace(ctx, key, obj, base, identity)
		if want != 0 || !errors.Is(err, errMoved) {
			return out, err
		}
	}
}

// replace writes obj over revision base of the key.
func (s *Store) replace(ctx context.Context, key api.Key, obj api.Object, base int64, identity record.Identity) (api.Object, error) {
	out, value, err := record.Replacement(obj, identity, time.Now())
	if err != nil {
		return nil, err
	}
	revision, err := s.swap(ctx, s.keys.path(key), base, value)
	if err != nil {
		return nil, err
	}
	store.SetRevision(out, revision)
	return out, nil
}

// Transact writes several objects as one.
func (s *Store) Transact(ctx context.Context, objs ...api.Object) ([]api.Object, error) {
	writes, err := record.Transaction(objs, time.Now())
	if err != nil {
		return nil, err
	}
	changes := make([]change, len(writes))
	out := make([]api.Object, len(writes))
	for i, w := range writes {
		changes[i], out[i] = change{s.keys.path(w.Key), w.Base, w.Value}, w.Object
	}
	revision, refused, err := s.swapAll(ctx, changes...)
	if err != nil {
		return nil, writes[refused].Refuse(err)
	}
	for _, obj := range out {
		store.SetRevision(obj, revision)
	}
	return out, nil
}

// Delete removes an object. When a lost answer had to be asked for again, nil may also mean that someone else deleted it.
func (s *Store) Delete(ctx context.Context, key api.Key, revision int64) error {
	if err := s.remove(ctx, key, revision); err != nil {
		return &store.KeyError{Op: "delete", Key: key, Err: err}
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key api.Key, revision int64) error {
	for {
		base := revision
		if base == 0 {
			var err error
			if base, _, err = s.current(ctx, key, 0); err != nil {
				return err
			}
		}
		if _, err := s.swap(ctx, s.keys.path(key), base, nil); revision != 0 || !errors.Is(err, errMoved) {
			return err
		}
	}
}

// current reads the revision and the identity of what is stored under key. A revision wanted, not 0, must be the one found.
func (s *Store) current(ctx context.Context, key api.Key, want int64) (int64, record.Identity, error) {
	kv, err := s.get(ctx, s.keys.path(key), 0)
	switch {
	case err != nil:
		return 0, record.Identity{}, err
	case kv == nil:
		return 0, record.Identity{}, store.ErrNotFound
	case want != 0 && want != kv.ModRevision:
		return 0, record.Identity{}, store.ErrConflict
	}
	return kv.ModRevision, record.IdentityOf(kv.Value), nil
}
