// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"slices"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/store"
)

// warnClosed says which failsafe ports only stay open because they are failsafe, once objects are written. Without host endpoints there are none; and
// only where something seems closed is all of the datastore read: an endpoint may be let through by its labels.
func warnClosed(ctx context.Context, env *Env, s store.Store, objects []api.Object) error {
	hosts, err := s.List(ctx, api.HostEndpoints, "")
	if err != nil {
		return err
	}
	isHost := func(obj api.Object) bool { return api.KeyOf(obj).Resource == api.HostEndpoints }
	if len(hosts.Items) == 0 && !slices.ContainsFunc(objects, isHost) {
		return nil
	}
	front, err := read(ctx, env, s, func(k *api.Kind) bool { return slices.Contains(inFrontOfHosts, k.Resource) })
	if err != nil || len(closedBy(front, objects)) == 0 {
		return err
	}
	now, err := everything(ctx, env, s)
	if err != nil {
		return err
	}
	for _, warning := range closedBy(now, objects) {
		fmt.Fprintln(env.Err, warning)
	}
	return nil
}

// inFrontOfHosts are the resources that decide about packets of addresses that no workload has, at host endpoints.
var inFrontOfHosts = []api.Resource{
	api.HostEndpoints, api.GlobalNetworkPolicies, api.Tiers, api.Profiles, api.Namespaces, api.ServiceAccounts, api.FelixConfigurations, api.NetworkSets,
	api.GlobalNetworkSets,
}

// closedBy are the warnings about what objects would close, and is open now.
func closedBy(now *cluster.Cluster, objects []api.Object) (out []string) {
	then := now.With(objects...)
	for _, node := range then.HostEndpointNodes() {
		known := now.Notices(node)
		for _, n := range then.Notices(node) {
			if !slices.ContainsFunc(known, func(k calc.Problem) bool { return k == n }) {
				out = append(out, fmt.Sprintf("warning: %s: on node %s: %s", describeKey(n.Key), node, n.Reason))
			}
		}
	}
	return out
}

// everything reads all that policy can depend on.
func everything(ctx context.Context, env *Env, s store.Store) (*cluster.Cluster, error) {
	return read(ctx, env, s, func(k *api.Kind) bool { return !k.Machine })
}

// read reads all objects of some kinds.
func read(ctx context.Context, env *Env, s store.Store, wanted func(*api.Kind) bool) (*cluster.Cluster, error) {
	var objects []api.Object
	for kind := range api.Kinds() {
		if !wanted(kind) {
			continue
		}
		found, err := list(ctx, s, kind, scope{all: true})
		if err != nil {
			return nil, err
		}
		for _, bad := range found.unreadable {
			fmt.Fprintf(env.Err, "warning: %s cannot be read and is left out: %v\n", describeKey(bad.Key), bad.Err)
		}
		objects = append(objects, found.objects...)
	}
	return cluster.New(objects), nil
}
