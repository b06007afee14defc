// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/gate"
)

// verb is how a command writes one object: it returns what it did ("created") and the object as stored.
type verb func(ctx context.Context, s store.Store, obj api.Object, dryRun bool) (done string, stored api.Object, err error)

// ownDomain is the annotation domain in which weft itself keeps notes on users' objects; apply and replace leave those alone.
const ownDomain = "weft.net/"

func newApply(env *Env, options *datastoreOptions) *cobra.Command {
	return newWriter(env, options, &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create objects, or change them to what the files say",
		Long: `Create the objects of the given files, or change them to what the files say. All documents are checked first: if one is invalid, nothing is
written.`,
		Example: "  weft apply -f policy.yaml\n  weft apply -f manifests/ --dry-run\n  cat pool.yaml | weft apply -f -",
	}, apply)
}

func newCreate(env *Env, options *datastoreOptions) *cobra.Command {
	var skip bool
	cmd := newWriter(env, options, &cobra.Command{
		Use:     "create -f FILE",
		Short:   "Create objects that do not exist yet",
		Example: "  weft create -f pool.yaml\n  weft create -f pools/ --skip-exists",
	}, func(ctx context.Context, s store.Store, obj api.Object, dryRun bool) (string, api.Object, error) {
		return create(ctx, s, obj, dryRun, skip)
	})
	cmd.Flags().BoolVar(&skip, "skip-exists", false, "leave objects alone that exist")
	return cmd
}

func newReplace(env *Env, options *datastoreOptions) *cobra.Command {
	return newWriter(env, options, &cobra.Command{
		Use:     "replace -f FILE",
		Short:   "Replace objects that exist",
		Long:    "Replace objects that exist. A metadata.resourceVersion in the file makes it compare-and-swap: the write fails if somebody changed the object since.",
		Example: "  weft replace -f pool.yaml",
	}, replace)
}

func newWriter(env *Env, options *datastoreOptions, cmd *cobra.Command, write verb) *cobra.Command {
	var dryRun bool
	var output, namespace string
	cmd.Args = filesNotArgs
	files := addFilesFlag(cmd)
	formats := []printer.Format{printer.FormatTable, printer.FormatYAML, printer.FormatJSON, printer.FormatName}
	addOutputFlag(cmd, &output, formats...)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check everything and say what would be done, but write nothing")
	cmd.Flags().StringVarP(&namespace, "namespace", "n", DefaultNamespace, "namespace of objects that name none")
	registerCompletion(cmd, "namespace", completeNamespaces(options))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := printer.Parse(output, formats...)
		if err != nil {
			return usagef("%w", err)
		}
		documents, err := load(env, *files)
		if err != nil {
			return err
		}
		objects, err := accepted(env, documents, namespace)
		if err != nil {
			return err
		}
		return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error {
			if !dryRun {
				if err := passGate(ctx, s, keysOf(objects)); err != nil {
					return err
				}
			}
			if err := checkAgainstStore(ctx, env, s, objects); err != nil {
				return err
			}
			if err := warnClosed(ctx, env, s, objects); err != nil {
				return err
			}
			return writeAll(ctx, env, s, objects, format, dryRun, write)
		})
	}
	return cmd
}

// passGate refuses to write to a datastore that is locked or that a newer weft keeps, but for the ClusterInformation, which says so.
func passGate(ctx context.Context, s store.Store, keys []api.Key) error {
	if !slices.ContainsFunc(keys, func(k api.Key) bool { return k.Resource != api.ClusterInformations }) {
		return nil
	}
	return gate.Check(ctx, s)
}

func keysOf(objects []api.Object) []api.Key {
	keys := make([]api.Key, len(objects))
	for i, obj := range objects {
		keys[i] = api.KeyOf(obj)
	}
	return keys
}

// accepted returns the objects of the documents, or prints all problems and fails: nothing is written half.
func accepted(env *Env, documents []api.Document, namespace string) ([]api.Object, error) {
	problems, notes := examine(documents)
	if len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(env.Err, p)
		}
		fmt.Fprintf(env.Err, "weft: nothing was written: %s in %s\n", count(len(problems), "problem"), count(len(documents), "document"))
		return nil, errSaid
	}
	warn(env, notes)
	objects := make([]api.Object, len(documents))
	for i, d := range documents {
		if kind := api.KindOf(d.Object); kind.Namespaced && d.Object.GetNamespace() == "" {
			d.Object.SetNamespace(namespace)
		}
		objects[i] = d.Object
	}
	return objects, nil
}

