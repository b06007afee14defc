// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/record"
)

// Create adds an object.
func (s *Store) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	_, key, value, err := record.New(obj, record.NewIdentity(time.Now()))
	if err == nil {
		var unlock func()
		if unlock, err = s.begin(ctx); err == nil {
			defer unlock()
			if _, exists := s.data.entries[key]; !exists {
				return s.data.put(key, value).object, nil
			}
			err = store.ErrExists
		}
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
	revision, err := store.RevisionOf(obj)
	if err != nil {
		return nil, err
	}
	if err := record.CheckKey(key); err != nil {
		return nil, err
	}
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := s.data.match(key, revision)
	if err != nil {
		return nil, err
	}
	_, value, err := record.Replacement(obj, record.IdentityOf(old.value), time.Now())
	if err != nil {
		return nil, err
	}
	return s.data.put(key, value).object, nil
}

// Transact writes several objects as one.
func (s *Store) Transact(ctx context.Context, objs ...api.Object) ([]api.Object, error) {
	writes, err := record.Transaction(objs, time.Now())
	if err != nil {
		return nil, err
	}
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, writes[0].Refuse(err)
	}
	defer unlock()
	for _, w := range writes {
		if err := s.data.fits(w); err != nil {
			return nil, w.Refuse(err)
		}
	}
	out := make([]api.Object, len(writes))
	for i, w := range writes {
		out[i] = s.data.put(w.Key, w.Value).object
	}
	return out, nil
}

// fits says what is in the way of a write.
func (d *data) fits(w record.Write) error {
	if w.Base != 0 {
		_, err := d.match(w.Key, w.Base)
		return err
	}
	if _, exists := d.entries[w.Key]; exists {
		return store.ErrExists
	}
	return nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key api.Key, revision int64) error {
	unlock, err := s.begin(ctx)
	if err == nil {
		defer unlock()
		if _, err = s.data.match(key, revision); err == nil {
			s.data.remove(key)
			return nil
		}
	}
	return &store.KeyError{Op: "delete", Key: key, Err: err}
}

// match returns what is stored under key if it is there and, unless revision is 0, of that revision.
func (d *data) match(key api.Key, revision int64) (entry, error) {
	e, ok := d.entries[key]
	switch {
	case !ok:
		return entry{}, store.ErrNotFound
	case revision != 0 && revision != e.revision:
		return entry{}, store.ErrConflict
	}
	return e, nil
}
