// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/store"
)

// publishRetry is the pause after a failed write; the datastore being away is ordinary and must not spin.
const publishRetry = 500 * time.Millisecond

// publisher tells the cluster about local endpoints, behind the back of the CNI path: what counts locally is programmed first
// and published after. The latest wish per endpoint wins; wishes wait out a datastore that is away. A published endpoint that somebody
// else deletes or changes is put back.
type publisher struct {
	store store.Store
	log   *slog.Logger
	wake  chan struct{}

	mu      sync.Mutex
	pending map[api.Key]wish
	live    map[api.Key]*published // what has been put and not been removed
	failing map[api.Key]error      // wishes that did not come true yet
}

// published is an endpoint that the datastore shall hold.
type published struct {
	endpoint *v3.WorkloadEndpoint
	revision int64 // as last written or found right; 0: not yet
}

// wish is what the datastore shall hold for one key.
type wish struct {
	endpoint *v3.WorkloadEndpoint // nil: delete what the owners put there
	owners   []string             // containers whose endpoint the datastore may hold, the latest last
	revision int64                // of the endpoint to delete as it was last written here; 0: not known
	// done are called once the wish is fulfilled, with the revision of the object that was deleted, 0 if there was none.
	done []func(deleted int64)
}

func newPublisher(s store.Store, log *slog.Logger) *publisher {
	return &publisher{store: s, log: log, wake: make(chan struct{}, 1),
		pending: map[api.Key]wish{}, live: map[api.Key]*published{}, failing: map[api.Key]error{}}
}

// put asks for endpoint to be published.
func (p *publisher) put(key api.Key, endpoint *v3.WorkloadEndpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	owners := []string{endpoint.Spec.ContainerID}
	if before := p.live[key]; before != nil {
		owners = append(owners, before.endpoint.Spec.ContainerID)
	}
	p.live[key] = &published{endpoint: endpoint}
	p.want(key, wish{endpoint: endpoint, owners: owners})
}

// remove asks for the endpoint of container owner to be removed, then calls done with the revision of what was deleted.
func (p *publisher) remove(key api.Key, owner string, done func(deleted int64)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := wish{owners: []string{owner}, done: []func(int64){done}}
	if live := p.live[key]; live != nil && live.endpoint.Spec.ContainerID == owner {
		w.revision = live.revision
	}
	delete(p.live, key)
	p.want(key, w)
}

// sweep asks for an endpoint that a lost record stood for to be removed, unless the key is in use.
func (p *publisher) sweep(key api.Key, owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waiting := p.pending[key]
	if _, live := p.live[key]; !live && !waiting {
		p.want(key, wish{owners: []string{owner}})
	}
}

// echo hears what the datastore holds under a key of ours, and puts back what it ought to hold. What is older than our own last write says
// nothing.
func (p *publisher) echo(e store.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live, ok := p.live[e.Key]
	if !ok || live.revision == 0 || e.Revision <= live.revision {
		return
	}
	p.want(e.Key, wish{endpoint: live.endpoint, owners: []string{live.endpoint.Spec.ContainerID}})
}

// want replaces an unfulfilled wish. What the older one promised is kept with the new one: when that is fulfilled, what the older one wanted
// gone is gone as well. p.mu is held.
func (p *publisher) want(key api.Key, w wish) {
	p.pending[key] = p.pending[key].then(w)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// then merges a wish with its successor.
func (w wish) then(next wish) wish {
	next.done = slices.Concat(w.done, next.done)
	next.owners = slices.Concat(w.owners, next.owners)
	slices.Sort(next.owners)
	next.owners = slices.Compact(next.owners)
	return next
}

// run fulfils wishes until ctx ends.
func (p *publisher) run(ctx context.Context) {
	for {
		var again <-chan time.Time
		if failed := p.round(ctx); failed {
			again = time.After(publishRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-again:
		}
	}
}

// round tries every pending wish once and says whether some failed. A datastore that is away is asked once, not for each wish.
func (p *publisher) round(ctx context.Context) (failed bool) {
	p.mu.Lock()
	work := p.pending
	p.pending = map[api.Key]wish{}
	p.mu.Unlock()
	created, away := p.createTogether(ctx, work)
	for key, w := range work {
		err := away
		revision, done := created[key]
		if err == nil && !done {
			revision, err = p.fulfil(ctx, key, w)
		}
		if errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			away = err
		}
		p.conclude(ctx, key, w, revision, err)
		failed = failed || err != nil
	}
	return failed
}

// conclude notes what became of a wish. One that failed is put back, under a newer one if that has come.
func (p *publisher) conclude(ctx context.Context, key api.Key, w wish, revision int64, err error) {
	p.mu.Lock()
	if err != nil {
		if _, known := p.failing[key]; !known && ctx.Err() == nil {
			p.log.Warn("endpoint not published yet, retrying", "endpoint", key.String(), "error", err)
		}
		p.failing[key] = err
		if newer, ok := p.pending[key]; ok {
			w = w.then(newer)
		}
		p.pending[key] = w
		p.mu.Unlock()
		return
	}
	if _, known := p.failing[key]; known {
		delete(p.failing, key)
		p.log.Info("endpoint published", "endpoint", key.String())
	}
	deleted := revision
	if w.endpoint != nil {
		deleted = 0
		if live := p.live[key]; live != nil && live.endpoint == w.endpoint {
			live.revision = revision
		}
	}
	p.mu.Unlock()
	for _, done := range w.done {
		done(deleted)
	}
}

// problems returns what could not be published.
func (p *publisher) problems() []calc.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []calc.Problem
	for key, err := range p.failing {
		out = append(out, calc.Problem{Key: key, Reason: "not published yet, retrying: " + err.Error()})
	}
	return out
}
