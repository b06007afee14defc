// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package gate keeps a component from writing to a datastore that is locked, or that a newer weft keeps: New wraps a store, Check looks once.
//
// The ClusterInformation named default says so: with spec.datastoreReady false, as during a migration, and by the annotation store.SchemaAnnotation. Writes then
// fail as if the datastore were away, and watches stand still with the reason, so that everybody keeps the last state. Leases go on, and the ClusterInformation can
// be written, or nobody could open the gate.
package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

var informationKey = api.Key{Resource: api.ClusterInformations, Name: "default"}

// Check returns why nothing may be written to a store, nil if it may.
func Check(ctx context.Context, s store.Store) error {
	obj, err := s.Get(ctx, informationKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return closed(obj)
}

// closed returns why a ClusterInformation forbids writing.
func closed(obj api.Object) error {
	info, ok := obj.(*v3.ClusterInformation)
	if !ok {
		return nil
	}
	if ready := info.Spec.DatastoreReady; ready != nil && !*ready {
		return fmt.Errorf("%w: it is locked, as for a migration: %s has spec.datastoreReady: false; set it to true when that is over", store.ErrUnavailable, informationKey)
	}
	text := info.Annotations[store.SchemaAnnotation]
	schema, err := strconv.Atoi(text)
	switch {
	case text == "": // of Calico, or of a weft that wrote no mark
		return nil
	case err != nil || schema < 1:
		return fmt.Errorf("%w: %s: metadata.annotations[%s] is %q, which is no number of a schema; correct or remove it", store.ErrUnavailable, informationKey, store.SchemaAnnotation, text)
	case schema > store.Schema:
		return fmt.Errorf("%w: it has schema %d, of a newer weft, and this one knows up to %d: it might misread what is there; use a newer weft", store.ErrUnavailable, schema, store.Schema)
	}
	return nil
}

// state is what is known of the gate.
type state struct {
	known bool
	why   error // why it is closed; nil: open
	away  error // why it is not known, if something is wrong
}

// gate is a store behind one.
type gate struct {
	store.Store
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	state   state
	changed chan struct{} // closed and replaced at every change
}

// New returns s behind a gate, with the abilities of s. Closing it closes s.
func New(s store.Store) store.Store {
	ctx, cancel := context.WithCancel(context.Background())
	g := &gate{Store: s, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	go g.follow(ctx)
	if t, ok := s.(store.Transactor); ok {
		return transactor{g, t}
	}
	if p, ok := s.(store.PodSource); ok {
		return podSource{g, p}
	}
	return g
}

// follow keeps the state up to date until ctx ends.
func (g *gate) follow(ctx context.Context) {
	defer close(g.ended)
	w, err := g.Store.Watch(ctx, informationKey.Resource)
	if err != nil {
		g.set(func(s *state) { s.away = err })
		return
	}
	defer w.Close()
	for {
		b, err := w.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = store.ErrClosed
			}
			g.set(func(s *state) { *s = state{away: err} })
			return
		}
		g.set(func(s *state) {
			for _, e := range b.Events {
				if e.Key == informationKey && e.Err == nil { // what cannot be read leaves the gate as it is
					s.why = closed(e.Object)
				}
			}
			s.known, s.away = s.known || b.InSync, b.Err
		})
	}
}

func (g *gate) set(change func(*state)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.state
	change(&g.state)
	if g.state != before {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

func (g *gate) get() (state, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state, g.changed
}

// pass returns nil when objects of a resource may be written. It waits until that is known.
func (g *gate) pass(ctx context.Context, op string, key api.Key) error {
	if key.Resource == api.Leases || key == informationKey {
		return nil
	}
	for {
		s, changed := g.get()
		switch {
		case s.why != nil:
			return &store.KeyError{Op: op, Key: key, Err: s.why}
		case s.known:
			return nil
		case s.away != nil:
			return &store.KeyError{Op: op, Key: key, Err: s.away}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &store.KeyError{Op: op, Key: key, Err: fmt.Errorf("%w: it is not known yet whether it is locked: %w", store.ErrUnavailable, ctx.Err())}
		}
	}
}

// Create implements store.Store.
func (g *gate) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	if err := g.pass(ctx, "create", api.KeyOf(obj)); err != nil {
		return nil, err
	}
	return g.Store.Create(ctx, obj)
}

// Update implements store.Store.
func (g *gate) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	if err := g.pass(ctx, "update", api.KeyOf(obj)); err != nil {
		return nil, err
	}
	return g.Store.Update(ctx, obj)
}

// Delete implements store.Store.
func (g *gate) Delete(ctx context.Context, key api.Key, revision int64) error {
	if err := g.pass(ctx, "delete", key); err != nil {
		return err
	}
	return g.Store.Delete(ctx, key, revision)
}

// Close implements store.Store.
func (g *gate) Close() error {
	g.cancel()
	<-g.ended
	return g.Store.Close()
}

// transactor is a gate of a store with transactions.
type transactor struct {
	*gate
	inner store.Transactor
}

// Transact implements store.Transactor.
func (t transactor) Transact(ctx context.Context, objs ...api.Object) ([]api.Object, error) {
	for _, obj := range objs {
		if err := t.pass(ctx, "transact", api.KeyOf(obj)); err != nil {
			return nil, err
		}
	}
	return t.inner.Transact(ctx, objs...)
}

// podSource is a gate of a store of Kubernetes.
type podSource struct {
	*gate
	inner store.PodSource
}

// UpdateStatus implements store.StatusWriter.
func (p podSource) UpdateStatus(ctx context.Context, obj api.Object) (api.Object, error) {
	if err := p.pass(ctx, "update status", api.KeyOf(obj)); err != nil {
		return nil, err
	}
	return store.UpdateStatus(ctx, p.inner, obj)
}

// WatchPods implements store.PodSource. Pods are Kubernetes' own.
func (p podSource) WatchPods(ctx context.Context, node string) (store.Watcher, error) {
	return p.inner.WatchPods(ctx, node)
}

// Pod implements store.PodSource.
func (p podSource) Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return p.inner.Pod(ctx, namespace, name)
}
