// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
)

// The pauses between attempts to program something that the kernel refused. They double, up to retryMost where nothing could be written, and up
// to retryRefused where the rest is in force: each attempt compares everything with the kernel.
const (
	retryFirst   = 100 * time.Millisecond
	retryMost    = 10 * time.Second
	retryRefused = time.Minute
)

// writer is a kernel writer: the packet filter or the route manager.
type writer interface {
	Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error)
	Events() <-chan struct{}
}

// part is one kernel writer with its health.
type part struct {
	name     string
	writer   writer
	dirty    bool // the next Apply compares with the kernel
	err      error
	refused  map[dataplane.Setting]error // what the kernel refuses of the settings
	closed   int                         // endpoints that are closed because the kernel refuses their policy
	reopens  bool                        // closed endpoints are tried again; else the writer's events tell when
	backoff  time.Duration
	retryAt  time.Time
	applies  int
	repaired int
}

// setPolicy and setRoutes enter what one writer reported into an endpoint's state.
func setPolicy(e *endpointState, revision uint64, err error) {
	e.policy, e.policyErr = max(e.policy, revision), err
}
func setRoutes(e *endpointState, revision uint64, err error) {
	e.routes, e.routesErr = max(e.routes, revision), err
}

// apply runs one writer; set enters its report into the endpoints' states, nil if they do not depend on it. A delta that could not be applied
// makes the writer dirty: the next attempt compares with the kernel, so no change is lost.
func (l *loop) apply(ctx context.Context, p *part, delta *desired.Delta, now time.Time, set func(*endpointState, uint64, error)) {
	if p.lacks() && !now.Before(p.retryAt) {
		p.dirty = true
	}
	if delta == nil && !p.dirty {
		return
	}
	if delta == nil && p.err != nil && now.Before(p.retryAt) {
		return
	}
	view := l.graph.View()
	if p.dirty {
		delta = nil
	}
	report, err := p.writer.Apply(ctx, view, delta)
	p.applies++
	p.repaired += report.Repaired
	l.complain(p, err, report.Settings)
	p.dirty, p.refused, p.err = err != nil, report.Settings, err
	if p.closed = 0; p.reopens {
		p.closed = len(report.Failed)
	}
	p.schedule(now)
	if set != nil {
		l.record(view, report, set)
	}
}

// settle takes in why what a writer had left for the next one's changes failed, nil if it did not.
func (l *loop) settle(p *part, err error, now time.Time) {
	if err != nil {
		l.complain(p, err, p.refused)
		p.dirty, p.err = true, err
		p.schedule(now)
	}
}

// lacks tells whether something is not in force that is to be tried again.
func (p *part) lacks() bool { return p.err != nil || len(p.refused) > 0 || p.closed > 0 }

// schedule sets the time of the next attempt.
func (p *part) schedule(now time.Time) {
	most := retryRefused
	switch {
	case p.err != nil:
		most = retryMost
	case !p.lacks():
		p.backoff = 0
		return
	case now.Before(p.retryAt):
		return // a change meanwhile
	}
	p.backoff = min(max(2*p.backoff, retryFirst), most)
	p.retryAt = now.Add(p.backoff)
}

// complain logs what goes wrong, once.
func (l *loop) complain(p *part, err error, refused map[dataplane.Setting]error) {
	if err != nil && (p.err == nil || p.err.Error() != err.Error()) {
		l.log.Error("not programmed, retrying", "part", p.name, "error", err)
	}
	for part, why := range refused {
		if p.refused[part] == nil {
			l.log.Error("a setting is not in force, retrying", "part", p.name, "setting", part, "error", why)
		}
	}
}

// record enters a report into the status table.
func (l *loop) record(view desired.View, report dataplane.Report, set func(*endpointState, uint64, error)) {
	if len(report.Programmed) == 0 && len(report.Failed) == 0 {
		return
	}
	l.status.update(func(entries map[desired.EndpointID]endpointState) {
		for _, id := range report.Programmed {
			endpoint, ok := view.Endpoint(id)
			if !ok {
				continue
			}
			e := entries[id]
			set(&e, endpoint.Revision, nil)
			entries[id] = e
		}
		for id, err := range report.Failed {
			e := entries[id]
			set(&e, 0, err)
			entries[id] = e
		}
	})
}

func (l *loop) forgetStatus(ids []desired.EndpointID) {
	if len(ids) == 0 {
		return
	}
	l.status.update(func(entries map[desired.EndpointID]endpointState) {
		for _, id := range ids {
			delete(entries, id)
		}
	})
}

// nextRetry returns how long to wait until a failed part is due again; 0 when none has failed.
func (l *loop) nextRetry(now time.Time) time.Duration {
	var wait time.Duration
	for _, p := range []*part{l.filter, l.tunnels, l.routes} {
		if !p.lacks() {
			continue
		}
		due := max(p.retryAt.Sub(now), time.Millisecond)
		if wait == 0 || due < wait {
			wait = due
		}
	}
	return wait
}
