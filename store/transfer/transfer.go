// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package transfer copies all objects of a datastore into another or a file, and back: [Read] or [ReadFile], then [Copy] or [WriteFile], then
// [Compare] of what was read back.
//
// Objects are written one by one and whole, what others refer to first. A copy notes in the target's ClusterInformation where its objects come
// from, before the first and until the last: the same copy started again goes on, another is refused.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// order is that in which objects are written: settings and what policies refer to, then policies, then addresses, and last what traffic flows to. An
// agent that runs on the target meanwhile meets a workload when its policies are there. Leases are not copied: they say who leads now.
var order = []api.Resource{
	api.FelixConfigurations, api.BGPConfigurations, api.KubeControllersConfigurations, api.IPAMConfigurations,
	api.Namespaces, api.ServiceAccounts, api.Services, api.EndpointSlices, api.Profiles, api.GlobalNetworkSets, api.NetworkSets, api.Tiers,
	api.GlobalNetworkPolicies, api.NetworkPolicies, api.KubeNetworkPolicies, api.ClusterNetworkPolicies, api.AdminNetworkPolicies, api.BaselineAdminNetworkPolicies,
	api.StagedGlobalNetworkPolicies, api.StagedNetworkPolicies, api.StagedKubernetesNetworkPolicies,
	api.IPReservations, api.IPPools, api.IPAMHandles, api.IPAMBlocks, api.BlockAffinities,
	api.Nodes, api.BGPPeers, api.HostEndpoints, api.WorkloadEndpoints,
	api.ClusterInformations,
}

// Read returns all objects of a datastore, in the order in which they are to be written. Each resource is as of one revision. A stored value that is
// no object is an error: what cannot be read cannot be copied.
func Read(ctx context.Context, s store.Store) ([]api.Object, error) {
	var out []api.Object
	var bad []error
	for _, resource := range order {
		list, err := s.List(ctx, resource, "")
		if err != nil {
			return nil, err
		}
		out = append(out, list.Items...)
		for _, invalid := range list.Invalid {
			bad = append(bad, fmt.Errorf("%s: %w", invalid.Key, invalid.Err))
		}
	}
	if err := errors.Join(append(bad, checkSchema(out))...); err != nil {
		return nil, err
	}
	return out, nil
}

// sortForWriting puts objects in the order in which they are to be written.
func sortForWriting(objects []api.Object) {
	rank := map[api.Resource]int{}
	for i, resource := range order {
		rank[resource] = i
	}
	slices.SortStableFunc(objects, func(a, b api.Object) int { return rank[api.KeyOf(a).Resource] - rank[api.KeyOf(b).Resource] })
}
