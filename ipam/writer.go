// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// The limits of one write.
const (
	maxTries      = 100              // of a compare-and-swap, as Calico
	maxUnknown    = 3                // writes of unknown outcome in a row
	commitTimeout = 10 * time.Second // for all tries together
)

// edit changes a block. Apply gets a copy, possibly absent, and is called again on a fresh one after a conflict.
type edit interface {
	apply(b *block) (changed bool, err error)
}

// request is an edit on its way through a writer.
type request struct {
	edit
	ctx context.Context
	// seen is the reading of the block that the request was prepared with; verify is called when it was read again since, and
	// its error ends the request.
	seen   uint64
	verify func(context.Context) error
	// doubt is called, if set, when a write that carried the request may have been done or not.
	doubt   func()
	refused error // by look
	done    chan error
}

// writer is one block as this process sees it, and the only one here who writes it. Requests that come while a write is under way
// are committed together by the next one.
type writer struct {
	store store.Store
	cidr  netip.Prefix

	mu     sync.Mutex
	state  block
	known  bool   // state is what was last read or written
	ours   bool   // this process has written the block: nothing that an earlier one has sent can come true any more
	seen   uint64 // changes when state does not continue what was known before
	claims int    // assignments under way that count on a free address
	queue  []*request
	busy   bool
	idle   sync.Cond // signalled when busy ends
}

// readings numbers the readings of all blocks in this process.
var readings atomic.Uint64

func newWriter(s store.Store, cidr netip.Prefix) *writer {
	w := &writer{store: s, cidr: cidr}
	w.idle.L = &w.mu
	return w
}

// peek returns the block, from memory if it is known, and the number of that reading.
func (w *writer) peek(ctx context.Context) (block, uint64, error) {
	w.mu.Lock()
	if w.known {
		defer w.mu.Unlock()
		return w.state, w.seen, nil
	}
	w.mu.Unlock()
	return w.read(ctx)
}

// read returns the block as it is stored now.
func (w *writer) read(ctx context.Context) (block, uint64, error) {
	b, err := getBlock(ctx, w.store, w.cidr)
	if err != nil {
		return block{}, 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(b)
	return w.state, w.seen, nil
}

// learn takes over what was read elsewhere.
func (w *writer) learn(b block) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(b)
}

// set begins a new reading; call it with mu held.
func (w *writer) set(b block) { w.state, w.known, w.seen = b, true, readings.Add(1) }

// forget makes the next user read the block again.
func (w *writer) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = false
}

// reserve counts on a free address for the caller, who must call unreserve after its request. The block must be of owner ("" any).
func (w *writer) reserve(ctx context.Context, owner string, c rules) (ok bool, seen uint64, err error) {
	if _, _, err := w.peek(ctx); err != nil {
		return false, 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known || owner != "" && w.state.owner() != owner || w.state.free(c) <= w.claims {
		return false, 0, nil
	}
	w.claims++
	return true, w.seen, nil
}

func (w *writer) unreserve() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claims--
}

// do commits a request and returns its outcome. It does not return early when ctx ends: a write under way is waited for, so that
// the caller knows what happened.
func (w *writer) do(r *request) error {
	r.done = make(chan error, 1)
	w.mu.Lock()
	w.queue = append(w.queue, r)
	if !w.busy {
		w.busy = true
		go w.run()
	}
	w.mu.Unlock()
	return <-r.done
}

// run commits until the queue is empty.
func (w *writer) run() {
	for {
		w.mu.Lock()
		batch := w.queue
		w.queue, w.busy = nil, len(batch) > 0
		if !w.busy {
			w.idle.Signal()
		}
		w.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		w.commit(batch)
	}
}

// hold waits until no write of the block is under way here, keeps others from beginning one, and returns the block if it is known.
func (w *writer) hold() (state block, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.busy {
		w.idle.Wait()
	}
	w.busy = true
	return w.state, w.known
}

// letGo ends hold and begins with what has come meanwhile.
func (w *writer) letGo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy = len(w.queue) > 0; w.busy {
		go w.run()
	} else {
		w.idle.Signal()
	}
}

