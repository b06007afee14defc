// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// maxGroup bounds the assignments of one transaction: each brings a handle and at most two blocks.
const maxGroup = store.MaxTransact / 3

// errAlone sends an assignment the way of single writes: its handle exists already, or a block was changed by others.
var errAlone = errors.New("cannot be committed in a group")

// group commits whole assignments: the handles and all their blocks in one transaction. Those that come while one is under way
// share the next.
type group struct {
	store store.Transactor

	mu    sync.Mutex
	queue []*member
	busy  bool
}

// member is an assignment on its way through a group.
type member struct {
	*assignment
	ctx  context.Context
	done chan error
}

// do commits an assignment whose blocks are chosen. The error Is errAlone when nothing was written. After any other error the outcome is
// unknown and the assignment, which says what it may have got, must be undone.
func (g *group) do(ctx context.Context, t *assignment) error {
	m := &member{t, ctx, make(chan error, 1)}
	g.mu.Lock()
	g.queue = append(g.queue, m)
	if !g.busy {
		g.busy = true
		go g.run()
	}
	g.mu.Unlock()
	return <-m.done
}

// run commits until the queue is empty.
func (g *group) run() {
	for {
		g.mu.Lock()
		n := min(len(g.queue), maxGroup)
		batch := g.queue[:n:n]
		g.queue, g.busy = g.queue[n:], n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.commit(batch)
	}
}

// commit brings all members of a batch to their end.
func (g *group) commit(batch []*member) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	blocks := hold(batch)
	defer blocks.letGo()
	var handles []api.Object
	joined := slices.DeleteFunc(batch, func(m *member) bool {
		if m.ctx.Err() != nil || !blocks.take(m.assignment) {
			m.done <- errAlone
			return true
		}
		handles = append(handles, newHandle(m.r.Handle, sum(nil, m.counted)))
		return false
	})
	if len(joined) == 0 {
		return
	}
	err := blocks.write(ctx, g.store, handles)
	if err != nil && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrOutcomeUnknown) && ctx.Err() == nil {
		for _, m := range joined {
			m.untake()
		}
		err = errAlone
	}
	for _, m := range joined {
		m.doubt = err != nil && !errors.Is(err, errAlone)
		m.done <- err
	}
}

// untake forgets what a transaction that was not made would have given.
func (t *assignment) untake() {
	t.counted = counts{}
	for _, w := range t.wants {
		w.got = netip.Addr{}
	}
}

// held are blocks that nobody else of this process writes: as they are going to be.
type held struct {
	writers []*writer // in address order
	next    map[*writer]block
	changed map[*writer]bool
}

// hold waits for the blocks of a batch.
func hold(batch []*member) *held {
	h := &held{next: map[*writer]block{}, changed: map[*writer]bool{}}
	for _, m := range batch {
		for _, w := range m.wants {
			h.writers = append(h.writers, w.block)
		}
	}
	slices.SortFunc(h.writers, func(a, b *writer) int { return netip.Prefix.Compare(a.cidr, b.cidr) })
	h.writers = slices.Compact(h.writers)
	for _, w := range h.writers {
		if state, known := w.hold(); known {
			h.next[w] = state
		}
	}
	return h
}

func (h *held) letGo() {
	for _, w := range h.writers {
		w.letGo()
	}
}

// take gives an assignment its addresses, all or none.
func (h *held) take(t *assignment) bool {
	next := map[*writer]block{}
	for _, w := range t.wants {
		state, known := h.next[w.block]
		b, edit := state.copy(), t.edit(w)
		if known {
			_, err := edit.apply(&b)
			known = err == nil
		}
		if !known {
			t.untake()
			return false
		}
		next[w.block], w.got = b, edit.got
	}
	for w, b := range next {
		h.next[w], h.changed[w] = b, true
		t.counted[w.cidr]++
	}
	return true
}

// write stores the handles and the changed blocks as one. After an error the blocks have to be read again.
func (h *held) write(ctx context.Context, s store.Transactor, objs []api.Object) error {
	var writers []*writer
	for _, w := range h.writers {
		if h.changed[w] {
			h.next[w].obj.Spec.SequenceNumber++
			writers, objs = append(writers, w), append(objs, h.next[w].obj)
		}
	}
	written, err := s.Transact(ctx, objs...)
	if err != nil {
		for _, w := range writers {
			w.forget()
		}
		return err
	}
	written = written[len(objs)-len(writers):]
	for i, w := range writers {
		w.advance(written[i].(*v3.IPAMBlock))
	}
	return nil
}
