// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package memorybench measures how much memory an agent and the controllers need for a large cluster: Run starts them beside a datastore full of endpoints.
package memorybench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/store"
)

// sizes are the clusters, each with the limit in bytes.
var sizes = []struct {
	remotes, policies int
	limit             float64
}{{10_000, 500, 80e6}, {100_000, 2_000, 250e6}}

// workloads is how many the agent has itself.
const workloads = 20

// settle is how long the agent is left alone before it is weighed: the Go runtime gives back what the start needed little by little.
const settle = 15 * time.Second

// startLimit bounds the start of an agent, which reads all there is first: on a busy machine that takes a while.
const startLimit = 5 * time.Minute

// Run weighs an agent of each size of cluster.
func Run(ctx context.Context, bin string) ([]measure.Row, error) {
	var rows []measure.Row
	for _, s := range sizes {
		rss, peak, err := weigh(ctx, bin, calctest.Scale{Remotes: s.remotes, Policies: s.policies})
		if err != nil {
			return nil, fmt.Errorf("%d remote endpoints: %w", s.remotes, err)
		}
		work := fmt.Sprintf("agent resident memory, %d remote endpoints, %d policies (peak %s)", s.remotes, s.policies, measure.Megabytes(peak))
		rows = append(rows, measure.Limit(work, rss, s.limit, measure.Megabytes))
	}
	whole, err := weighWhole(ctx, bin)
	if err != nil {
		return nil, fmt.Errorf("%d nodes: %w", nodes, err)
	}
	return append(rows, whole...), nil
}

// weigh loads the datastore, starts an agent that has workloads under policy, and returns its resident memory, present and highest.
func weigh(ctx context.Context, bin string, size calctest.Scale) (rss, peak float64, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchmem", Nodes: 1, Families: lab.IPv4, Bin: bin, Owned: true, StartLimit: startLimit})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	if err := load(ctx, l, objectsOf(size)); err != nil {
		return 0, 0, err
	}
	for i := range workloads {
		// The labels of the policies' applications: all the policies of a namespace come into force here.
		w := lab.Workload{Node: "n1", Namespace: fmt.Sprintf("namespace-%02d", i), Name: "local", Labels: map[string]string{"app": fmt.Sprintf("app-%02d", i%10)}}
		if _, err := l.AddWorkload(ctx, w); err != nil {
			return 0, 0, err
		}
	}
	if err := start(ctx, l); err != nil {
		return 0, 0, err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return 0, 0, err
	}
	return resident(status.Nodes[0].Process.PID)
}

// start starts the agent anew, the worst case: everything is read and programmed at once. It waits until the agent is at rest.
func start(ctx context.Context, l *lab.Lab) error {
	if err := l.RestartAgent(ctx, "n1"); err != nil {
		return err
	}
	if err := l.Converge(ctx); err != nil {
		return err
	}
	return rest(ctx)
}

func rest(ctx context.Context) error {
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load writes the cluster, many objects at a time.
func load(ctx context.Context, l *lab.Lab, objects iter.Seq[api.Object]) error {
	s, err := l.Store()
	if err != nil {
		return err
	}
	t, ok := s.(store.Transactor)
	if !ok {
		return errors.New("the lab's store has no transactions")
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	var batch []api.Object
	write := func() {
		objs := batch
		batch = nil
		group.Go(func() error { return create(ctx, t, objs) })
	}
	for obj := range objects {
		if batch = append(batch, obj); len(batch) == store.MaxTransact {
			write()
		}
	}
	if len(batch) > 0 {
		write()
	}
	return group.Wait()
}

func objectsOf(size calctest.Scale) iter.Seq[api.Object] {
	return func(yield func(api.Object) bool) {
		for c := range size.Changes() {
			if !yield(c.Object) {
				return
			}
		}
	}
}

// create adds objects as one, or, where some exist already, those that do not.
func create(ctx context.Context, s store.Transactor, objs []api.Object) error {
	_, err := s.Transact(ctx, objs...)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	for _, obj := range objs {
		if _, err := s.Create(ctx, obj); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	return nil
}

// resident reads the present and the highest resident memory of a process in bytes (proc_pid_status(5)).
func resident(pid int) (now, peak float64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		var kB float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); err == nil {
			now = kB * 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kB); err == nil {
			peak = kB * 1024
		}
	}
	if now == 0 {
		return 0, 0, fmt.Errorf("process %d: no VmRSS in its status", pid)
	}
	return now, peak, nil
}
