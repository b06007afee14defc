// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netlink"
)

// sweep deletes, once after the start, WorkloadEndpoints of this node that nothing stands for any more: a CNI plugin made them, there is no
// record of them (the state directory was lost, or the host rebooted), and their interface does not exist. What still has
// its interface stays in force as the datastore describes it, and endpoints of other orchestrators (OpenStack, ...) are theirs.
func (a *Agent) sweep(ctx context.Context) error {
	var ids []desired.EndpointID
	select {
	case ids = <-a.unclaimed:
	case <-ctx.Done():
		return nil
	}
	if len(ids) == 0 {
		return nil
	}
	links, err := linkNames()
	if err != nil {
		a.log.Error("leftover endpoints are not looked for", "error", err)
		return nil
	}
	for _, id := range ids {
		for err := a.sweepOne(ctx, id, links); err != nil; err = a.sweepOne(ctx, id, links) {
			if !pause(ctx, publishRetry) {
				return nil
			}
		}
	}
	return nil
}

// sweepOne returns an error when the datastore did not answer.
func (a *Agent) sweepOne(ctx context.Context, id desired.EndpointID, links map[string]bool) error {
	key := keyOfEndpoint(id)
	obj, err := a.config.Store.Get(ctx, key)
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	endpoint, ok := obj.(*v3.WorkloadEndpoint)
	if err != nil || !ok || endpoint.Spec.Node != a.config.Node || !stale(&endpoint.Spec, links) {
		return nil // gone, unreadable (shown as a problem) or in use
	}
	a.log.Info("deleting a leftover endpoint: its interface does not exist", "endpoint", key.String(), "interface", endpoint.Spec.InterfaceName)
	a.publish.sweep(key, endpoint.Spec.ContainerID)
	return nil
}

// stale says that an endpoint was made by a CNI plugin for an interface that is not there.
func stale(spec *v3.WorkloadEndpointSpec, links map[string]bool) bool {
	fromCNI := spec.Orchestrator == v3.OrchestratorKubernetes || spec.Orchestrator == v3.OrchestratorCNI
	return fromCNI && spec.ContainerID != "" && !links[spec.InterfaceName]
}

// linkNames lists the interfaces of the host.
func linkNames() (map[string]bool, error) {
	conn, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, l := range links {
		names[l.Name] = true
	}
	return names, nil
}
