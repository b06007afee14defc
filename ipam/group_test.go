// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// writeCounter counts writes; the first of a burst of transactions waits until release is closed.
type writeCounter struct {
	store.Transactor
	singles, transactions atomic.Int32
	began                 chan struct{} // nil: nobody waits
	release               chan struct{}
}

func (c *writeCounter) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	c.singles.Add(1)
	return c.Transactor.Create(ctx, obj)
}

func (c *writeCounter) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	c.singles.Add(1)
	return c.Transactor.Update(ctx, obj)
}

func (c *writeCounter) Transact(ctx context.Context, objs ...api.Object) ([]api.Object, error) {
	if c.transactions.Add(1) == 1 && c.began != nil {
		close(c.began)
		<-c.release
	}
	return c.Transactor.Transact(ctx, objs...)
}

// warm returns an allocator that has its blocks, and what counts its writes from now on.
func warm(w *world) (*Allocator, *writeCounter) {
	c := &writeCounter{Transactor: w.store.(store.Transactor)}
	a := w.nodeOn(c, "n1")
	w.assign(a, Request{Handle: "first", IPv4: true, IPv6: true})
	c.singles.Store(0)
	c.transactions.Store(0)
	return a, c
}

func dual(t *testing.T) *world {
	return newWorld(t, pool("four", "10.0.0.0/24", blockSize(26)), pool("six", "fd00::/112", blockSize(122)))
}

func TestAssignIsOneWrite(t *testing.T) {
	w := dual(t)
	a, c := warm(w)
	w.assign(a, Request{Handle: "h", IPv4: true, IPv6: true})
	if c.transactions.Load() != 1 || c.singles.Load() != 0 {
		t.Errorf("%d transactions and %d single writes, want one transaction", c.transactions.Load(), c.singles.Load())
	}
	w.sound(true)
}

func TestAssignmentsShareWrites(t *testing.T) {
	const n = 30
	w := dual(t)
	a, c := warm(w)
	c.began, c.release = make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	assign := func(i int) {
		all.Go(func() {
			if _, err := a.Assign(t.Context(), Request{Handle: fmt.Sprint("h", i), IPv4: true, IPv6: true}); err != nil {
				t.Error(err)
			}
		})
	}
	assign(0)
	<-c.began
	for i := range n - 1 {
		assign(i + 1)
	}
	waiting := func() int { a.group.mu.Lock(); defer a.group.mu.Unlock(); return len(a.group.queue) }
	for waiting() < n-1 {
		select {
		case <-t.Context().Done():
			t.Fatal("the assignments do not queue up")
		default:
		}
	}
	close(c.release)
	all.Wait()
	if c.transactions.Load() != 2 || c.singles.Load() != 0 {
		t.Errorf("%d transactions and %d single writes, want two transactions", c.transactions.Load(), c.singles.Load())
	}
	if held := w.held(); len(held) != 2*(n+1) {
		t.Errorf("%d addresses are held, want %d", len(held), 2*(n+1))
	}
	w.sound(true)
}

// Another process has changed the block since it was read: the transaction is refused, single writes find out.
func TestGroupMeetsOthers(t *testing.T) {
	w := dual(t)
	a, c := warm(w)
	w.assign(w.node("n1"), Request{Handle: "other", IPv4: true})
	w.assign(a, Request{Handle: "h", IPv4: true, IPv6: true})
	if c.transactions.Load() != 1 || c.singles.Load() == 0 {
		t.Errorf("%d transactions and %d single writes, want one refused transaction, then single writes", c.transactions.Load(), c.singles.Load())
	}
	w.assign(a, Request{Handle: "h2", IPv4: true, IPv6: true})
	if c.transactions.Load() != 2 {
		t.Errorf("%d transactions, want to be back to them", c.transactions.Load())
	}
	w.sound(true)
}

// A handle that has addresses already gets more, though it cannot be made again.
func TestGroupMeetsOwnHandle(t *testing.T) {
	w := dual(t)
	a, _ := warm(w)
	w.assign(a, Request{Handle: "h", IPv4: true, IPv6: true})
	w.assign(a, Request{Handle: "h", IPv4: true})
	got, err := a.ByHandle(t.Context(), "h")
	if err != nil || len(got) != 3 {
		t.Errorf("h has %v, %v; want three addresses", got, err)
	}
	w.release(a, "h")
	w.sound(true)
}

// An assignment gets all of its addresses from a group, or keeps none of them.
func TestGroupTakesAllOrNone(t *testing.T) {
	w := dual(t)
	a, _ := warm(w)
	r := &Request{Handle: "h", IPv4: true, IPv6: true}
	s, err := a.settings.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants, err := a.plan(t.Context(), r, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range wants {
		if err := a.pick(t.Context(), s, want); err != nil {
			t.Fatal(err)
		}
		defer want.unreserve()
	}
	one := &assignment{a: a, r: r, s: s, wants: wants, counted: counts{}}
	wants[1].block.forget()
	blocks := hold([]*member{{assignment: one}})
	defer blocks.letGo()
	if blocks.take(one) || len(one.open()) != 2 || len(one.counted) != 0 || len(blocks.changed) != 0 {
		t.Errorf("without its second block the assignment got %v, counts %v, changes %v; want nothing", wants[0].got, one.counted, blocks.changed)
	}
}
