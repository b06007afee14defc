// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package controllers runs what a cluster needs once and not on every node: [Run], until its context ends.
//
// More than one may run: writes are compare-and-swap and what is right already is left alone.
package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/hostendpoint"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
)

// The pauses between attempts at what could not be done.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 30 * time.Second
)

// watched is what the controllers act upon.
var watched = []api.Resource{api.KubeControllersConfigurations, api.Nodes, api.HostEndpoints}

// Run keeps the automatic host endpoints of the nodes in a store, as the KubeControllersConfiguration named default says: at once when something changes, and
// after each reconcilerPeriod. Errors of the datastore are waited out. It returns nil when ctx ends.
func Run(ctx context.Context, s store.Store, log *slog.Logger) error {
	watcher, err := s.Watch(ctx, watched...)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer watcher.Close()
	c := controller{store: s, log: log, config: &v3.KubeControllersConfiguration{}}
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
	store   store.Store
	log     *slog.Logger
	config  *v3.KubeControllersConfiguration // the last good one
	synced  bool
	backoff time.Duration
	failed  string
}

// take takes news in. A configuration that is no good leaves the last good one in force.
func (c *controller) take(b store.Batch) {
	for _, e := range b.Events {
		if e.Key.Resource != api.KubeControllersConfigurations || e.Key.Name != "default" {
			continue
		}
		config, ok := e.Object.(*v3.KubeControllersConfiguration)
		switch {
		case e.Err != nil:
			c.log.Warn("configuration cannot be read; the last good one stays in force", "object", e.Key.String(), "error", e.Err)
		case !ok:
			c.config = &v3.KubeControllersConfiguration{}
		default:
			if wrong := api.Validate(config, api.Checks{Selector: selector.ValidateSyntax, Stored: true}); len(wrong) > 0 {
				c.log.Warn("configuration is invalid; the last good one stays in force", "object", e.Key.String(), "error", wrong)
				continue
			}
			c.config = config
		}
	}
	c.synced = b.InSync
}

// reconcile does what is to be done, and returns when to look again.
func (c *controller) reconcile(ctx context.Context) time.Duration {
	node := c.config.Spec.Controllers.Node
	if err := hostendpoint.Reconcile(ctx, c.store, wanted(node)); err != nil {
		if err.Error() != c.failed {
			c.log.Error("not done, retrying", "error", err)
		}
		c.failed, c.backoff = err.Error(), min(max(2*c.backoff, retryFirst), retryMost)
		return c.backoff
	}
	c.failed, c.backoff = "", 0
	return period(node)
}

// wanted tells whether each node is to have a host endpoint.
func wanted(n *v3.NodeControllerConfig) bool {
	return n != nil && n.HostEndpoint != nil && n.HostEndpoint.AutoCreate == "Enabled" && n.HostEndpoint.CreateDefaultHostEndpoint != "Disabled"
}

// defaultPeriod is that of a configuration that states none.
const defaultPeriod = 5 * time.Minute

// period is the time between full checks.
func period(n *v3.NodeControllerConfig) time.Duration {
	if n == nil || n.ReconcilerPeriod == nil || n.ReconcilerPeriod.Duration <= 0 {
		return defaultPeriod
	}
	return n.ReconcilerPeriod.Duration
}