// advance takes over what was written in place of what was known.
func (w *writer) advance(written *v3.IPAMBlock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.known, w.ours = block{w.cidr, written}, true, true
}

// commit brings all requests of a batch to their end. It begins with what is known: if someone else has changed the block meanwhile, the
// write fails and tells. An outcome without a write proves nothing, so it counts only after a reading.
func (w *writer) commit(batch []*request) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	load, unknown := w.peek, 0
	for try := range maxTries {
		state, seen, err := load(ctx)
		if err != nil {
			finish(batch, err)
			return
		}
		next, rest, settled := applyAll(ctx, state, seen, batch)
		load = w.read
		if len(settled) > 0 && try == 0 {
			continue
		}
		for r, err := range settled {
			r.done <- err
		}
		if batch = rest; len(batch) == 0 {
			return
		}
		err = w.write(ctx, state, next)
		switch {
		case err == nil:
			finish(batch, nil)
			return
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		default: // the outcome is unknown: the edits find out on the next reading
			for _, r := range batch {
				if r.doubt != nil {
					r.doubt()
				}
			}
			if unknown++; unknown == maxUnknown {
				w.forget()
				finish(batch, err)
				return
			}
		}
		w.forget()
		pause(try)
	}
	finish(batch, fmt.Errorf("%w: block %s was changed by others %d times in a row; try again", ErrRetries, w.cidr, maxTries))
}

// applyAll applies the requests to a copy of state. It returns those that need a write, and the outcome of the others.
func applyAll(ctx context.Context, state block, seen uint64, batch []*request) (next block, rest []*request, settled map[*request]error) {
	next, settled = state.copy(), map[*request]error{}
	// All at the same time: while one writer verifies, others must not be able to get ahead of it again and again.
	_ = parallel(batch, func(r *request) error {
		r.refused = r.look(ctx, seen)
		return nil
	})
	for _, r := range batch {
		changed, err := false, r.refused
		if err == nil {
			changed, err = r.apply(&next)
		}
		if err != nil || !changed {
			settled[r] = err
			continue
		}
		rest = append(rest, r)
	}
	return next, rest, settled
}

// look says whether the request still stands with the reading seen.
func (r *request) look(ctx context.Context, seen uint64) error {
	if err := r.ctx.Err(); err != nil || r.verify == nil || r.seen == seen {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	r.seen = seen
	return nil
}

func finish(batch []*request, err error) {
	for _, r := range batch {
		r.done <- err
	}
}

// write replaces state by next if nobody else changed it. An orphan that became empty is deleted.
func (w *writer) write(ctx context.Context, state, next block) error {
	if next.owner() == "" && next.empty() {
		revision, err := store.RevisionOf(state.obj)
		if err != nil {
			return err
		}
		if err := w.store.Delete(ctx, blockKey(w.cidr), revision); err != nil {
			return err
		}
		w.learn(block{cidr: w.cidr})
		return nil
	}
	next.obj.Spec.SequenceNumber++
	written, err := w.store.Update(ctx, next.obj)
	if err != nil {
		return err
	}
	w.advance(written.(*v3.IPAMBlock))
	return nil
}

// pause keeps writers who meet again and again apart.
func pause(try int) {
	if try > 2 {
		time.Sleep(time.Duration(rand.Int64N(int64(min(try, 20)) * int64(time.Millisecond))))
	}
}

func blockKey(cidr netip.Prefix) api.Key {
	return api.Key{Resource: api.IPAMBlocks, Name: BlockName(cidr)}
}

// getBlock reads a block; one that does not exist is no error.
func getBlock(ctx context.Context, s store.Store, cidr netip.Prefix) (block, error) {
	obj, err := s.Get(ctx, blockKey(cidr))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return block{cidr: cidr}, nil
	case err != nil:
		return block{}, err
	}
	b, err := readBlock(obj.(*v3.IPAMBlock))
	if err == nil && b.cidr != cidr {
		err = fmt.Errorf("IPAMBlock %s: spec.cidr is %s; delete the block or restore it from a backup", obj.GetName(), b.cidr)
	}
	return b, err
}
