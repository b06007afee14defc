// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Prober holds open sockets at a set of endpoints. Run may be called many times, one at a time. Close it after use.
type Prober struct {
	posts   map[postKey]*post
	loops   sync.WaitGroup
	current atomic.Pointer[run]
}

type postKey struct {
	name string
	addr netip.Addr
}

// Open opens receivers for services at every endpoint and checks that each works, by letting it probe itself.
func Open(ctx context.Context, endpoints []Endpoint, services []Service) (*Prober, error) {
	p := &Prober{posts: map[postKey]*post{}}
	var self []Flow
	for _, e := range endpoints {
		for _, addr := range e.Addrs {
			post, err := openPost(e, addr, services, p, &p.loops)
			if err != nil {
				p.Close()
				return nil, err
			}
			p.posts[postKey{e.Name, addr}] = post
		}
		self = append(self, Between(e, e, services)...)
	}
	if err := p.control(ctx, self); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes all sockets and waits for the receivers to end.
func (p *Prober) Close() {
	for _, post := range p.posts {
		post.close()
	}
	p.loops.Wait()
}

// control is the positive control: without it a broken receiver would look like a policy that denies.
func (p *Prober) control(ctx context.Context, self []Flow) error {
	results, err := p.run(ctx, self, func(Flow) Verdict { return Allowed }, giveUpControl)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Verdict() != Allowed {
			return fmt.Errorf("positive control: %s cannot reach itself at %s by %s (seen %v, answered %v) %s: its verdicts would mean nothing",
				r.Src, r.SrcAddr, r.Service, r.Seen, r.Answered, r.Error)
		}
	}
	return nil
}

// Run tries all flows at once and returns their results in the same order. expect tells how long to wait, not what to see: while a flow
// that ought to be allowed has no answer Run waits up to its limit; when all of those have theirs, a short quiet time is enough. nil
// expects nothing of any flow.
func (p *Prober) Run(ctx context.Context, flows []Flow, expect func(Flow) Verdict) ([]Result, error) {
	return p.run(ctx, flows, expect, giveUp)
}

func (p *Prober) run(ctx context.Context, flows []Flow, expect func(Flow) Verdict, giveUp time.Duration) ([]Result, error) {
	r, err := p.newRun(flows, expect)
	if err != nil {
		return nil, err
	}
	r.giveUp = giveUp
	p.current.Store(r)
	defer p.current.Store(nil)
	attempts, cancel := context.WithCancel(ctx)
	defer r.tries.Wait()
	defer cancel()
	if err := r.wait(ctx, func() { p.attempt(attempts, r) }); err != nil {
		return nil, err
	}
	return r.results(), nil
}

func (p *Prober) newRun(flows []Flow, expect func(Flow) Verdict) (*run, error) {
	r := &run{id: rand.Uint32(), flows: flows, marks: make([]mark, len(flows)), changed: make(chan struct{}, 1), want: make([]Verdict, len(flows))}
	for i, f := range flows {
		if p.posts[postKey{f.Src, f.SrcAddr}] == nil {
			return nil, fmt.Errorf("probe %s: no socket is open at the source", f)
		}
		if expect != nil {
			r.want[i] = expect(f)
		}
	}
	return r, nil
}

// attempt sends one packet, or starts one connection, for every flow that has no answer yet.
func (p *Prober) attempt(ctx context.Context, r *run) {
	tcp := map[*post][]int{}
	for _, i := range r.unanswered() {
		f := r.flows[i]
		post := p.posts[postKey{f.Src, f.SrcAddr}]
		if f.Service.Protocol == TCP {
			tcp[post] = append(tcp[post], i)
			continue
		}
		r.sent(i)
		if err := post.send(f, r.token(i)); err != nil {
			r.failed(i, err)
		}
	}
	for post, indexes := range tcp {
		r.tries.Go(func() { r.connect(ctx, post, indexes) })
	}
}

// connect tries the TCP flows of one post and returns when all have ended.
func (r *run) connect(ctx context.Context, p *post, indexes []int) {
	flows := make([]Flow, len(indexes))
	for n, i := range indexes {
		flows[n] = r.flows[i]
		r.sent(i)
	}
	conns, errs := p.connect(flows)
	for n, i := range indexes {
		if errs[n] != nil {
			r.failed(i, errs[n])
			continue
		}
		r.tries.Go(func() { r.converse(ctx, conns[n], i) })
	}
}

// converse is the client's end of a TCP probe. It ends when ctx does.
func (r *run) converse(ctx context.Context, conn net.Conn, i int) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // no TIME_WAIT: hundreds of probes may follow
	}
	buf := r.token(i).append(nil)
	_, err := conn.Write(buf)
	if err == nil {
		_, err = conn.Read(buf)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.failed(i, err)
		}
		return
	}
	if t, ok := parseToken(buf); ok && t == r.token(i) {
		r.mark(i, func(m *mark) { m.answered = orNow(m.answered) })
	}
}

// seen implements sink for the current run.
func (p *Prober) seen(t token, at netip.Addr, svc Service) {
	if r, i, ok := p.find(t); ok && r.flows[i].DstAddr == at && r.flows[i].Service == svc {
		r.mark(i, func(m *mark) { m.seen = orNow(m.seen) })
	}
}

// answered implements sink for the current run.
func (p *Prober) answered(t token, at netip.Addr) {
	if r, i, ok := p.find(t); ok && r.flows[i].SrcAddr == at {
		r.mark(i, func(m *mark) { m.answered = orNow(m.answered) })
	}
}

func (p *Prober) find(t token) (*run, int, bool) {
	r := p.current.Load()
	if r == nil || t.run != r.id || int64(t.index) >= int64(len(r.flows)) {
		return nil, 0, false
	}
	return r, int(t.index), true
}

// reason shortens an error to what a person needs: the kernel's word.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
