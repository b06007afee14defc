// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/collector"
	"github.com/weftnet/weft/controllers/conditions"
	"github.com/weftnet/weft/controllers/defaultpool"
	"github.com/weftnet/weft/controllers/hostendpoint"
	"github.com/weftnet/weft/controllers/loadbalancer"
	"github.com/weftnet/weft/store"
)

// The periods of a configuration that states none.
const (
	defaultPeriod    = 5 * time.Minute
	defaultLeakGrace = 15 * time.Minute
)

// newParts returns all controllers.
func newParts(s store.Store, o Options) []*part {
	return []*part{firstPools(s, o), hostEndpoints(s), leaks(s, o.Log), serviceAddresses(s), inForce(s)}
}

// firstPools makes the default pools, once: those that somebody deletes afterwards stay away.
func firstPools(s store.Store, o Options) *part {
	done := len(o.Pools) == 0
	return &part{
		name:  "default pools",
		wakes: func(store.Event) bool { return false },
		run: func(ctx context.Context, _ *v3.KubeControllersConfiguration) (time.Duration, error) {
			if done {
				return defaultPeriod, nil
			}
			made, err := defaultpool.Ensure(ctx, s, o.Pools)
			for _, name := range made {
				o.Log.Info("made a default pool", "name", name)
			}
			done = err == nil
			return defaultPeriod, err
		},
		close: func() {},
	}
}

// hostEndpoints makes the automatic host endpoints of nodes.
func hostEndpoints(s store.Store) *part {
	return &part{
		name:  "automatic host endpoints",
		wakes: func(e store.Event) bool { return e.Key.Resource == api.Nodes || e.Key.Resource == api.HostEndpoints },
		run: func(ctx context.Context, config *v3.KubeControllersConfiguration) (time.Duration, error) {
			node := config.Spec.Controllers.Node
			return period(node), hostendpoint.Reconcile(ctx, s, wanted(node))
		},
		close: func() {},
	}
}

// leaks frees what nodes and workloads that are gone have left. A change of a Node is no reason to look at all addresses, its deletion is.
func leaks(s store.Store, log *slog.Logger) *part {
	c := collector.New(s)
	return &part{
		name:  "leaked addresses",
		wakes: func(e store.Event) bool { return e.Key.Resource == api.Nodes && e.Object == nil && e.Err == nil },
		run: func(ctx context.Context, config *v3.KubeControllersConfiguration) (time.Duration, error) {
			grace := leakGrace(config.Spec.Controllers.Node)
			report, err := c.Reconcile(ctx, grace)
			for _, leak := range report.Freed {
				log.Info("freed leaked addresses", "handle", leak.Handle, "node", leak.Node, "addresses", len(leak.Addrs), "reason", leak.Reason)
			}
			for _, node := range report.Nodes {
				log.Info("gave up the endpoints and blocks of a node that is gone", "node", node)
			}
			next := period(config.Spec.Controllers.Node)
			if grace > 0 {
				next = min(next, grace/2)
			}
			if report.Next > 0 {
				next = min(next, report.Next)
			}
			return next, err
		},
		close: c.Close,
	}
}

// serviceAddresses gives addresses to services.
func serviceAddresses(s store.Store) *part {
	c := loadbalancer.New(s)
	return &part{
		name:  "addresses of services",
		wakes: func(e store.Event) bool { return e.Key.Resource == api.Services || e.Key.Resource == api.IPPools },
		run: func(ctx context.Context, config *v3.KubeControllersConfiguration) (time.Duration, error) {
			lb := config.Spec.Controllers.LoadBalancer
			return defaultPeriod, c.Reconcile(ctx, lb != nil && lb.AssignIPs == "RequestedServicesOnly")
		},
		close: c.Close,
	}
}

// inForce says of pools and tiers whether they are.
func inForce(s store.Store) *part {
	return &part{
		name:  "conditions of pools and tiers",
		wakes: func(e store.Event) bool { return e.Key.Resource == api.IPPools || e.Key.Resource == api.Tiers },
		run: func(ctx context.Context, _ *v3.KubeControllersConfiguration) (time.Duration, error) {
			return defaultPeriod, conditions.Reconcile(ctx, s)
		},
		close: func() {},
	}
}

// wanted tells whether each node is to have a host endpoint.
func wanted(n *v3.NodeControllerConfig) bool {
	return n != nil && n.HostEndpoint != nil && n.HostEndpoint.AutoCreate == "Enabled" && n.HostEndpoint.CreateDefaultHostEndpoint != "Disabled"
}

// period is the time between full checks.
func period(n *v3.NodeControllerConfig) time.Duration {
	if n == nil {
		return defaultPeriod
	}
	return orDefault(n.ReconcilerPeriod, defaultPeriod)
}

func orDefault(d *metav1.Duration, otherwise time.Duration) time.Duration {
	if d == nil || d.Duration <= 0 {
		return otherwise
	}
	return d.Duration
}

// leakGrace is how long addresses of workloads must have no owner before they are freed; 0: they never are.
func leakGrace(n *v3.NodeControllerConfig) time.Duration {
	if n == nil || n.LeakGracePeriod == nil {
		return defaultLeakGrace
	}
	return max(n.LeakGracePeriod.Duration, 0)
}
