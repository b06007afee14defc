// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"github.com/weftnet/weft/sys/netns"
)

// labelRE is a DNS label (RFC 1123): namespaces and workloads are named so, and it keeps "namespace.name" unambiguous.
var labelRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// AddWorkload attaches a workload: it makes a network namespace and calls CNI ADD on the node. When it fails it calls DEL and removes the
// namespace; if DEL fails as well it does so before the next attempt, as a container runtime would.
func (l *Lab) AddWorkload(ctx context.Context, w Workload) (Attached, error) {
	w.Namespace = cmp.Or(w.Namespace, DefaultNamespace)
	if err := l.checkWorkload(w); err != nil {
		return Attached{}, err
	}
	if old, err := l.Workload(w.Key()); err == nil && old.Broken {
		if err := l.detach(ctx, old); err != nil {
			return Attached{}, err
		}
	}
	if err := l.ensure(ctx, namespaceObject(w.Namespace)); err != nil {
		return Attached{}, err
	}
	a := Attached{Workload: w, ContainerID: newContainerID(), Netns: namespace(l.spec.Name, w.Namespace+"."+w.Name)}
	err := l.update(ctx, func(s *state) error {
		if _, taken := s.Workloads[w.Key()]; taken {
			return fmt.Errorf("workload %s: %w", w.Key(), fs.ErrExist)
		}
		s.Workloads[w.Key()] = a
		return nil
	})
	if err != nil {
		return Attached{}, err
	}
	if a, err = l.attach(ctx, a); err != nil {
		return Attached{}, errors.Join(fmt.Errorf("workload %s: %w", w.Key(), err), l.abandon(context.WithoutCancel(ctx), a))
	}
	return a, nil
}

// abandon detaches a workload whose ADD failed, or leaves a note that it is still to be done.
func (l *Lab) abandon(ctx context.Context, a Attached) error {
	err := l.detach(ctx, a)
	if err == nil {
		return nil
	}
	a.Broken = true
	return errors.Join(err, l.update(ctx, func(s *state) error {
		s.Workloads[a.Key()] = a
		return nil
	}))
}

// attach makes what the state file announces and completes the entry.
func (l *Lab) attach(ctx context.Context, a Attached) (Attached, error) {
	ns, err := netns.Create(a.Netns)
	if err != nil {
		return a, err
	}
	defer func() { _ = ns.Close() }()
	r, err := l.runtime(a)
	if err != nil {
		return a, err
	}
	if a.Addresses, err = r.add(ctx); err != nil {
		return a, err
	}
	return a, l.update(ctx, func(s *state) error {
		s.Workloads[a.Key()] = a
		return nil
	})
}

// DeleteWorkload calls CNI DEL and removes the namespace. The key is "namespace/name"; the error Is ErrNotFound when there is none.
func (l *Lab) DeleteWorkload(ctx context.Context, key string) error {
	a, err := l.Workload(key)
	if err != nil {
		return err
	}
	return l.detach(ctx, a)
}

func (l *Lab) detach(ctx context.Context, a Attached) error {
	r, err := l.runtime(a)
	if err != nil {
		return err
	}
	if err := r.del(ctx); err != nil {
		return fmt.Errorf("workload %s: %w", a.Key(), err)
	}
	if err := netns.Delete(a.Netns); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("workload %s: %w", a.Key(), err)
	}
	return l.update(ctx, func(s *state) error {
		delete(s.Workloads, a.Key())
		return nil
	})
}

// Workload returns an attached workload by its key, "namespace/name", or by its name alone when only one namespace has it.
func (l *Lab) Workload(key string) (Attached, error) {
	all, err := l.Workloads()
	if err != nil {
		return Attached{}, err
	}
	found := slices.DeleteFunc(all, func(a Attached) bool { return a.Key() != key && a.Name != key })
	switch len(found) {
	case 0:
		return Attached{}, fmt.Errorf("lab %[1]s: workload %[2]q: %[3]w; `weft lab status %[1]s` lists the workloads", l.spec.Name, key, ErrNotFound)
	case 1:
		return found[0], nil
	}
	return Attached{}, fmt.Errorf("lab %s: workload %q is ambiguous: there are %s and %s", l.spec.Name, key, found[0].Key(), found[1].Key())
}

// Workloads returns the attached workloads, sorted by key.
func (l *Lab) Workloads() ([]Attached, error) {
	s, err := readState(l.spec.Name)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(s.Workloads), func(a, b Attached) int { return cmp.Compare(a.Key(), b.Key()) }), nil
}

func (l *Lab) checkWorkload(w Workload) error {
	for _, name := range []string{w.Namespace, w.Name} {
		if !labelRE.MatchString(name) {
			return fmt.Errorf("workload %s: %q is no name of up to 63 lower-case letters, digits and dashes", w.Key(), name)
		}
	}
	_, err := l.node(w.Node)
	return err
}

// newContainerID draws an ID as container runtimes do.
func newContainerID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