func writeAll(ctx context.Context, env *Env, s store.Store, objects []api.Object, format printer.Format, dryRun bool, write verb) error {
	var failed int
	stored := []api.Object{}
	for _, obj := range objects {
		done, result, err := write(ctx, s, obj, dryRun)
		if err != nil {
			failed++
			fmt.Fprintf(env.Err, "weft: %s: %v\n", reference(obj), err)
			continue
		}
		stored = append(stored, result)
		switch format {
		case printer.FormatTable:
			fmt.Fprintf(env.Out, "%s %s%s\n", reference(obj), done, map[bool]string{true: " (dry run)"}[dryRun])
		case printer.FormatName:
			fmt.Fprintln(env.Out, reference(obj))
		}
	}
	if format == printer.FormatYAML || format == printer.FormatJSON {
		if err := printObjects(env, format, stored, len(objects) == 1); err != nil {
			return err
		}
	}
	switch {
	case failed == 0:
		return nil
	case failed < len(objects):
		return &exitError{ExitPartial, errSaid}
	}
	return errSaid
}

func apply(ctx context.Context, s store.Store, obj api.Object, dryRun bool) (string, api.Object, error) {
	for {
		current, err := s.Get(ctx, api.KeyOf(obj))
		if errors.Is(err, store.ErrNotFound) {
			done, stored, err := create(ctx, s, obj, dryRun, false)
			if errors.Is(err, store.ErrExists) {
				continue
			}
			return done, stored, err
		}
		if err != nil {
			return "", nil, err
		}
		next := carryOver(current, obj)
		next.SetResourceVersion(current.GetResourceVersion())
		if reflect.DeepEqual(next, current) {
			return "unchanged", current, nil
		}
		stored, err := update(ctx, s, current, next, dryRun)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		return "configured", stored, err
	}
}

func create(ctx context.Context, s store.Store, obj api.Object, dryRun, skip bool) (string, api.Object, error) {
	if dryRun {
		current, err := s.Get(ctx, api.KeyOf(obj))
		switch {
		case err == nil && skip:
			return "exists, skipped", current, nil
		case err == nil:
			return "", nil, store.ErrExists
		case errors.Is(err, store.ErrNotFound):
			return "created", obj, nil
		}
		return "", nil, err
	}
	stored, err := s.Create(ctx, obj)
	if errors.Is(err, store.ErrExists) && skip {
		return "exists, skipped", obj, nil
	}
	return "created", stored, err
}

func replace(ctx context.Context, s store.Store, obj api.Object, dryRun bool) (string, api.Object, error) {
	current, err := s.Get(ctx, api.KeyOf(obj))
	if err != nil {
		return "", nil, err
	}
	if given := obj.GetResourceVersion(); given != "" && given != current.GetResourceVersion() {
		return "", nil, fmt.Errorf("%w: the file is from revision %s, the datastore has %s; read it again", store.ErrConflict, given, current.GetResourceVersion())
	}
	next := carryOver(current, obj)
	next.SetResourceVersion(current.GetResourceVersion())
	stored, err := update(ctx, s, current, next, dryRun)
	return "replaced", stored, err
}

// update writes next over current after checking what may not change.
func update(ctx context.Context, s store.Store, current, next api.Object, dryRun bool) (api.Object, error) {
	if bad := api.ValidateUpdate(current, next); len(bad) > 0 {
		return nil, bad
	}
	if dryRun {
		return next, nil
	}
	return s.Update(ctx, next)
}

// carryOver returns next with what the system keeps on an object and a user's file does not say: identity, creation time, status, our own notes but
// that of unknown fields, which next has not.
func carryOver(current, next api.Object) api.Object {
	next = api.Clone(next)
	next.SetUID(current.GetUID())
	next.SetCreationTimestamp(current.GetCreationTimestamp())
	next.SetGeneration(current.GetGeneration())
	annotations := maps.Clone(next.GetAnnotations())
	for key, value := range current.GetAnnotations() {
		if _, said := annotations[key]; !said && strings.HasPrefix(key, ownDomain) && key != v3.UnknownFieldsAnnotation {
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[key] = value
		}
	}
	next.SetAnnotations(annotations)
	carryStatus(current, next)
	carryNodeAddresses(current, next)
	return next
}

