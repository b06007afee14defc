// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package inputcache keeps on disk what a node last read of the datastore: New one, Note each batch of the watch before it is acted upon, Run it; Load
// it where the datastore is away at the start.
//
// The file is a journal of checked blocks (format.go). A mark closes what belongs together: what is read is the state at the last mark, so that a write
// that was cut off leaves the state before it, and anything else that is not as it was written makes the whole file refused.
package inputcache

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

const (
	fileName = "inputs"
	newName  = "inputs.new"
	// coalesce is how long changes that may wait are gathered.
	coalesce = time.Second
	// most is how many changes wait at the most: a whole datastore that comes within coalesce would be held twice.
	most = 1000
	// heartbeat is the pause between marks while nothing changes: the state is known to be that recent.
	heartbeat = time.Minute
	// retry is the pause after a failed write.
	retry = 10 * time.Second
	// slack is what a file may hold besides twice its size at the last rewrite, in bytes.
	slack = 1 << 20
)

// Path is the file in a directory.
func Path(dir string) string { return filepath.Join(dir, fileName) }

// Paths are all that there may be of a cache in a directory.
func Paths(dir string) []string { return []string{Path(dir), filepath.Join(dir, newName)} }

// Options of a Cache.
type Options struct {
	// Dir is made if needed. It should outlast a reboot, and not be in memory.
	Dir  string
	Node string
	// Prompt tells the resources whose changes are written before Note returns, unless the file is being rewritten.
	Prompt func(api.Resource) bool
	Log    *slog.Logger
}

// Cache writes the file. An older one stays until the watch is in sync.
type Cache struct {
	Options
	wake chan struct{}

	mu      sync.Mutex
	pending map[api.Key]store.Event // not written yet
	inSync  bool                    // as of the last batch
	whole   bool                    // has been in sync once
	read    int64                   // revision of the last batch
	err     error                   // why what is pending is not written

	writing sync.Mutex // guards what follows; taken before mu
	file    *file
}

// New returns a cache whose watch has told nothing yet.
func New(o Options) *Cache {
	return &Cache{Options: o, wake: make(chan struct{}, 1), pending: map[api.Key]store.Event{}}
}

// Note takes a batch. Its objects must not change any more.
func (c *Cache) Note(b store.Batch) {
	c.mu.Lock()
	prompt := false
	for _, e := range b.Events {
		c.pending[e.Key] = e
		prompt = prompt || c.Prompt(e.Key.Resource)
	}
	c.inSync, c.read = b.InSync, b.Revision
	first := b.InSync && !c.whole
	c.whole = c.whole || b.InSync
	atOnce := prompt && c.whole && !first || len(c.pending) >= most
	c.mu.Unlock()
	if atOnce && c.writing.TryLock() {
		c.flush(time.Now())
		c.writing.Unlock()
		return
	}
	if len(b.Events) > 0 || first {
		c.signal()
	}
}

func (c *Cache) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Err is why the file is behind, nil if it is not.
func (c *Cache) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Run writes until ctx ends, and then what is left.
func (c *Cache) Run(ctx context.Context) {
	defer c.close()
	for {
		var pause time.Duration
		select {
		case <-c.wake:
			pause = coalesce
		case <-time.After(heartbeat):
		case <-ctx.Done():
			c.write(time.Now())
			return
		}
		if c.Err() != nil {
			pause = retry
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		c.write(time.Now())
	}
}

// write flushes, and rewrites a file that holds too much that has been replaced.
func (c *Cache) write(now time.Time) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.flush(now)
	if f := c.file; f != nil && f.named && f.size > 2*f.base+slack {
		fresh, err := f.rewritten(c.Node)
		if fresh != nil {
			c.file = fresh
		}
		if err != nil {
			c.tell(fmt.Errorf("rewriting it: %w", err))
		}
	}
}

// flush writes what is pending; c.writing is held. What could not be written stays pending.
func (c *Cache) flush(now time.Time) {
	c.mu.Lock()
	events, whole, inSync, revision := c.pending, c.whole, c.inSync, c.read
	c.pending = map[api.Key]store.Event{}
	c.mu.Unlock()
	named := c.file != nil && c.file.named
	due := whole && !named || named && inSync && now.Sub(c.file.marked) >= heartbeat
	if len(events) == 0 && !due {
		return
	}
	err := c.append(events, whole, mark{Time: now.UTC(), Revision: revision})
	if err != nil {
		c.mu.Lock()
		for key, e := range c.pending { // newer
			events[key] = e
		}
		c.pending = events
		c.mu.Unlock()
		c.signal()
	}
	c.tell(err)
}

// append writes to the file, which it makes if there is none.
func (c *Cache) append(events map[api.Key]store.Event, whole bool, m mark) (err error) {
	if c.file == nil {
		if c.file, err = create(c.Dir, c.Node); err != nil {
			return err
		}
	}
	return c.file.append(events, whole, m)
}

// tell notes and logs what goes wrong, once.
func (c *Cache) tell(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("%s: %w", Path(c.Dir), err)
		if c.err == nil || c.err.Error() != err.Error() {
			c.Log.Error("the inputs on disk are behind, retrying; a start without the datastore would use them", "error", err)
		}
	}
	c.err = err
}

func (c *Cache) close() {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.file != nil {
		c.tell(c.file.close())
		c.file = nil
	}
}
