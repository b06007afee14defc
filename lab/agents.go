// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/internal/agentapi"
)

// agentStart bounds the time that an agent may take from its start to being in sync, unless Spec.StartLimit does.
const agentStart = 30 * time.Second

// Nodes returns the names of the nodes.
func (l *Lab) Nodes() []string {
	names := make([]string, len(l.plan.nodes))
	for i, n := range l.plan.nodes {
		names[i] = n.name
	}
	return names
}

// node returns the plan of a node; the error Is ErrNotFound.
func (l *Lab) node(name string) (nodePlan, error) {
	for _, n := range l.plan.nodes {
		if n.name == name {
			return n, nil
		}
	}
	return nodePlan{}, fmt.Errorf("lab %s: node %q: %w; the nodes are n1 to n%d", l.spec.Name, name, ErrNotFound, l.spec.Nodes)
}

// NodeDir returns the state directory of a node's agent, with its sockets and log.
func (l *Lab) NodeDir(node string) string { return filepath.Join(l.Dir(), node) }

// Agent returns a client of a node's agent.
func (l *Lab) Agent(node string) *agentapi.Client {
	return agentapi.NewClient(filepath.Join(l.NodeDir(node), "agent.sock"))
}

// startAgents starts all agents at once. What keeps one from getting ready may be in the log of another.
func (l *Lab) startAgents(ctx context.Context) error {
	l.say("starting %d agents", l.spec.Nodes)
	group, gctx := errgroup.WithContext(ctx)
	for _, n := range l.plan.nodes {
		group.Go(func() error { return l.startAgent(gctx, n.name) })
	}
	return l.withLogs(group.Wait())
}

// withLogs ends an error with what members said last.
func (l *Lab) withLogs(err error, members ...string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%s", err, l.LogEnds(members...))
}

// startAgent starts a node's agent and waits until it is in sync with the datastore.
func (l *Lab) startAgent(ctx context.Context, node string) error {
	p, err := l.start(ctx, daemon{
		name: node, member: node, path: l.weft(),
		args: append([]string{"agent", "--node", node, "--state-dir", l.NodeDir(node)}, l.agentStoreFlags()...),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(l.spec.StartLimit, agentStart))
	defer cancel()
	err = waitReady(ctx, "agent of "+node, p, func() error {
		status, err := l.Agent(node).Status(ctx)
		switch {
		case err != nil:
			return err
		case !status.InSync:
			return errors.New("not in sync with the datastore: " + status.Datastore)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = l.conflist(node) // the last step: a runtime starts workloads as soon as it finds one
	return err
}

// KillAgent sends a node's agent a signal; what SIGKILL and SIGSTOP do is waited for.
func (l *Lab) KillAgent(ctx context.Context, node string, sig syscall.Signal) error {
	if _, err := l.node(node); err != nil {
		return err
	}
	if sig == syscall.SIGKILL {
		return l.kill(node)
	}
	p, err := l.process(node)
	switch {
	case err != nil:
		return err
	case sig == syscall.SIGSTOP:
		return p.Freeze(ctx)
	}
	return p.Signal(sig)
}

// StartAgent starts a node's agent after KillAgent and waits until it is in sync.
func (l *Lab) StartAgent(ctx context.Context, node string) error {
	if _, err := l.node(node); err != nil {
		return err
	}
	return l.withLogs(l.startAgent(ctx, node), node)
}

// RestartAgent stops a node's agent gracefully and starts it again.
func (l *Lab) RestartAgent(ctx context.Context, node string) error {
	if _, err := l.node(node); err != nil {
		return err
	}
	if err := l.stop(ctx, node); err != nil {
		return err
	}
	return l.withLogs(l.startAgent(ctx, node), node)
}
