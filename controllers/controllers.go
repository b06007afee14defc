// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package controllers runs what a cluster needs once and not on every node: [Run], until its context ends.
//
// Writes are compare-and-swap and what is right already is left alone, so two that act at a time do no lasting harm; with an election one acts.
package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/election"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
)

// The pauses between attempts at what could not be done.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 30 * time.Second
)

// watched is what the controllers act upon.
var watched = []api.Resource{api.KubeControllersConfigurations, api.Nodes, api.HostEndpoints, api.Services, api.IPPools, api.Tiers}

// Options of Run.
type Options struct {
	// Log takes what is done and what cannot be. Required.
	Log *slog.Logger
	// Health is told how the controllers are. Optional.
	Health *Health
	// Identity of this process among those that share the datastore: one of them acts. Default: this one acts whoever else does.
	Identity string
	// LeaseNamespace is that of the Lease weft-controllers, by which they agree. Default: kube-system.
	LeaseNamespace string
	// Pools are made when the controllers start, those of a family that has no pool for workloads. Default: none.
	Pools []*v3.IPPool
}

// Run acts on a store as the KubeControllersConfiguration named default says: at once when something changes, and now and then. Errors of
// the datastore are waited out. It returns nil when ctx ends.
func Run(ctx context.Context, s store.Store, o Options) error {
	if o.Identity == "" {
		return act(ctx, s, o)
	}
	c := election.Config{
		Store: s, Namespace: cmp.Or(o.LeaseNamespace, "kube-system"), Name: "weft-controllers", Identity: o.Identity, Log: o.Log, Following: o.Health.follow,
	}
	return election.Run(ctx, c, func(ctx context.Context) error {
		defer o.Health.follow("")
		return act(ctx, s, o)
	})
}

// act is Run without an election.
func act(ctx context.Context, s store.Store, o Options) error {
	watcher, err := s.Watch(ctx, watched...)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer watcher.Close()
	c := controller{log: o.Log, health: o.Health, config: &v3.KubeControllersConfiguration{}, parts: newParts(s, o)}
	defer c.close()
	batches := make(chan store.Batch)
	ended := make(chan error, 1)
	go func() { ended <- forward(ctx, watcher, batches) }()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case b := <-batches:
			c.take(b)
		case <-due.C:
		}
		if c.synced {
			due.Reset(c.reconcile(ctx))
		}
	}
}

// forward hands batches on until ctx or the watch ends.
func forward(ctx context.Context, w store.Watcher, to chan<- store.Batch) error {
	for {
		b, err := w.Next(ctx)
		if err == nil {
			select {
			case to <- b:
				continue
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("watch: %w", err)
	}
}

// controller is the state between two events.
type controller struct {
	log    *slog.Logger
	health *Health
	config *v3.KubeControllersConfiguration // the last good one
	synced bool
	parts  []*part
}

// take takes news in. A configuration that is no good leaves the last good one in force.
func (c *controller) take(b store.Batch) {
	for _, e := range b.Events {
		if e.Key.Resource == api.KubeControllersConfigurations && e.Key.Name == "default" {
			c.configure(e)
		}
		for _, p := range c.parts {
			if p.wakes(e) {
				p.due = time.Time{}
			}
		}
	}
	c.synced = b.InSync
	c.health.datastore(b)
}

// configure takes a configuration over, for all controllers.
func (c *controller) configure(e store.Event) {
	config, ok := e.Object.(*v3.KubeControllersConfiguration)
	switch {
	case e.Err != nil:
		c.log.Warn("configuration cannot be read; the last good one stays in force", "object", e.Key.String(), "error", e.Err)
		return
	case !ok:
		config = &v3.KubeControllersConfiguration{}
	default:
		if wrong := api.Validate(config, api.Checks{Selector: selector.ValidateSyntax, Stored: true}); len(wrong) > 0 {
			c.log.Warn("configuration is invalid; the last good one stays in force", "object", e.Key.String(), "error", wrong)
			return
		}
	}
	c.config = config
	c.health.configure(config.Spec.HealthChecks)
	for _, p := range c.parts {
		p.due = time.Time{}
	}
}

// reconcile has the controllers that are due act, and returns how long until the next one is.
func (c *controller) reconcile(ctx context.Context) time.Duration {
	next := retryMost
	for _, p := range c.parts {
		if !p.due.After(time.Now()) {
			p.act(ctx, c.config, c.log)
			c.health.acted(p.name, p.failed)
		}
		next = min(next, max(time.Until(p.due), time.Millisecond))
	}
	return next
}

func (c *controller) close() {
	for _, p := range c.parts {
		p.close()
	}
}

// part is one controller.
type part struct {
	name string
	// wakes tells whether an event is a reason to act at once.
	wakes func(store.Event) bool
	// run brings everything up to date and returns how long until it has to look again.
	run   func(ctx context.Context, config *v3.KubeControllersConfiguration) (time.Duration, error)
	close func()

	due     time.Time
	backoff time.Duration
	failed  error
}

// act runs the controller and notes when it is due again.
func (p *part) act(ctx context.Context, config *v3.KubeControllersConfiguration, log *slog.Logger) {
	next, err := p.run(ctx, config)
	if err != nil {
		if (p.failed == nil || p.failed.Error() != err.Error()) && !errors.Is(err, context.Canceled) {
			log.Error("not done, retrying", "controller", p.name, "error", err)
		}
		p.backoff = min(max(2*p.backoff, retryFirst), retryMost)
		next = p.backoff
	} else {
		p.backoff = 0
	}
	p.failed, p.due = err, time.Now().Add(next)
}
