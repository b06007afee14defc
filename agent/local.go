// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// endpointID names an endpoint as the desired state does.
func endpointID(key api.Key) desired.EndpointID {
	return desired.EndpointID{Namespace: key.Namespace, Name: key.Name}
}

// keyOfEndpoint is the inverse of endpointID.
func keyOfEndpoint(id desired.EndpointID) api.Key {
	return api.Key{Resource: api.WorkloadEndpoints, Namespace: id.Namespace, Name: id.Name}
}

// register puts a local endpoint in force and waits until its policy and routes are programmed and read back. The cluster is told
// afterwards. When it fails the endpoint is taken out again.
func (a *Agent) register(ctx context.Context, endpoint *v3.WorkloadEndpoint) error {
	key := api.KeyOf(endpoint)
	revision, err := a.submit(ctx, localChange{key: key, endpoint: endpoint})
	if err != nil {
		return err
	}
	if err := a.loop.status.wait(ctx, endpointID(key), revision); err != nil {
		a.unregister(key, endpoint.Spec.ContainerID, nil)
		return err
	}
	a.publish.put(key, endpoint)
	return nil
}

// unregister takes a local endpoint out of force at once, lets the publisher tell the cluster, and calls done when the datastore has
// forgotten it too.
func (a *Agent) unregister(key api.Key, containerID string, done func()) {
	ctx := context.Background() // the removal must not be lost with the caller's patience
	revision, err := a.submit(ctx, localChange{key: key})
	if err != nil {
		a.log.Error("endpoint not taken out", "endpoint", key.String(), "error", err)
		return
	}
	a.publish.remove(key, containerID, func(deleted int64) {
		a.forget(key, revision, deleted)
		if done != nil {
			done()
		}
	})
}

// forget gives a key back to the datastore.
func (a *Agent) forget(key api.Key, revision uint64, deleted int64) {
	select {
	case a.loop.locals <- localChange{key: key, forget: &forgotten{revision, deleted}}:
	case <-a.loop.ended:
	}
}

// submit hands a change to the loop and returns the revision to wait for.
func (a *Agent) submit(ctx context.Context, c localChange) (uint64, error) {
	accepted := make(chan acceptance, 1)
	c.accepted = accepted
	select {
	case a.loop.locals <- c:
	case <-a.loop.ended:
		return 0, fmt.Errorf("endpoint %s/%s: the agent is stopping", c.key.Namespace, c.key.Name)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-accepted:
		if a.err != nil {
			return 0, fmt.Errorf("endpoint %s/%s: %w", c.key.Namespace, c.key.Name, a.err)
		}
		return a.revision, nil
	case <-a.loop.ended:
		return 0, fmt.Errorf("endpoint %s/%s: the agent is stopping", c.key.Namespace, c.key.Name)
	}
}

// restore takes the endpoints that this node promised before a restart, and returns all records for the CNI server, which undoes what
// was left half done.
func (a *Agent) restore() ([]*record.Record, error) {
	records, damaged, err := a.records.Load()
	if err != nil {
		return nil, err
	}
	if damaged != nil {
		a.log.Error("damaged endpoint records", "error", errors.Join(damaged...))
	}
	for _, r := range records {
		if r.State == record.Ready {
			key := api.KeyOf(r.Endpoint)
			a.loop.takeLocal(localChange{key: key, endpoint: r.Endpoint})
			a.publish.put(key, r.Endpoint)
		}
	}
	return records, nil
}