// carryStatus keeps what the controllers say of an object, where its status is stored with the rest.
func carryStatus(current, next api.Object) {
	switch old := current.(type) {
	case *v3.IPPool:
		if pool, ok := next.(*v3.IPPool); ok && pool.Status == nil {
			pool.Status = old.Status
		}
	case *v3.Tier:
		if tier, ok := next.(*v3.Tier); ok && tier.Status == nil {
			tier.Status = old.Status
		}
	}
}

// carryNodeAddresses keeps the addresses that a node's agent found, unless the user states them.
func carryNodeAddresses(current, next api.Object) {
	old, _ := current.(*v3.Node)
	node, ok := next.(*v3.Node)
	if !ok || old == nil || old.Spec.BGP == nil {
		return
	}
	if node.Spec.BGP == nil {
		node.Spec.BGP = &v3.NodeBGPSpec{}
	}
	if node.Spec.BGP.IPv4Address == "" {
		node.Spec.BGP.IPv4Address = old.Spec.BGP.IPv4Address
	}
	if node.Spec.BGP.IPv6Address == "" {
		node.Spec.BGP.IPv6Address = old.Spec.BGP.IPv6Address
	}
}

// checkAgainstStore checks what must hold between the new objects and those in the datastore: pools do not overlap, tiers exist.
func checkAgainstStore(ctx context.Context, env *Env, s store.Store, objects []api.Object) error {
	var problems []string
	for _, check := range []func(context.Context, store.Store, []api.Object) ([]string, error){checkPools, checkTiers} {
		found, err := check(ctx, s, objects)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	if len(problems) == 0 {
		return nil
	}
	fmt.Fprintln(env.Err, strings.Join(problems, "\n"))
	fmt.Fprintln(env.Err, "weft: nothing was written")
	return errSaid
}

func checkPools(ctx context.Context, s store.Store, objects []api.Object) ([]string, error) {
	pools, names := collect[*v3.IPPool](objects)
	if len(pools) == 0 {
		return nil, nil
	}
	stored, err := s.List(ctx, api.IPPools, "")
	if err != nil {
		return nil, err
	}
	for _, obj := range stored.Items {
		if pool, ok := obj.(*v3.IPPool); ok && !names[pool.Name] {
			pools = append(pools, pool)
		}
	}
	var out []string
	for _, clash := range v3.ValidatePools(pools) {
		out = append(out, fmt.Sprintf("%s: %s: %s", reference(clash.Pool), clash.Path, clash.Reason))
	}
	return out, nil
}

func checkTiers(ctx context.Context, s store.Store, objects []api.Object) ([]string, error) {
	_, known := collect[*v3.Tier](objects)
	for _, fixed := range []string{v3.TierKubeAdmin, v3.TierDefault, v3.TierKubeBaseline} {
		known[fixed] = true
	}
	var out []string
	for _, obj := range objects {
		filled := api.Clone(obj)
		api.SetDefaults(filled)
		var tier string
		switch p := filled.(type) {
		case *v3.NetworkPolicy:
			tier = p.Spec.Tier
		case *v3.GlobalNetworkPolicy:
			tier = p.Spec.Tier
		}
		if tier == "" || known[tier] {
			continue
		}
		_, err := s.Get(ctx, api.Key{Resource: api.Tiers, Name: tier})
		if errors.Is(err, store.ErrNotFound) {
			out = append(out, fmt.Sprintf("%s: spec.tier: there is no tier %q; create it first or correct the name", reference(obj), tier))
			continue
		}
		if err != nil {
			return nil, err
		}
		known[tier] = true
	}
	return out, nil
}

// collect returns the objects of one type and their names.
func collect[T api.Object](objects []api.Object) ([]T, map[string]bool) {
	var out []T
	names := map[string]bool{}
	for _, obj := range objects {
		if typed, ok := obj.(T); ok {
			out = append(out, typed)
			names[obj.GetName()] = true
		}
	}
	return out, names
}
