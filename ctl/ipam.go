// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/store"
)

func newIPAM(env *Env, options *datastoreOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ipam",
		Short: "Look into address management",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Compare pools, blocks, handles and endpoints",
		Long: `Compare pools, blocks, affinities, handles, nodes and workload endpoints, and list what contradicts itself, and addresses whose owner is gone. What an
interrupted operation left, and addresses without owner, are corrected by themselves: by the next operation, and by weft controllers. While workloads come and go
some of them may be listed that are just being added or removed. The exit status is 3 if there is something that nobody corrects.`,
		Example: "  weft ipam check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error { return checkIPAM(ctx, env, s) })
		},
	})
	return cmd
}

func checkIPAM(ctx context.Context, env *Env, s store.Store) error {
	var objects []api.Object
	wrong := 0
	for _, r := range []api.Resource{api.IPPools, api.IPAMBlocks, api.BlockAffinities, api.IPAMHandles, api.WorkloadEndpoints, api.Nodes} {
		list, err := s.List(ctx, r, "")
		if err != nil {
			return err
		}
		objects = append(objects, list.Items...)
		for _, invalid := range list.Invalid {
			wrong++
			fmt.Fprintf(env.Out, "wrong: %s: %v\n", describeKey(invalid.Key), invalid.Err)
		}
	}
	leftovers := 0
	for _, v := range ipam.Check(objects) {
		if v.Leftover {
			leftovers++
			fmt.Fprintf(env.Out, "leftover: %s: %s\n", describeKey(v.Key), v.Reason)
			continue
		}
		wrong++
		fmt.Fprintf(env.Out, "wrong: %s: %s\n", describeKey(v.Key), v.Reason)
	}
	leaks := 0
	for _, leak := range ipam.Leaks(objects) {
		for _, r := range leak.Addrs {
			leaks++
			fmt.Fprintf(env.Out, "leak: %s of handle %s, node %s: %s\n", r.Addr, leak.Handle, leak.Node, leak.Reason)
		}
	}
	fmt.Fprintf(env.Out, "%d wrong, %s, %s without owner\n", wrong, count(leftovers, "leftover"), addressCount(leaks))
	if wrong > 0 {
		return ExitAs(ExitVerdict)
	}
	return nil
}

func addressCount(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
