// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/own"
)

// portion is how many connections are judged while the agent's loop waits.
const portion = 64

// suspect is a connection to be judged, with the links by which its first packet came and went.
type suspect struct {
	conntrack.Flow
	in, out string
}

// reversed is the connection as if the other end had opened it.
func (s *suspect) reversed() *suspect {
	out := &suspect{Flow: s.Flow, in: s.out, out: s.in}
	out.Orig, out.Reply = s.Reply, s.Orig
	return out
}

// src and dst are the ends of a connection as policy sees them: behind destination NAT, and before source NAT.
func src(f *conntrack.Flow) netip.Addr { return f.Orig.Src }
func dst(f *conntrack.Flow) netip.Addr { return f.Reply.Src }

// review works off a scope and returns how many connections it ended.
func (r *Reviewer) review(ctx context.Context, due *scope) (ended int, err error) {
	hosts := false
	if !r.config.Ask(ctx, func(view desired.View) {
		due.resolve(view)
		hosts = containsFunc(view.HostEndpoints(), func(*desired.HostEndpoint) bool { return true })
	}) {
		return 0, ctx.Err()
	}
	suspects, orphans, err := r.find(due, hosts)
	if err != nil {
		return 0, err
	}
	r.remember(due, suspects)
	forgotten := r.forget(orphans)
	ended, err = r.decide(ctx, suspects)
	return ended, errors.Join(forgotten, err)
}

// decide judges connections, sets and clears their marks, and returns how many it ended.
func (r *Reviewer) decide(ctx context.Context, suspects []suspect) (ended int, err error) {
	if err := r.locate(suspects); err != nil {
		return 0, err
	}
	verdicts := make([]verdict, 0, len(suspects))
	for some := range slices.Chunk(suspects, portion) {
		if !r.config.Ask(ctx, func(view desired.View) { verdicts = judge(verdicts, view, some) }) {
			return 0, ctx.Err()
		}
	}
	return r.carryOut(followMasters(verdicts))
}

// find lists the connections to be judged, and those to be forgotten: of addresses that nobody has any more, and those led astray.
func (r *Reviewer) find(due *scope, hosts bool) (suspects []suspect, orphans []conntrack.Flow, err error) {
	seen := map[uint32]struct{}{}
	var led []conntrack.Flow
	take := func(f conntrack.Flow) {
		from, to := src(&f), dst(&f)
		_, known := seen[f.ID]
		if !known && due.led(&f) {
			led = append(led, f)
		}
		switch {
		case known || from.IsLinkLocalUnicast() || to.IsLinkLocalUnicast(): // link-local addresses are many links' at once
		case r.isOrphan(due, from) || r.isOrphan(due, to):
			orphans = append(orphans, f)
			seen[f.ID] = struct{}{}
		case due.has(from, to) && (hosts || f.Mark&own.EndedMark != 0 || r.concerns(from, to)):
			suspects = append(suspects, suspect{Flow: f})
			seen[f.ID] = struct{}{}
		}
	}
	count, err := r.config.Table.Count()
	if err != nil {
		return nil, nil, err
	}
	for _, filter := range due.filters(count) {
		if err := r.config.Table.List(filter, take); err != nil {
			return nil, nil, err
		}
	}
	astray, err := r.astray(due, led)
	return suspects, append(orphans, astray...), err
}

// isOrphan tells whether an address was given up and nobody has it since.
func (r *Reviewer) isOrphan(due *scope, a netip.Addr) bool {
	if _, gone := due.gone[a]; !gone {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, taken := r.locals.link(a)
	return !taken
}

// concerns tells whether a workload of this node takes part in a connection.
func (r *Reviewer) concerns(from, to netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, one := r.locals.link(from)
	_, other := r.locals.link(to)
	return one || other
}

// forget deletes connections.
func (r *Reviewer) forget(flows []conntrack.Flow) error {
	var errs []error
	for _, f := range flows {
		if err := r.config.Table.Delete(f); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// locate finds the links of the ends.
func (r *Reviewer) locate(suspects []suspect) error {
	links := map[netip.Addr]string{}
	var unknown []netip.Addr
	r.mu.Lock()
	for i := range suspects {
		for _, a := range []netip.Addr{src(&suspects[i].Flow), dst(&suspects[i].Flow)} {
			if _, done := links[a]; done {
				continue
			}
			name, ok := r.locals.link(a)
			if links[a] = name; !ok {
				unknown = append(unknown, a)
			}
		}
	}
	r.mu.Unlock()
	names, err := r.config.Links(unknown)
	if err != nil {
		return err
	}
	for i, a := range unknown {
		links[a] = names[i]
	}
	for i := range suspects {
		s := &suspects[i]
		s.in, s.out = links[src(&s.Flow)], links[dst(&s.Flow)]
	}
	return nil
}

// carryOut sets and clears marks, and returns how many connections it ended.
func (r *Reviewer) carryOut(verdicts []verdict) (ended int, err error) {
	var errs []error
	var first *verdict
	for i := range verdicts {
		v := &verdicts[i]
		err := r.config.Table.SetMark(v.Flow, v.mark(), own.EndedMark)
		r.note(v, err)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has ended by itself
		case err != nil:
			errs = append(errs, err)
		case v.denied:
			if ended++; first == nil {
				first = v
			}
		}
	}
	if first != nil {
		r.config.Log.Info("connections ended: policy no longer allows them", "count", ended, "first", first.Orig.String(), "reason", first.why)
	}
	return ended, errors.Join(errs...)
}
