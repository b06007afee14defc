// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/agent/cni"
	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/routing/tunnel"
)

// backend is the agent as its CNI server sees it.
type backend struct{ *Agent }

// Ready implements cni.Backend: a workload can start once the node name is ours, the inputs were complete once and the datastore answers.
// It reads what the loop left after its last round, so that ADDs do not wait for each other's transactions.
func (b backend) Ready() error {
	if why := b.nameLost.Load(); why != nil {
		return *why
	}
	if why := b.loop.unready.Load(); why != nil {
		return *why
	}
	return nil
}

// Assign implements cni.Backend.
func (b backend) Assign(ctx context.Context, a cni.Allocation) ([]netip.Addr, error) {
	result, err := b.ipam.Assign(ctx, ipam.Request{
		Handle: a.Handle, IPv4: a.IPv4, IPv6: a.IPv6, Pools4: a.Pools4, Pools6: a.Pools6, Addrs: a.Addrs,
		Attrs: a.Attributes, Namespace: a.Namespace,
	})
	return result.Addrs, err
}

// Release implements cni.Backend.
func (b backend) Release(ctx context.Context, handle string) error {
	return b.ipam.ReleaseHandle(ctx, handle)
}

// MTU implements cni.Backend.
func (b backend) MTU(ctx context.Context) (int, error) { return b.sizes.MTU(ctx) }

// Pod implements cni.Backend.
func (b backend) Pod(ctx context.Context, namespace, name string, uid types.UID) (cni.Pod, error) {
	return b.pods.get(ctx, namespace, name, uid)
}

// Update implements cni.Backend.
func (b backend) Update(endpoint *v3.WorkloadEndpoint) error {
	key := api.KeyOf(endpoint)
	if _, err := b.submit(context.Background(), localChange{key: key, endpoint: endpoint}); err != nil {
		return err
	}
	b.publish.put(key, endpoint)
	return nil
}

// Register implements cni.Backend.
func (b backend) Register(ctx context.Context, endpoint *v3.WorkloadEndpoint) error {
	return b.register(ctx, endpoint)
}

// Unregister implements cni.Backend.
func (b backend) Unregister(endpoint *v3.WorkloadEndpoint, done func()) {
	b.unregister(api.KeyOf(endpoint), endpoint.Spec.ContainerID, done)
}

// Programmed implements cni.Backend.
func (b backend) Programmed(endpoint *v3.WorkloadEndpoint) error {
	state, _ := b.loop.status.get(endpointID(api.KeyOf(endpoint)))
	if state.policy == 0 || state.routes == 0 || state.policyErr != nil || state.routesErr != nil {
		return state.missing(1, errors.New("not programmed"))
	}
	return nil
}

// serveCNI undoes what an earlier run left half done and answers the plugin.
func (a *Agent) serveCNI(ctx context.Context, records []*record.Record) error {
	listener, err := listenUnix(filepath.Join(a.config.StateDir, "cni.sock"))
	if err != nil {
		return err
	}
	a.cni.Restore(ctx, records)
	return a.cni.Serve(ctx, listener)
}

// tunnelPart lets the tunnel manager be driven like the packet filter.
type tunnelPart struct{ *tunnel.Manager }

// Apply implements writer. The entries of peers go to the kernel with the routes through them, or with Settle.
func (w tunnelPart) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	r, _, err := w.Begin(ctx, view, delta)
	return dataplane.Report{Repaired: r.Repaired}, err
}

// Settle implements tunnelWriter.
func (w tunnelPart) Settle() error {
	_, err := w.Manager.Settle()
	return err
}

// routeWriter lets the route manager be driven like the packet filter.
type routeWriter struct{ *routes.Manager }

// Apply implements writer.
func (w routeWriter) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	r, err := w.Manager.Apply(ctx, view, delta)
	return dataplane.Report{Programmed: r.Programmed, Failed: r.Failed, Repaired: r.Repaired}, err
}
