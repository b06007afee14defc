// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/store"
)

// lastInputs are those on disk, read once, when the datastore is away at the start.
type lastInputs struct {
	once sync.Once
	node nodeObject // what the Node in them says

	mu  sync.Mutex
	err error // why they are of no use
}

// standIn has the last inputs enforced until the datastore has been read, and gives the node the addresses that follow from them. The error Is errSetting.
func (a *Agent) standIn(ctx context.Context) error {
	a.last.once.Do(func() { a.useLast(ctx) })
	if a.last.problem() != nil {
		return nil
	}
	select {
	case <-a.claimed:
		return nil // the node has its addresses
	default:
	}
	return a.addressWithout(ctx)
}

func (l *lastInputs) problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// useLast reads the inputs and hands them to the loop.
func (a *Agent) useLast(ctx context.Context) {
	s, err := inputcache.Load(a.config.CacheDir, a.config.Node)
	if err != nil {
		a.last.mu.Lock()
		a.last.err = err
		a.last.mu.Unlock()
		if errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("there are no inputs of an earlier run to enforce without the datastore", "error", err)
		} else {
			a.log.Error("the inputs of an earlier run are not used: they may lack what denied things; no workload is started", "error", err)
		}
		return
	}
	for _, e := range s.Events {
		if e.Key == a.loop.nodeKey {
			a.last.node = nodeOf(e.Object)
		}
	}
	select {
	case a.loop.last <- s:
		a.log.Warn("the datastore is away; the last inputs on disk are enforced", "asOf", s.Time, "objects", len(s.Events))
	case <-ctx.Done():
	}
}

// addressWithout chooses the node's addresses without the datastore.
func (a *Agent) addressWithout(ctx context.Context) error {
	chosen := true
	a.loop.ask(ctx, func() { chosen = a.address.v4.Value.IsValid() || a.address.v6.Value.IsValid() })
	if chosen {
		return nil
	}
	found, err := a.detectLast()
	switch {
	case errors.Is(err, errSetting):
		return err
	case err != nil: // it is looked for again with the next attempt to join
		a.addressLost.Store(&err)
		return nil
	}
	a.addressLost.Store(nil)
	a.loop.ask(ctx, func() { a.address = found })
	a.sizes.change()
	return nil
}

func (a *Agent) detectLast() (addresses, error) {
	host, err := gatherFacts(a.config)
	if err != nil {
		return addresses{}, err
	}
	return detect(a.config, a.last.node, host)
}

// cacheReport tells of the inputs on disk. It runs on the loop.
func (a *Agent) cacheReport(s *agentapi.Status) {
	add := func(reason string) {
		s.Problems = append(s.Problems, agentapi.Problem{Object: "inputs on disk", Reason: reason})
	}
	if l := a.loop; l.standIn.inForce {
		s.Cache = &agentapi.CacheStatus{Inputs: l.standIn.inputs, Since: l.standIn.since}
	}
	if err := a.last.problem(); err != nil && !a.loop.live && !errors.Is(err, fs.ErrNotExist) {
		add(fmt.Sprintf("%v; they are not used, since they may lack what denied things, and no workload is started before the datastore has been read", err))
	}
	if err := a.cache.Err(); err != nil {
		add(fmt.Sprintf("%v; a start without the datastore would enforce older ones", err))
	}
}

// standIn is what the loop knows of inputs from disk before the datastore has been read.
type standIn struct {
	inForce bool
	// inputs is when the datastore was last known to say so, since is when they came in force.
	inputs, since time.Time
	// heard are the keys that the datastore has spoken of, unheard those that are in force from disk only.
	heard, unheard map[api.Key]struct{}
}

// takeLast takes inputs from disk, but for what the datastore has said something newer of.
func (l *loop) takeLast(s inputcache.State) {
	if l.live {
		return
	}
	events := slices.DeleteFunc(s.Events, func(e store.Event) bool {
		_, newer := l.standIn.heard[e.Key]
		return newer
	})
	changes, _ := l.inputs.fromStore(store.Batch{Events: events})
	l.take(changes)
	l.standIn.inForce, l.standIn.inputs, l.standIn.since = true, s.Time, time.Now()
	l.standIn.unheard = map[api.Key]struct{}{}
	for _, e := range events {
		l.standIn.unheard[e.Key] = struct{}{}
		if node, ok := e.Object.(*v3.Node); ok && e.Key == l.nodeKey {
			l.graph.SetTunnelAddrs(statedAddrs(node))
		}
	}
	l.storeRev, l.synced = max(l.storeRev, s.Revision), true
}

// statedAddrs are the addresses of this node on its tunnels as its Node states them.
func statedAddrs(node *v3.Node) (addrs desired.TunnelAddrs) {
	for k, kind := range tunnelKinds {
		addrs[k], _ = netip.ParseAddr(kind.statedBy(&node.Spec)) // none: the tunnel has not been in force
	}
	return addrs
}

// hear notes what the datastore has spoken of before it was in sync. Then all that it has not, it does not have.
func (l *loop) hear(b store.Batch) {
	if l.standIn.heard == nil {
		l.standIn.heard = map[api.Key]struct{}{}
	}
	for _, e := range b.Events {
		l.standIn.heard[e.Key] = struct{}{}
		delete(l.standIn.unheard, e.Key)
	}
	if !b.InSync {
		return
	}
	gone := l.good.gone()
	for key := range l.standIn.unheard {
		if _, local := l.inputs.local[key]; !local {
			gone = append(gone, calc.Change{Key: key, Revision: uint64(b.Revision)})
		}
	}
	l.take(gone)
	if l.standIn.inForce {
		l.log.Info("the datastore has been read; its state takes the place of the inputs on disk", "revision", b.Revision, "gone", len(gone))
	}
	l.standIn, l.live, l.synced = standIn{}, true, true
}
