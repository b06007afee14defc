// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package store is the typed client of weft's datastore: List, then Watch; write with compare-and-swap.
//
// Backends live in sub-packages (etcdstore, memstore) and pass the one conformance suite in storetest. No backend type
// appears here.
package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/api"
)

// Store reads and writes objects. All methods are safe for concurrent use and obey ctx. Returned objects are shared and
// read-only; their resourceVersion is the store revision of their last change.
type Store interface {
	// Get returns one object, or an error that Is ErrNotFound.
	Get(ctx context.Context, key api.Key) (api.Object, error)
	// List returns all objects of a resource, in key order, as of one revision. Namespace "" means all.
	List(ctx context.Context, resource api.Resource, namespace string) (List, error)
	// Create adds an object; ErrExists if there is one. The returned copy carries resourceVersion, uid and creationTimestamp.
	Create(ctx context.Context, obj api.Object) (api.Object, error)
	// Update replaces an object. With a resourceVersion it is compare-and-swap (ErrConflict); without it,
	// the object is replaced whatever its revision is. uid and creationTimestamp stay; an obj with another uid was read from
	// an object deleted since: ErrConflict. ErrNotFound if there is none. It replaces an unreadable value, too.
	Update(ctx context.Context, obj api.Object) (api.Object, error)
	// Delete removes an object. A non-zero revision makes it compare-and-swap. ErrNotFound if there is none.
	Delete(ctx context.Context, key api.Key, revision int64) error
	// Watch streams the objects of the given resources, all as of one revision; see Watcher. It does not wait for the datastore.
	Watch(ctx context.Context, resources ...api.Resource) (Watcher, error)
	// Close releases connections; watches end.
	Close() error
}

// Transactor is a Store that can write several objects as one. Not every backend can.
type Transactor interface {
	Store
	// Transact makes all writes or none: nobody ever reads some of them without the others. An object without resourceVersion is
	// added (ErrExists if there is one); one with it replaces what was read at that revision, as Update does, and must carry the uid and
	// creationTimestamp it was read with. It takes 1 to MaxTransact objects with different keys and returns copies as Create and Update do, in
	// the same order. The KeyError is about an object that was in the way, the first one if there are several.
	Transact(ctx context.Context, objs ...api.Object) ([]api.Object, error)
}

// MaxTransact bounds the objects of one transaction. etcd refuses more than 128 by default (--max-txn-ops).
const MaxTransact = 100

// List is a listing as of one revision.
type List struct {
	Revision int64
	Items    []api.Object
	Invalid  []Invalid // keys whose value cannot be read; listed, never fatal
}

// Invalid is a stored value that is no valid object.
type Invalid struct {
	Key      api.Key
	Revision int64
	Err      error
}

// Watcher delivers a snapshot, then changes. It heals itself: after a lost connection or a compaction it lists again and delivers
// the difference, deletions included. It never goes back in time.
type Watcher interface {
	// Next blocks for the next batch. It returns an error only when ctx or the watcher has ended.
	Next(ctx context.Context) (Batch, error)
	Close()
}

// Batch is a set of events that belong together.
type Batch struct {
	Events   []Event
	Revision int64
	// InSync: with this batch the receiver has all there was at Revision. False until the snapshot is complete and while disconnected.
	InSync bool
	// Err says why the watch is not in sync, for status; nil otherwise.
	Err error
}

// Event is a put (Object set), a deletion (Object nil), or an unreadable value (Err set; keep the last good one).
type Event struct {
	Key      api.Key
	Object   api.Object
	Revision int64
	Err      error
}

// The errors a caller may branch on, with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrConflict    = errors.New("changed by someone else since it was read")
	ErrUnavailable = errors.New("datastore unavailable")
	// ErrOutcomeUnknown comes with ErrUnavailable or the context's error when a write was sent and its answer lost: it may have been
	// made, or be made yet. Read the object again before doing anything that counts on either.
	ErrOutcomeUnknown = errors.New("the outcome of the write is unknown")
	// ErrClosed is what calls and watches return once the store or the watch is closed.
	ErrClosed = errors.New("closed")
)

// KeyError is an error about one object.
type KeyError struct {
	Op  string
	Key api.Key
	Err error
}

// Error names the operation and the object.
func (e *KeyError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Key, e.Err) }

// Unwrap allows errors.Is.
func (e *KeyError) Unwrap() error { return e.Err }
