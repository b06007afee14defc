// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// settingsCache follows the configured resources with a watch. While the watch is not in sync, reads go to the store.
type settingsCache struct {
	store store.Store
	start sync.Once
	stop  context.CancelFunc
	ctx   context.Context

	mu      sync.Mutex
	objects map[api.Key]api.Object
	inSync  bool
	current *settings // resolved from objects; nil: to do
}

func newSettingsCache(s store.Store) *settingsCache {
	ctx, stop := context.WithCancel(context.Background())
	return &settingsCache{store: s, ctx: ctx, stop: stop, objects: map[api.Key]api.Object{}}
}

// get returns settings that may be behind the store by as long as a watch event travels.
func (c *settingsCache) get(ctx context.Context) (*settings, error) {
	c.start.Do(func() { go c.follow() })
	c.mu.Lock()
	if !c.inSync {
		c.mu.Unlock()
		return c.read(ctx)
	}
	defer c.mu.Unlock()
	if c.current == nil {
		c.current = resolve(slices.Collect(maps.Values(c.objects)))
	}
	return c.current, nil
}

// read returns settings as the store has them now.
func (c *settingsCache) read(ctx context.Context) (*settings, error) {
	var objs []api.Object
	for _, resource := range configured {
		list, err := c.store.List(ctx, resource, "")
		if err != nil {
			return nil, err
		}
		objs = append(objs, list.Items...)
	}
	return resolve(objs), nil
}

// follow runs until the watch ends or close is called; afterwards get reads from the store.
func (c *settingsCache) follow() {
	w, err := c.store.Watch(c.ctx, configured...)
	if err != nil {
		return // get goes on without; the store's own error shows there
	}
	defer w.Close()
	for {
		batch, err := w.Next(c.ctx)
		c.apply(batch, err == nil)
		if err != nil {
			return
		}
	}
}

// apply takes a batch over. An unreadable value leaves the last good one in force.
func (c *settingsCache) apply(b store.Batch, alive bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inSync = alive && b.InSync
	for _, e := range b.Events {
		switch {
		case e.Err != nil:
		case e.Object == nil:
			delete(c.objects, e.Key)
		default:
			c.objects[e.Key] = e.Object
		}
		c.current = nil
	}
}
