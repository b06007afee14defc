// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// fault says what happens at the n-th write.
type fault string

const (
	crashBefore fault = "crash before the write"
	crashAfter  fault = "crash after the write"
	lost        fault = "write lost, outcome unknown"
	unheard     fault = "write done, answer lost"
	late        fault = "write done later, outcome unknown"
)

var faults = []fault{crashBefore, crashAfter, lost, unheard, late}

var errCrashed = errors.New("this process is dead")

// faultStore is a store as one process sees it that meets a fault at its n-th write.
type faultStore struct {
	store.Store
	kind fault

	mu      sync.Mutex
	left    int // writes until the fault; 0: it happened
	dead    bool
	delayed func()
}

func (f *faultStore) happened() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left == 0
}

// write does one write, or what the fault makes of it.
func (f *faultStore) write(do func() (api.Object, error)) (api.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil, errCrashed
	}
	if f.left--; f.left != 0 {
		f.left = max(f.left, 0)
		if f.delayed != nil {
			defer f.arrive()
		}
		return do()
	}
	unknown := fmt.Errorf("%w: no answer", store.ErrUnavailable)
	switch f.kind {
	case crashAfter:
		_, _ = do()
		fallthrough
	case crashBefore:
		f.dead = true
		return nil, errCrashed
	case unheard:
		_, _ = do()
	case late:
		f.delayed = func() { _, _ = do() }
	}
	return nil, unknown
}

// arrive lets a delayed write happen: after the first write that follows it.
func (f *faultStore) arrive() {
	f.delayed()
	f.delayed = nil
}

// faultTransactor is a faultStore that has transactions.
type faultTransactor struct{ *faultStore }

func (f faultTransactor) Transact(ctx context.Context, objs ...api.Object) (out []api.Object, err error) {
	objs = cloneAll(objs)
	_, err = f.write(func() (_ api.Object, err error) {
		out, err = f.Store.(store.Transactor).Transact(context.WithoutCancel(ctx), cloneAll(objs)...)
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func cloneAll(objs []api.Object) []api.Object {
	out := make([]api.Object, len(objs))
	for i, obj := range objs {
		out[i] = api.Clone(obj)
	}
	return out
}

func (f *faultStore) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	return f.write(func() (api.Object, error) { return f.Store.Create(ctx, obj) })
}

func (f *faultStore) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	obj = api.Clone(obj)
	return f.write(func() (api.Object, error) { return f.Store.Update(context.WithoutCancel(ctx), api.Clone(obj)) })
}

func (f *faultStore) Delete(ctx context.Context, key api.Key, revision int64) error {
	_, err := f.write(func() (api.Object, error) { return nil, f.Store.Delete(context.WithoutCancel(ctx), key, revision) })
	return err
}

func (f *faultStore) Get(ctx context.Context, key api.Key) (api.Object, error) {
	if f.isDead() {
		return nil, errCrashed
	}
	return f.Store.Get(ctx, key)
}

func (f *faultStore) List(ctx context.Context, r api.Resource, namespace string) (store.List, error) {
	if f.isDead() {
		return store.List{}, errCrashed
	}
	return f.Store.List(ctx, r, namespace)
}

func (f *faultStore) isDead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}
