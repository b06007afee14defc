// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/sys/proc"
)

// Up makes a lab and returns when every node's agent is in sync. When it fails it removes what it made. The error Is fs.ErrExist when there is
// a lab of that name; one that its owner left behind is removed first.
func Up(ctx context.Context, spec Spec) (*Lab, error) {
	l, err := begin(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := l.bringUp(ctx); err != nil {
		// The removal must also happen when it is ctx that ended.
		return nil, errors.Join(fmt.Errorf("lab %s: %w", l.spec.Name, err), l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// begin checks the request and writes the lab down.
func begin(ctx context.Context, spec Spec) (*Lab, error) {
	spec, err := spec.complete()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("lab %s: making network namespaces needs root", spec.Name)
	}
	if s, err := readState(spec.Name); err == nil && s.orphaned() {
		spec.Progress("removing what an interrupted run left of lab " + spec.Name)
		if err := remove(ctx, spec.Name); err != nil {
			return nil, err
		}
	}
	self, err := proc.Self()
	if err != nil {
		return nil, err
	}
	s := &state{Spec: spec, Owner: &self, Processes: map[string]proc.ID{}, Workloads: map[string]Attached{}}
	if err := claim(s); err != nil {
		return nil, err
	}
	return newLab(spec), nil
}

// claimPrefix starts the name of a lab's directory before the lab has its name; the process ID follows.
const claimPrefix = ".new-"

// claim makes the lab's directory with its state file in one step, so that a directory without an owner never exists.
func claim(s *state) error {
	temp := filepath.Join(StateDir, claimPrefix+strconv.Itoa(os.Getpid())+"-"+s.Spec.Name)
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("lab %s: %w", s.Spec.Name, err)
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return fmt.Errorf("lab %s: %w", s.Spec.Name, err)
	}
	if err := s.writeTo(filepath.Join(temp, stateName)); err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	if err := os.Rename(temp, dirOf(s.Spec.Name)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w; `weft lab down %s` removes it", fs.ErrExist, s.Spec.Name)
		}
		return errors.Join(fmt.Errorf("lab %s: %w", s.Spec.Name, err), os.RemoveAll(temp))
	}
	return nil
}

// bringUp makes everything there is in a lab, as much as possible at once.
func (l *Lab) bringUp(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		l.say("wiring %d nodes in %d subnet(s), %s", l.spec.Nodes, l.spec.Subnets, l.spec.Families)
		if err := (underlay{l.spec.Name, l.plan}).build(); err != nil {
			return err
		}
		if !l.spec.ToR {
			return nil
		}
		l.say("starting BIRD on the router, AS %d", ToRAS)
		return l.startToR(gctx)
	})
	group.Go(func() error {
		if err := l.StartStore(gctx); err != nil {
			return err
		}
		return l.seed(gctx)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if err := l.spec.Wired(l); err != nil {
		return err
	}
	if err := l.startAgents(ctx); err != nil {
		return err
	}
	if l.spec.Controllers {
		if err := l.StartControllers(ctx); err != nil {
			return err
		}
	}
	return l.update(ctx, func(s *state) error {
		s.Ready = true
		if !l.spec.Owned {
			s.Owner = nil
		}
		return nil
	})
}

func (l *Lab) say(format string, args ...any) { l.spec.Progress(fmt.Sprintf(format, args...)) }
