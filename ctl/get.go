// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/store"
)

// DefaultNamespace is used for namespaced kinds when -n is not given.
const DefaultNamespace = "default"

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// scope is which namespaces a command looks at.
type scope struct {
	namespace string
	all       bool
}

func (s *scope) addFlags(cmd *cobra.Command, options *datastoreOptions) {
	s.addNamespaceFlag(cmd, options)
	cmd.Flags().BoolVarP(&s.all, "all-namespaces", "A", false, "all namespaces")
}

func (s *scope) addNamespaceFlag(cmd *cobra.Command, options *datastoreOptions) {
	cmd.Flags().StringVarP(&s.namespace, "namespace", "n", DefaultNamespace, "namespace of namespaced kinds")
	registerCompletion(cmd, "namespace", completeNamespaces(options))
}

func newGet(env *Env, options *datastoreOptions) *cobra.Command {
	var where scope
	var output string
	formats := []printer.Format{printer.FormatTable, printer.FormatWide, printer.FormatYAML, printer.FormatJSON, printer.FormatName}
	cmd := &cobra.Command{
		Use:   "get KIND[,KIND...] [NAME...] | KIND/NAME...",
		Short: "Show objects",
		Long: `Show objects of a kind or several, or some of them by name. KIND is a plural, singular or short name, or "all" for everything that people
write; "networkpolicy" is Calico's, "networkpolicy.networking.k8s.io" (short: knp) the Kubernetes one.

A table shows what is in force, defaults included; yaml and json show what was written. Where an object is not in force as it is written, a column
STATUS says why: agents refuse what is invalid and keep the last good version. The agents that --socket leads to are asked as well; {node} in it
stands for the name of each node.

Exit status 1: nothing of what was asked for could be shown; 4: some of it could, and the rest is missing or cannot be read.`,
		Example: `  weft get ippools
  weft get ippools,nodes,bgppeers
  weft get networkpolicies -A
  weft get workloadendpoints -n prod -o wide
  weft get tier/security globalnetworkset/partners -o yaml`,
		ValidArgsFunction: completeObjects(options, &where),
	}
	where.addFlags(cmd, options)
	socket := addSocketFlag(cmd, env)
	addOutputFlag(cmd, &output, formats...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := printer.Parse(output, formats...)
		if err != nil {
			return usagef("%w", err)
		}
		selections, err := parseSelections(args)
		if err != nil {
			return err
		}
		return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error {
			return get(ctx, env, s, selections, where, format, socket())
		})
	}
	return cmd
}

func get(ctx context.Context, env *Env, s store.Store, selections []selection, where scope, format printer.Format, socket string) error {
	var found []group
	var missing error
	asked, total, unreadable := 0, 0, 0
	for _, selected := range selections {
		g, absent, err := fetch(ctx, s, selected.kind, where, selected.names)
		if err != nil {
			return err
		}
		found = append(found, g)
		missing = errors.Join(missing, absent)
		asked += len(selected.names)
		total += len(g.objects)
		unreadable += len(g.unreadable)
	}
	if total+unreadable == 0 && missing != nil {
		return missing
	}
	against := standingOf(ctx, env, s, socket, found)
	var err error
	switch {
	case format == printer.FormatTable || format == printer.FormatWide:
		err = printTables(env, found, against, where, format == printer.FormatWide)
	default:
		against.warn(env, found)
		err = printObjects(env, format, flatten(found), asked == 1)
	}
	missing = errors.Join(missing, unreadableValues(unreadable))
	switch {
	case err != nil || missing == nil:
		return err
	case total == 0:
		return missing
	}
	return &exitError{ExitPartial, missing}
}

// unreadableValues is the error of n stored values that are no objects, nil if there are none.
func unreadableValues(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot be read; apply or delete what has the name", count(n, "stored value"))
}

// group is what was found of one kind.
type group struct {
	kind       *api.Kind
	objects    []api.Object
	unreadable []store.Invalid
}

func flatten(groups []group) []api.Object {
	out := []api.Object{}
	for _, g := range groups {
		out = append(out, g.objects...)
	}
	return out
}

// printTables writes a table for each kind; beside other kinds, names carry theirs, as KIND/NAME.
func printTables(env *Env, groups []group, against standing, where scope, wide bool) error {
	printed := 0
	for _, g := range groups {
		if len(g.objects)+len(g.unreadable) == 0 {
			continue
		}
		if printed > 0 {
			fmt.Fprintln(env.Out)
		}
		printed++
		if err := objectTable(&g, against, len(groups) > 1, time.Now()).Write(env.Out, wide); err != nil {
			return err
		}
	}
	if printed == 0 {
		fmt.Fprintln(env.Err, nothing(groups, where))
	}
	return nil
}

// nothing says that nothing was found, and where else it may be.
func nothing(groups []group, where scope) string {
	names := make([]string, len(groups))
	namespaced, builtIn := false, ""
	for i, g := range groups {
		names[i] = pluralName(g.kind)
		namespaced = namespaced || g.kind.Namespaced
		if g.kind.Resource == api.Tiers {
			builtIn = "; kube-admin, default and kube-baseline are built in and need no object"
		}
	}
	text := "no " + strings.Join(names, ", ")
	if len(names) > 3 {
		text = "no objects"
	}
	if namespaced && !where.all {
		text += " in namespace " + where.namespace + "; -A looks in all"
	}
	return text + builtIn
}

// printObjects writes objects; single says that one was asked for by name, and yaml or json then is the object itself.
func printObjects(env *Env, format printer.Format, objects []api.Object, single bool) error {
	if format == printer.FormatName {
		for _, obj := range objects {
			fmt.Fprintln(env.Out, reference(obj))
		}
		return nil
	}
	if single && len(objects) == 1 {
		return printer.WriteValue(env.Out, format, objects[0])
	}
	return printer.WriteValue(env.Out, format, map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
}
