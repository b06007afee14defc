// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// transactor returns the store of a backend that can write several objects as one, and skips the test of others.
func (f *fixture) transactor(t *testing.T, s store.Store) store.Transactor {
	t.Helper()
	tx, ok := s.(store.Transactor)
	if !ok {
		t.Skip("this backend has no transactions")
	}
	return tx
}

func testTransact(t *testing.T, f *fixture) {
	s := f.transactor(t, f.store)
	old := f.create(t, note(pool("a"), "one"))
	out, err := s.Transact(f.ctx, note(old, "two"), pool("b"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "b"} {
		if got := f.get(t, api.KeyOf(out[i])); out[i].GetName() != want || !same(got, out[i]) || got.GetResourceVersion() != out[i].GetResourceVersion() {
			t.Errorf("returned\n%s, stored\n%s", text(out[i]), text(got))
		}
	}
	if out[0].GetUID() != old.GetUID() || out[1].GetUID() == "" || out[1].GetCreationTimestamp().Time.IsZero() {
		t.Errorf("identities: %+v of %+v, and %+v", out[0], old, out[1])
	}
	before := f.list(t, api.IPPools, "")
	_, err = s.Transact(f.ctx, pool("c"), note(out[1], "new"), note(old, "stale"))
	wantError(t, err, store.ErrConflict, "update ippools.projectcalico.org a")
	_, err = s.Transact(f.ctx, note(out[0], "new"), pool("b"))
	wantError(t, err, store.ErrExists, "create ippools.projectcalico.org b")
	f.delete(t, api.KeyOf(out[1]))
	_, err = s.Transact(f.ctx, note(out[0], "new"), note(out[1], "new"))
	wantError(t, err, store.ErrNotFound, "update ippools.projectcalico.org b")
	for what, objs := range map[string][]api.Object{
		"0 objects": {}, "twice": {pool("d"), pool("d")}, "101 objects": make([]api.Object, store.MaxTransact+1), "metadata.name": {pool("d"), pool("")},
	} {
		if _, err := s.Transact(f.ctx, objs...); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v; want one that names %s", err, what)
		}
	}
	if after := f.list(t, api.IPPools, ""); len(after.Items) != len(before.Items)-1 || !same(after.Items[0], before.Items[0]) {
		t.Errorf("a refused transaction left %v, want %v without b", after.Items, before.Items)
	}
}

// testTransactIsOne lets clients count in two objects at once. The counts must be the same in every transaction and in the end.
func testTransactIsOne(t *testing.T, f *fixture) {
	const clients, rounds = 4, 15
	f.create(t, note(pool("x"), "0"))
	f.create(t, note(pool("y"), "0"))
	var wg sync.WaitGroup
	for i := range clients {
		s := f.transactor(t, f.client(t))
		wg.Go(func() {
			for n := range rounds {
				if err := f.countBoth(s, pool(fmt.Sprint("made-", i, "-", n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want := strconv.Itoa(clients * rounds)
	if x, y := noteOf(f.get(t, api.KeyOf(pool("x")))), noteOf(f.get(t, api.KeyOf(pool("y")))); x != want || y != want {
		t.Errorf("counted %s and %s, want %s", x, y, want)
	}
	if list := f.list(t, api.IPPools, ""); len(list.Items) != clients*rounds+2 {
		t.Errorf("%d objects, want one for each of %s transactions", len(list.Items)-2, want)
	}
}

// countBoth adds one to both numbers and adds an object, in one transaction.
func (f *fixture) countBoth(s store.Transactor, extra api.Object) error {
	for {
		x, err1 := s.Get(f.ctx, api.KeyOf(pool("x")))
		y, err2 := s.Get(f.ctx, api.KeyOf(pool("y")))
		n, err3 := strconv.Atoi(noteOf(x))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		next := strconv.Itoa(n + 1)
		_, err := s.Transact(f.ctx, note(x, next), note(y, next), extra)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
