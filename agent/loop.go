// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/store"
)

// reviewer judges established connections again after changes of policy: a connections.Reviewer. Its methods must not block.
type reviewer interface {
	Note(*desired.Delta)
	All()
}

// loop is the one goroutine that owns the graph and the kernel writers. Everything reaches it through channels:
//
//	store watch ──▶ batches ─┐
//	input cache ──▶ last    ─┤
//	CNI socket  ──▶ locals  ─┼─▶ graph.Apply ─▶ Flush ─▶ filter, tunnels, routes .Apply ─▶ status table
//	host links  ──▶ links   ─┤
//	IPAM ──▶ tunnelAddrs    ─┤
//	kernel      ──▶ Events  ─┘                     ├──▶ BGP (own goroutine, latest wins)
//	                                               └──▶ established connections (own goroutine)
//	status, CLI ──▶ queries (run between two rounds)
//
// Nothing is written before the first in-sync batch, or the inputs on disk, and nothing is deleted because of a datastore that is away.
type loop struct {
	log     *slog.Logger
	graph   *calc.Graph
	inputs  *inputs
	good    *goodKeeper
	status  *statusTable
	filter  *part
	tunnels *part
	routes  *part
	setBGP  func(*desired.BGP)
	// setTunnelState is told when it changes which tunnels this node needs and has in force.
	setTunnelState func(tunnelState)
	tunnelDevices  tunnelWriter
	tunnelState    tunnelState
	review         reviewer
	// resize is told when what the sizes of packets depend on has changed, as of underlay. It must not block.
	resize   func()
	underlay uint64
	// setSourceCheck is told when it changes what is wanted of the cloud's check of addresses. It must not block.
	setSourceCheck func(calc.SourceCheck)
	sourceCheck    calc.SourceCheck
	// setGoRuntime is told when it changes how the Go runtime is to be tuned.
	setGoRuntime func(calc.GoRuntime)
	goRuntime    calc.GoRuntime
	// echo is told what the datastore says of local endpoints, ownNode what it says of this node's Node, at nodeKey, and unclaimed, once,
	// which endpoints of this node it knows that no local record stands for. They must not block.
	echo      func(store.Event)
	ownNode   func(store.Event)
	unclaimed func([]desired.EndpointID)
	nodeKey   api.Key

	batches chan store.Batch
	// last are inputs from disk, which stand in for a datastore that is away at the start.
	last   chan inputcache.State
	locals chan localChange
	links  chan []calc.Link // of the host
	// tunnelAddrs are those that this node has got on its tunnels.
	tunnelAddrs chan desired.TunnelAddrs
	queries     chan func()
	ended       chan struct{} // closed when run has returned

	// unready is why workloads cannot be started as of the last round, nil if they can.
	unready atomic.Pointer[error]

	asked    []asked // local changes of this round
	synced   bool    // has had all inputs once: programming is allowed
	live     bool    // has been in sync with the datastore once
	standIn  standIn // until then
	started  bool    // has programmed once
	swept    bool    // unclaimed was told
	storeErr error
	storeRev int64
}

// localChange is an endpoint that the CNI path adds (endpoint set) or removes, or a deleted key given back to the datastore (forget).
type localChange struct {
	key      api.Key
	endpoint *v3.WorkloadEndpoint
	forget   *forgotten
	accepted chan<- acceptance // buffered
}

// forgotten says which removal the datastore has confirmed, and which object it deleted.
type forgotten struct {
	revision uint64
	deleted  int64
}

// acceptance is the revision to wait for, or why the calculation does not take the endpoint.
type acceptance struct {
	revision uint64
	err      error
}

// asked is a local change that waits for its answer.
type asked struct {
	localChange
	revision uint64
}

