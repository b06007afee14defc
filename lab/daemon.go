// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// stopGrace is what a daemon gets between SIGTERM and SIGKILL.
const stopGrace = 3 * time.Second

// pollEvery is the pause between two looks at something that becomes ready.
const pollEvery = 10 * time.Millisecond

// markOf is the environment entry that every process of a lab carries: by it the processes are found even when starting them was
// interrupted before they could be written down.
func markOf(lab string) string { return "WEFT_LAB_MEMBER=" + lab }

// daemon is a long-running process of the lab.
type daemon struct {
	// name in the state file, and of its directory and log.
	name string
	// member whose network namespace it runs in; empty means the host's.
	member string
	path   string
	args   []string
}

// dir returns the daemon's own directory and makes it if needed.
func (l *Lab) dir(name string) (string, error) {
	dir := filepath.Join(l.Dir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("lab %s: %w", l.spec.Name, err)
	}
	return dir, nil
}

// logOf returns the file that takes a daemon's standard output and error.
func (l *Lab) logOf(name string) string { return filepath.Join(l.Dir(), name, "output.log") }

// start starts a daemon and writes it down.
func (l *Lab) start(ctx context.Context, d daemon) (*proc.Process, error) {
	if _, err := l.dir(d.name); err != nil {
		return nil, err
	}
	spec := proc.Spec{Path: d.path, Args: d.args, Env: []string{markOf(l.spec.Name)}, Log: l.logOf(d.name)}
	if d.member != "" {
		ns, err := netns.Open(namespace(l.spec.Name, d.member))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		defer func() { _ = ns.Close() }()
		spec.NS = ns
	}
	p, err := proc.Start(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	err = l.update(ctx, func(s *state) error {
		s.Processes[d.name] = p.ID
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// process returns a recorded daemon.
func (l *Lab) process(name string) (*proc.Process, error) {
	s, err := readState(l.spec.Name)
	if err != nil {
		return nil, err
	}
	id, ok := s.Processes[name]
	if !ok {
		return nil, fmt.Errorf("lab %s: process %s: %w; it was never started", l.spec.Name, name, ErrNotFound)
	}
	return proc.Attach(id), nil
}

// stop ends a recorded daemon gracefully. One that does not run is no error.
func (l *Lab) stop(ctx context.Context, name string) error {
	p, err := l.process(name)
	if err != nil {
		return err
	}
	if err := p.Stop(ctx, stopGrace); err != nil {
		return fmt.Errorf("lab %s: stop %s: %w", l.spec.Name, name, err)
	}
	return nil
}

// waitReady polls ready until it returns nil, the process ends, or ctx does. The error is the last one of ready, or the end of the
// process's log.
func waitReady(ctx context.Context, name string, p *proc.Process, ready func() error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			if exit := p.Wait(ctx); exit != nil {
				err = exit
			}
			return fmt.Errorf("%s ended instead of getting ready: %w", name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)", name, err, ctx.Err())
		case <-ticker.C:
		}
	}
}
