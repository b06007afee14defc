// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/bgp"
	"github.com/weftnet/weft/routing/routes"
)

// intent is what a node process is to be, in the file intent.json of its directory.
type intent struct {
	BGP    *desired.BGP
	Routes []desired.Route
}

func (i intent) view() (desired.View, error) {
	s := desired.NewState()
	return s, s.Apply(&desired.Delta{Routes: i.Routes, BGP: i.BGP})
}

// answer is what a node process says when asked on its socket. Asking makes it read its intent again.
type answer struct {
	Status bgp.Status
	Routes []routes.Status
	Error  string
}

// process is a node: the routing half of an agent, and nothing else.
type process struct {
	dir     string
	view    desired.View
	routes  *routes.Manager
	speaker bgp.Speaker
}

func runNode(dir string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m, err := routes.Open(nil, log)
	if err != nil {
		return err
	}
	inherited, err := m.Inherited()
	if err != nil {
		return err
	}
	p := &process{dir: dir, routes: m, speaker: bgp.New(bgp.Options{Restarting: inherited, Log: log})}
	socket := filepath.Join(dir, "node.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := p.load(); err != nil {
		return err
	}
	return p.loop(l)
}

func (p *process) loop(l net.Listener) error {
	callers := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			callers <- c
		}
	}()
	ctx := context.Background()
	for {
		var err error
		select {
		case <-p.routes.Events():
			_, err = p.routes.Apply(ctx, p.view, nil)
		case <-p.speaker.Learned().Changed():
			u := p.speaker.Learned().Take()
			err = p.routes.Learn(ctx, u.NextHops(), u.Complete)
		case c := <-callers:
			err = p.answer(c)
		}
		if err != nil {
			return err
		}
	}
}

func (p *process) load() error {
	raw, err := os.ReadFile(filepath.Join(p.dir, "intent.json"))
	if err != nil {
		return err
	}
	var next intent
	if err := json.Unmarshal(raw, &next); err != nil {
		return fmt.Errorf("intent: %w", err)
	}
	if p.view, err = next.view(); err != nil {
		return err
	}
	if _, err := p.routes.Apply(context.Background(), p.view, nil); err != nil {
		return err
	}
	return p.speaker.Set(context.Background(), next.BGP)
}

func (p *process) answer(c net.Conn) error {
	defer func() { _ = c.Close() }()
	a := answer{Routes: p.routes.Routes()}
	for i := range a.Routes {
		a.Routes[i].Reason = nil // an error has no JSON form
	}
	if err := p.load(); err != nil {
		a.Error = err.Error()
	}
	a.Status, _ = p.speaker.Status()
	return json.NewEncoder(c).Encode(a)
}