// run works until ctx ends.
func (l *loop) run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-l.batches:
			l.takeBatch(b)
		case s := <-l.last:
			l.takeLast(s)
		case c := <-l.locals:
			l.takeLocal(c)
		case links := <-l.links:
			l.graph.SetLinks(links)
		case addrs := <-l.tunnelAddrs:
			l.graph.SetTunnelAddrs(addrs)
		case <-l.filter.writer.Events():
			l.filter.dirty = true
		case <-l.tunnels.writer.Events():
			l.tunnels.dirty = true
		case <-l.tunnelDevices.Meetings():
			l.graph.SetMet(l.tunnelDevices.Met())
		case <-l.routes.writer.Events():
			l.routes.dirty = true
		case query := <-l.queries:
			query()
			l.judge()
			continue
		case <-retry.C:
		}
		l.drain()
		l.program(ctx)
		l.judge()
		if wait := l.nextRetry(time.Now()); wait > 0 {
			retry.Reset(wait)
		}
	}
}

// judge notes whether workloads can be started.
func (l *loop) judge() {
	var why error
	switch {
	case !l.synced && l.storeErr != nil:
		why = l.storeErr
	case !l.live && l.storeErr == nil:
		why = errors.New("waiting for the first complete read of the datastore")
	case l.storeErr != nil:
		why = fmt.Errorf("no addresses can be assigned: %w", l.storeErr)
	case l.filter.err != nil:
		why = fmt.Errorf("policy cannot be programmed: %w", l.filter.err)
	default:
		l.unready.Store(nil)
		return
	}
	l.unready.Store(&why)
}

// drain takes everything else that is already waiting, so that a burst becomes one transaction.
func (l *loop) drain() {
	for {
		select {
		case b := <-l.batches:
			l.takeBatch(b)
		case c := <-l.locals:
			l.takeLocal(c)
		default:
			return
		}
	}
}

func (l *loop) takeBatch(b store.Batch) {
	changes, echoes := l.inputs.fromStore(b)
	l.take(changes)
	if !l.live {
		l.hear(b)
	}
	for _, e := range echoes {
		l.echo(e)
	}
	for _, e := range b.Events {
		if e.Key == l.nodeKey {
			l.ownNode(e)
		}
	}
	l.storeRev = max(l.storeRev, b.Revision)
	if b.Err != nil && l.storeErr == nil {
		l.log.Warn("datastore is away; what is in force stays in force", "error", b.Err)
	}
	if b.Err == nil && l.storeErr != nil {
		l.log.Info("datastore is back", "revision", b.Revision)
	}
	l.storeErr = b.Err
}

// restoreGood gives the graph the last good versions that an earlier agent has kept.
func (l *loop) restoreGood() error {
	changes, err := l.good.restore()
	for i := range changes {
		l.graph.Apply(changes[i : i+1])
		if l.graph.Refuses(changes[i].Key) {
			l.good.refuse(changes[i].Key)
		}
	}
	return err
}

// take gives the graph what the datastore says, one after the other, so that of several versions of an object the last valid one is known.
func (l *loop) take(changes []calc.Change) {
	for i := range changes {
		l.good.amend(&changes[i])
		l.graph.Apply(changes[i : i+1])
		if l.graph.Refuses(changes[i].Key) && !changes[i].Lost {
			l.takeEarlier(&changes[i])
		}
		l.good.note(&changes[i], l.graph.Refuses(changes[i].Key))
	}
}

// takeEarlier puts the version that the agent before knew under an invalid one, if that is valid. Where nothing is known of an agent before, it closes.
func (l *loop) takeEarlier(invalid *calc.Change) {
	earlier, ok := l.good.earlier(invalid.Key)
	if !ok {
		if l.good.loseUnknown(invalid) {
			l.good.amend(invalid)
			l.graph.Apply([]calc.Change{*invalid})
		}
		return
	}
	l.graph.Apply([]calc.Change{earlier})
	if !l.graph.Refuses(earlier.Key) {
		l.good.note(&earlier, false)
	}
	l.graph.Apply([]calc.Change{*invalid})
}

func (l *loop) takeLocal(c localChange) {
	var change calc.Change
	switch {
	case c.forget != nil:
		l.inputs.forget(c.key, c.forget.revision, c.forget.deleted)
		return
	case c.endpoint != nil:
		change = l.inputs.putLocal(c.key, c.endpoint)
	default:
		change = l.inputs.dropLocal(c.key)
	}
	l.graph.Apply([]calc.Change{change})
	if c.accepted != nil {
		l.asked = append(l.asked, asked{c, change.Revision})
	}
}

