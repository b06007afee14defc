// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import "errors"

// The errors a caller may branch on, with errors.Is. Their texts go on with the pools, blocks and what to do.
var (
	// ErrNoPool: no pool may be used for the request.
	ErrNoPool = errors.New("no qualified pool")
	// ErrFull: all addresses of the qualified pools are in use.
	ErrFull = errors.New("pool full")
	// ErrStrict: there are free addresses, but in blocks of other nodes, and strictAffinity forbids to borrow them.
	ErrStrict = errors.New("strict affinity")
	// ErrBlockLimit: the node has as many blocks as it may have, and strictAffinity forbids to borrow.
	ErrBlockLimit = errors.New("block limit reached")
	// ErrTaken: an address asked for by value belongs to someone else.
	ErrTaken = errors.New("already assigned")
	// ErrMismatch: an address to release belongs to another handle, or was assigned again since.
	ErrMismatch = errors.New("not the holder")
	// ErrRetries: others changed the same object each time it was tried.
	ErrRetries = errors.New("maximum of retries hit")
)

var (
	// errMoved: the block has no room, is gone or is no longer this node's; another one must be chosen.
	errMoved = errors.New("block cannot be used any more")
	// errClaimed: the block belongs to another node.
	errClaimed = errors.New("block claimed by another node")
)
