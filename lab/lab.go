// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package lab is a routed cluster on one machine: Up makes nodes out of network namespaces, AddWorkload attaches workloads through the
// real CNI plugin, and Matrix sends real packets between everything and compares the verdicts with what policy says.
//
// Every node runs its own agent process with its own state directory, on an underlay of one or two subnets. The router between them can
// speak BGP (BIRD), and an external route reflector (GoBGP) can be added, so that weft meets the programs it will meet in the field.
//
// All names start with own.NamespacePrefix and the lab's name, everything made is written down below StateDir before it is made, and
// every process carries a mark in its environment: Down removes a lab completely even when the process that made it was killed.
package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// Lab is a handle on a running lab. It is safe for concurrent use; several programs may hold one on the same lab. Close it after use;
// that leaves the lab running.
type Lab struct {
	spec Spec
	plan plan

	mu    sync.Mutex
	store store.Store // opened at first use
}

// Open returns a handle on a lab made earlier. The error Is ErrNotFound when there is none.
func Open(name string) (*Lab, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s, err := readState(name)
	if err != nil {
		return nil, err
	}
	if !s.Ready {
		return nil, fmt.Errorf("lab %s is not complete: it is being made, or making it was interrupted; `weft lab down %s` removes what there is", name, name)
	}
	s.Spec.Progress = func(string) {}
	return newLab(s.Spec), nil
}

func newLab(s Spec) *Lab { return &Lab{spec: s, plan: newPlan(s)} }

// Name returns the lab's name.
func (l *Lab) Name() string { return l.spec.Name }

// Spec returns what the lab was made from, defaults filled in.
func (l *Lab) Spec() Spec { return l.spec }

// Dir returns the lab's directory.
func (l *Lab) Dir() string { return dirOf(l.spec.Name) }

// Close releases the handle's connections.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store == nil {
		return nil
	}
	err := l.store.Close()
	l.store = nil
	return err
}

// Namespace opens the network namespace of a member: a node ("n1"), a workload ("shop/web"), External, "tor" or "rr".
func (l *Lab) Namespace(member string) (*netns.NS, error) {
	name := namespace(l.spec.Name, member)
	if _, ok := l.host(member); !ok && member != roleToR {
		w, err := l.Workload(member)
		if err != nil {
			return nil, err
		}
		name = w.Netns
	}
	ns, err := netns.Open(name)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %s: %w", l.spec.Name, member, errors.Join(ErrNotFound, err))
	}
	return ns, nil
}

// Exec runs a command inside a member's network namespace; see Namespace for the names. It ends with the lab.
func (l *Lab) Exec(ctx context.Context, member string, command []string, streams proc.IO) error {
	if len(command) == 0 {
		return errors.New("no command given")
	}
	ns, err := l.Namespace(member)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	return proc.Run(ctx, proc.Spec{Path: command[0], Args: command[1:], Env: []string{markOf(l.spec.Name)}, NS: ns}, streams)
}

// update changes the state file under its lock.
func (l *Lab) update(ctx context.Context, change func(*state) error) error {
	unlock, err := lockLab(ctx, l.spec.Name)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := readState(l.spec.Name)
	if err != nil {
		return err
	}
	if err := change(s); err != nil {
		return err
	}
	return s.write()
}
