// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/osrg/gobgp/v4/pkg/server"

	"github.com/weftnet/weft/desired"
)

// Options for a speaker.
type Options struct {
	// Restarting says that this machine still forwards by what an earlier run left in the kernel. Neighbours that kept our routes then
	// go on keeping them until we have announced ours again (the R and F bits of RFC 4724). Say so only if it is true.
	Restarting bool
	// Log takes what the engine has to say; nil discards it. Its every-day news are at level debug.
	Log *slog.Logger
}

var _ Speaker = (*Server)(nil)

// Server is the real speaker. It is safe for concurrent use.
type Server struct {
	learned *Learned
	log     *logBook

	mu         sync.Mutex
	restarting bool
	engine     *engine
	watch      *watch
	plan       *plan
	hearing    *hearing
	sessions   *sessions
}

// New returns a speaker that does nothing before the first Set.
func New(o Options) *Server {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{learned: NewLearned(), log: newLogBook(log), restarting: o.Restarting, sessions: newSessions()}
	return s
}

// Learned implements Speaker.
func (s *Server) Learned() *Learned { return s.learned }

// Set implements Speaker.
func (s *Server) Set(ctx context.Context, want *desired.BGP) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if want == nil {
		return s.shutDown()
	}
	next, refused := newPlan(want)
	if next == nil {
		return refused
	}
	if s.engine != nil && !s.plan.sameGlobal(next) {
		if err := s.pause(); err != nil {
			return err
		}
	}
	if s.engine == nil {
		if err := s.start(ctx, next); err != nil {
			return err
		}
	}
	s.plan = next
	s.sessions.configure(next)
	s.hearing.configure(next)
	return errors.Join(refused, s.engine.apply(ctx, next))
}

// start runs an engine and listens to it.
func (s *Server) start(ctx context.Context, p *plan) error {
	e, err := start(ctx, p, s.restarting, server.LoggerOption(s.log.logger(), nil))
	if err != nil {
		return err
	}
	hearing := newHearing(time.Duration(p.wait)*time.Second, s.learned.Complete)
	w := &watch{learned: s.learned, hearing: hearing, sessions: s.sessions}
	if err := w.start(e.srv); err != nil {
		hearing.stop()
		return errors.Join(err, e.stop(true))
	}
	s.engine, s.watch, s.hearing = e, w, hearing
	return nil
}

// pause ends the engine so that another one can take over, learned routes kept.
func (s *Server) pause() error {
	if err := s.end(true); err != nil {
		return err
	}
	s.learned.Restart()
	s.restarting = true
	return nil
}

// shutDown ends the engine for good.
func (s *Server) shutDown() error {
	err := s.end(false)
	s.restarting = false
	s.learned.Restart()
	s.learned.Complete()
	return err
}

func (s *Server) end(graceful bool) error {
	if s.engine == nil {
		return nil
	}
	// The watch ends first: what the engine withdraws while it goes down is not news.
	s.watch.stop()
	s.hearing.stop()
	err := s.engine.stop(graceful)
	s.engine, s.plan = nil, nil
	s.sessions.configure(&plan{peers: map[netip.Addr]plannedPeer{}})
	return err
}

// Close implements Speaker.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(true)
}