// answer tells those who handed in local changes what became of them: taken, or refused by the calculation. What was removed is out of force
// by then, so that its interface goes after its routes and no event of the kernel contradicts them.
func (l *loop) answer() {
	for _, a := range l.asked {
		reply := acceptance{revision: a.revision}
		if _, taken := l.graph.View().Endpoint(endpointID(a.key)); a.endpoint != nil && l.synced && !taken {
			reply.err = l.objection(a.key)
		}
		a.accepted <- reply
	}
	l.asked = nil
}

// objection returns what the calculation has against an object, nil if it takes it.
func (l *loop) objection(key api.Key) error {
	var found []error
	for _, p := range l.graph.Problems() {
		if p.Key == key {
			found = append(found, fmt.Errorf("%s: %s", p.Field, p.Reason))
		}
	}
	return errors.Join(found...)
}

// program brings the kernel to the graph's state: policy before routes, so that nothing is reachable before it is protected, tunnels before
// the routes through them, and BGP last, so that nothing is announced before it is reachable.
func (l *loop) program(ctx context.Context) {
	defer l.answer()
	if !l.synced {
		return
	}
	delta := l.graph.Flush()
	first := !l.started
	if first {
		l.started, l.filter.dirty, l.tunnels.dirty, l.routes.dirty = true, true, true, true
		l.log.Info("all inputs are known; programming", "revision", l.storeRev)
	}
	if l.live && !l.swept {
		l.swept = true
		l.unclaimed(l.withoutRecord())
	}
	now := time.Now()
	before := *l.filter
	l.apply(ctx, l.filter, delta, now, setPolicy)
	l.reconsider(delta, first || before.err != nil && l.filter.err == nil || l.filter.repaired > before.repaired)
	l.apply(ctx, l.tunnels, delta, now, nil)
	if first {
		// What an earlier run encrypted goes on being encrypted: with that taken in, the routes are those of the whole view.
		l.graph.SetMet(l.tunnelDevices.Met())
		l.graph.Flush()
	}
	l.apply(ctx, l.routes, delta, now, setRoutes)
	l.settle(l.tunnels, l.tunnelDevices.Settle(), now)
	if state := (tunnelState{l.graph.NeedsTunnelAddress(), l.tunnelDevices.InForce(), l.tunnelDevices.PublicKeys()}); first || state != l.tunnelState {
		l.tunnelState = state
		l.setTunnelState(state)
	}
	if now := l.graph.UnderlayRevision(); first || now != l.underlay || delta != nil && len(delta.Tunnels)+len(delta.TunnelPeers) > 0 {
		l.underlay = now
		l.resize()
	}
	if now := l.graph.SourceCheck(); first || now != l.sourceCheck {
		l.sourceCheck = now
		l.setSourceCheck(now)
	}
	if now := l.graph.GoRuntime(); now != l.goRuntime {
		l.goRuntime = now
		l.setGoRuntime(now)
	}
	if first || delta != nil && (delta.BGP != nil || delta.BGPRemoved) {
		l.setBGP(l.graph.View().BGP())
	}
	if delta != nil {
		l.forgetStatus(delta.EndpointsRemoved)
	}
}

// reconsider has established connections judged again: those that the delta concerns, or all of them where others may have been let in,
// before the agent's time, under an older policy that could not be replaced, or through a table that was damaged.
func (l *loop) reconsider(delta *desired.Delta, all bool) {
	if delta != nil {
		l.review.Note(delta)
	}
	if all {
		l.review.All()
	}
}

// withoutRecord lists the endpoints of this node that only the datastore knows.
func (l *loop) withoutRecord() (ids []desired.EndpointID) {
	for e := range l.graph.View().Endpoints() {
		if _, local := l.inputs.local[keyOfEndpoint(e.ID)]; !local {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// ask runs f on the loop and waits for it; it returns false when ctx ends first.
func (l *loop) ask(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case l.queries <- func() { f(); close(done) }:
	case <-l.ended:
		return false
	case <-ctx.Done():
		return false
	}
	<-done
	return true
}
