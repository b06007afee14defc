// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package memorybench measures how much memory an agent needs for a large cluster: Run starts one beside a datastore full of endpoints.
package memorybench

import (
	"context"
	"errors"
	"fmt"
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

// The cluster and the limit, in bytes.
const (
	remotes, policies = 10_000, 500
	workloads         = 20
	limit             = 80e6
)

// settle is how long the agent is left alone before it is weighed: the Go runtime gives back what the start needed little by little.
const settle = 15 * time.Second

// Run loads the datastore, starts an agent that has workloads under policy, and weighs it.
func Run(ctx context.Context, bin string) (_ []measure.Row, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchmem", Nodes: 1, Families: lab.IPv4, Bin: bin, Owned: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	if err := load(ctx, l); err != nil {
		return nil, err
	}
	for i := range workloads {
		// The labels of the policies' applications: all the policies of a namespace come into force here.
		w := lab.Workload{Node: "n1", Namespace: fmt.Sprintf("namespace-%02d", i), Name: "local", Labels: map[string]string{"app": fmt.Sprintf("app-%02d", i%10)}}
		if _, err := l.AddWorkload(ctx, w); err != nil {
			return nil, err
		}
	}
	// A fresh start is the worst case: everything is read and programmed at once.
	if err := l.RestartAgent(ctx, "n1"); err != nil {
		return nil, err
	}
	if err := l.Converge(ctx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	status, err := l.Status(ctx)
	if err != nil {
		return nil, err
	}
	rss, peak, err := resident(status.Nodes[0].Process.PID)
	if err != nil {
		return nil, err
	}
	work := fmt.Sprintf("agent resident memory, %d remote endpoints, %d policies (peak %s)", remotes, policies, measure.Megabytes(peak))
	return []measure.Row{measure.Limit(work, rss, limit, measure.Megabytes)}, nil
}

// load writes the cluster.
func load(ctx context.Context, l *lab.Lab) error {
	s, err := l.Store()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for c := range (calctest.Scale{Remotes: remotes, Policies: policies}).Changes() {
		group.Go(func() error { return create(ctx, s, c.Object) })
	}
	return group.Wait()
}

func create(ctx context.Context, s store.Store, obj api.Object) error {
	_, err := s.Create(ctx, obj)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
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
