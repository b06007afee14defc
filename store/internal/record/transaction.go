// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// Write is one object of a transaction on its way into a store.
type Write struct {
	Key    api.Key
	Base   int64 // the revision it replaces; 0 adds it
	Object api.Object
	Value  []byte
}

// Transaction checks and encodes the objects of a transaction.
func Transaction(objs []api.Object, now time.Time) ([]Write, error) {
	if len(objs) == 0 || len(objs) > store.MaxTransact {
		return nil, fmt.Errorf("transaction of %d objects: want 1 to %d", len(objs), store.MaxTransact)
	}
	writes, seen := make([]Write, len(objs)), map[api.Key]bool{}
	for i, obj := range objs {
		w, err := newWrite(obj, now)
		if err == nil && seen[w.Key] {
			err = errors.New("it is in the transaction twice")
		}
		if err != nil {
			return nil, w.Refuse(err)
		}
		writes[i], seen[w.Key] = w, true
	}
	return writes, nil
}

func newWrite(obj api.Object, now time.Time) (Write, error) {
	w := Write{Key: api.KeyOf(obj)}
	var err error
	if w.Base, err = store.RevisionOf(obj); err != nil {
		return w, err
	}
	id := NewIdentity(now)
	if w.Base != 0 {
		id = Identity{UID: obj.GetUID(), Created: obj.GetCreationTimestamp()}
		if id.UID == "" || id.Created.IsZero() {
			return w, errors.New("metadata.uid or metadata.creationTimestamp is missing; write the object as it was read")
		}
	}
	w.Object, _, w.Value, err = New(obj, id)
	return w, err
}

// Refuse makes the error of a write that was refused.
func (w Write) Refuse(err error) error {
	op := "update"
	if w.Base == 0 {
		op = "create"
		if errors.Is(err, store.ErrConflict) {
			err = store.ErrExists
		}
	}
	return &store.KeyError{Op: op, Key: w.Key, Err: err}
}
