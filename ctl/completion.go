// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/store"
)

// completionTimeout bounds how long a shell waits for the datastore after a press of the tab key.
const completionTimeout = 2 * time.Second

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeObjects completes KIND, then names of stored objects that the command line does not have yet. An unreachable datastore offers nothing.
func completeObjects(options *datastoreOptions, where *scope) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return kindNames(word), noFiles
		}
		selections, err := parseSelections(args[:1])
		if err != nil || len(selections) != 1 || len(selections[0].names) > 0 {
			return nil, noFiles
		}
		kind, in := selections[0].kind, where.namespace
		if !kind.Namespaced || where.all {
			in = ""
		}
		names := storedNames(cmd.Context(), options, kind.Resource, in)
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args[1:], name) }), noFiles
	}
}

// kindNames offers plural names, and after a comma further ones.
func kindNames(word string) []string {
	before := word[:strings.LastIndex(word, ",")+1]
	names := []string{before + allKinds}
	if before != "" {
		names = nil
	}
	for kind := range api.Kinds() {
		names = append(names, before+pluralName(kind))
	}
	return names
}

// completeKinds completes the first argument with a kind.
func completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return slices.DeleteFunc(kindNames(""), func(name string) bool { return name == allKinds }), noFiles
}

// completeNamespaces completes the value of -n.
func completeNamespaces(options *datastoreOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return storedNames(cmd.Context(), options, api.Namespaces, ""), noFiles
	}
}

// storedNames lists names in the datastore.
func storedNames(ctx context.Context, options *datastoreOptions, resource api.Resource, namespace string) []string {
	var names []string
	for _, obj := range storedObjects(ctx, options, resource, namespace) {
		names = append(names, obj.GetName())
	}
	return names
}

// storedObjects lists objects for completion; a shell has no place for errors, so that they offer nothing.
func storedObjects(ctx context.Context, options *datastoreOptions, resource api.Resource, namespace string) []api.Object {
	quick := *options
	quick.timeout = min(quick.timeout, completionTimeout)
	var objects []api.Object
	err := quick.with(ctx, func(ctx context.Context, s store.Store) error {
		found, err := s.List(ctx, resource, namespace)
		objects = found.Items
		return err
	})
	if err != nil {
		return nil
	}
	return objects
}

// completeTables completes the tables of an agent.
func completeTables(agent func() (*agentapi.Client, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, noFiles
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		client, err := agent()
		if err != nil {
			return nil, noFiles
		}
		names, err := client.Tables(ctx)
		if err != nil {
			return nil, noFiles
		}
		return names, noFiles
	}
}

// completeWorkloads completes NAMESPACE/POD of stored workloads.
func completeWorkloads(options *datastoreOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return workloadNames(cmd.Context(), options), noFiles
	}
}

// completeEnds completes SRC and DST: workloads and nodes.
func completeEnds(options *datastoreOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 1 {
			return nil, noFiles
		}
		return append(workloadNames(cmd.Context(), options), storedNames(cmd.Context(), options, api.Nodes, "")...), noFiles | cobra.ShellCompDirectiveNoSpace
	}
}

func workloadNames(ctx context.Context, options *datastoreOptions) []string {
	var names []string
	for _, obj := range storedObjects(ctx, options, api.WorkloadEndpoints, "") {
		if w, ok := obj.(*v3.WorkloadEndpoint); ok {
			names = append(names, w.Namespace+"/"+cluster.WorkloadName(w))
		}
	}
	return names
}
