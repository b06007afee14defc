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
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// Down removes a lab with all it made: processes, namespaces with their links, and its directory. It works from names and marks, so it
// also removes a lab that is half made or whose state file is damaged. The error Is ErrNotFound when nothing of such a lab exists.
func Down(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	spaces, err := namespacesOf(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dirOf(name)); errors.Is(err, fs.ErrNotExist) && len(spaces) == 0 {
		return fmt.Errorf("lab %s: %w", name, ErrNotFound)
	}
	return remove(ctx, name)
}

// Down removes the lab; see the function of the same name. The handle is closed.
func (l *Lab) Down(ctx context.Context) error {
	return errors.Join(l.Close(), Down(ctx, l.spec.Name))
}

// Sweep removes labs whose owner has died: labs that were being made, and those of tests. It returns their names.
func Sweep(ctx context.Context) ([]string, error) {
	names, err := Names()
	if err != nil {
		return nil, err
	}
	var swept []string
	for _, name := range names {
		s, err := readState(name)
		if err != nil || !s.orphaned() {
			continue
		}
		if err := remove(ctx, name); err != nil {
			return swept, err
		}
		swept = append(swept, name)
	}
	return swept, sweepClaims()
}

// sweepClaims removes what a process left that was killed while it claimed a lab's name.
func sweepClaims() error {
	claims, err := filepath.Glob(filepath.Join(StateDir, claimPrefix+"*"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, dir := range claims {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), claimPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err != nil {
			continue
		}
		if _, err := proc.Lookup(n); errors.Is(err, proc.ErrGone) {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
	}
	return nil
}

// remove kills first, so that nothing is made anew behind it, and takes the directory with the state file last, so that it can be
// repeated after an interruption.
func remove(ctx context.Context, name string) error {
	if err := killAll(ctx, name); err != nil {
		return fmt.Errorf("lab %s: %w", name, err)
	}
	spaces, err := namespacesOf(name)
	if err != nil {
		return err
	}
	for _, ns := range spaces {
		if err := netns.Delete(ns); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("lab %s: %w", name, err)
		}
	}
	if err := os.RemoveAll(dirOf(name)); err != nil {
		return fmt.Errorf("lab %s: %w", name, err)
	}
	return nil
}

// killAll kills every process that carries the lab's mark, except the caller and its ancestors (a shell opened by `weft lab exec`
// may well be where `weft lab down` is typed).
func killAll(ctx context.Context, name string) error {
	spared, err := proc.Ancestors()
	if err != nil {
		return err
	}
	for range 10 { // a process may start another one between the listing and its end
		marked, err := proc.WithEnv(markOf(name))
		if err != nil {
			return err
		}
		var group errgroup.Group
		killed := 0
		for _, id := range marked {
			if !spared[id] {
				killed++
				group.Go(proc.Attach(id).Kill)
			}
		}
		if err := group.Wait(); err != nil || killed == 0 {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errors.New("its processes keep starting new ones")
}

// namespacesOf returns the names of all namespaces of a lab.
func namespacesOf(name string) ([]string, error) {
	all, err := netns.List()
	if err != nil {
		return nil, err
	}
	var mine []string
	for _, ns := range all {
		if strings.HasPrefix(ns, namespace(name, "")) {
			mine = append(mine, ns)
		}
	}
	return mine, nil
}
