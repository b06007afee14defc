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

// warnClosed says which failsafe ports only stay open because they are failsafe, once objects are written. Without host endpoints there are none,
// and not all of the datastore is read.
func warnClosed(ctx context.Context, env *Env, s store.Store, objects []api.Object) error {
	hosts, err := s.List(ctx, api.HostEndpoints, "")
	if err != nil {
		return err
	}
	isHost := func(obj api.Object) bool { return api.KeyOf(obj).Resource == api.HostEndpoints }
	if len(hosts.Items) == 0 && !slices.ContainsFunc(objects, isHost) {
		return nil
	}
	now, err := everything(ctx, env, s)
	if err != nil {
		return err
	}
	then := now.With(objects...)
	for _, node := range then.HostEndpointNodes() {
		known := now.Notices(node)
		for _, n := range then.Notices(node) {
			if !slices.ContainsFunc(known, func(k calc.Problem) bool { return k == n }) {
				fmt.Fprintf(env.Err, "warning: %s: on node %s: %s\n", describeKey(n.Key), node, n.Reason)
			}
		}
	}
	return nil
}

// everything reads all that policy can depend on.
func everything(ctx context.Context, env *Env, s store.Store) (*cluster.Cluster, error) {
	var objects []api.Object
	for kind := range api.Kinds() {
		if kind.Machine {
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
