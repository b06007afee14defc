// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func newDelete(env *Env, options *datastoreOptions) *cobra.Command {
	var where scope
	var skip, dryRun bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME... | KIND/NAME... | -f FILE",
		Short: "Delete objects",
		Long: `Delete objects by name, or those that files define. What one delete refuses does not keep the others from being deleted; the exit status
then is 4.`,
		Example: `  weft delete networkpolicy protect-database -n prod
  weft delete ippool/old bgppeer/tor-2
  weft delete -f policy.yaml
  weft delete ippool old --skip-not-exists`,
		ValidArgsFunction: completeObjects(options, &where),
	}
	files := addFilesFlag(cmd)
	where.addNamespaceFlag(cmd, options)
	cmd.Flags().BoolVar(&skip, "skip-not-exists", false, "an object that is not there is no error")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be deleted, but delete nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys, err := deletions(env, where.namespace, args, *files)
		if err != nil {
			return err
		}
		return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error {
			if !dryRun {
				if err := passGate(ctx, s, keys); err != nil {
					return err
				}
			}
			return deleteAll(ctx, env, s, keys, skip, dryRun)
		})
	}
	return cmd
}

// deletions returns the keys that arguments or files name.
func deletions(env *Env, namespace string, args, files []string) ([]api.Key, error) {
	if len(files) > 0 && len(args) > 0 {
		return nil, usagef("give either KIND NAME or -f FILE, not both")
	}
	if len(files) > 0 {
		return deletionsOf(env, namespace, files)
	}
	if len(args) == 0 {
		return nil, usagef("say what to delete: KIND NAME..., or -f FILE")
	}
	selections, err := parseSelections(args)
	if err != nil {
		return nil, err
	}
	var keys []api.Key
	for _, selected := range selections {
		if len(selected.names) == 0 {
			return nil, usagef("say which %s to delete: KIND NAME..., KIND/NAME..., or -f FILE", pluralName(selected.kind))
		}
		for _, name := range selected.names {
			keys = append(keys, keyFor(selected.kind, namespace, name))
		}
	}
	return keys, nil
}

// deletionsOf returns the keys of the objects in files. Only what names an object has to be right: a manifest that today's checks refuse can
// still be deleted.
func deletionsOf(env *Env, namespace string, files []string) ([]api.Key, error) {
	documents, err := load(env, files)
	if err != nil {
		return nil, err
	}
	var keys []api.Key
	unread := 0
	for _, d := range documents {
		if d.Object == nil {
			unread++
			for _, e := range d.Problems {
				fmt.Fprintln(env.Err, at(&d).with(e.Path, e.Reason, e.Line))
			}
			continue
		}
		key := api.KeyOf(d.Object)
		if key.Resource.Kind().Namespaced && key.Namespace == "" {
			key.Namespace = namespace
		}
		keys = append(keys, key)
	}
	if unread > 0 {
		fmt.Fprintf(env.Err, "weft: nothing was deleted: %s of %d cannot be read\n", count(unread, "document"), len(documents))
		return nil, errSaid
	}
	return keys, nil
}

func deleteAll(ctx context.Context, env *Env, s store.Store, keys []api.Key, skip, dryRun bool) error {
	failed := 0
	for _, key := range keys {
		err := deleteOne(ctx, s, key, dryRun)
		name := describeKey(key)
		switch {
		case errors.Is(err, store.ErrNotFound) && skip:
			fmt.Fprintf(env.Out, "%s is not there, skipped\n", name)
		case errors.Is(err, store.ErrNotFound):
			failed++
			fmt.Fprintf(env.Err, "weft: %v\n", notFound(key))
		case err != nil:
			failed++
			fmt.Fprintf(env.Err, "weft: %s: %v\n", name, err)
		default:
			fmt.Fprintf(env.Out, "%s deleted%s\n", name, map[bool]string{true: " (dry run)"}[dryRun])
		}
	}
	switch {
	case failed == 0:
		return nil
	case failed < len(keys):
		return &exitError{ExitPartial, errSaid}
	}
	return errSaid
}

func deleteOne(ctx context.Context, s store.Store, key api.Key, dryRun bool) error {
	if err := mayDelete(ctx, s, key); err != nil {
		return err
	}
	if dryRun {
		_, err := s.Get(ctx, key)
		return err
	}
	return s.Delete(ctx, key, 0)
}

// mayDelete refuses what would leave policies without their tier.
func mayDelete(ctx context.Context, s store.Store, key api.Key) error {
	if key.Resource != api.Tiers {
		return nil
	}
	switch key.Name {
	case v3.TierKubeAdmin, v3.TierDefault, v3.TierKubeBaseline:
		return fmt.Errorf("tier %s is built in and cannot be deleted", key.Name)
	}
	for _, resource := range []api.Resource{api.NetworkPolicies, api.GlobalNetworkPolicies} {
		policies, err := s.List(ctx, resource, "")
		if err != nil {
			return err
		}
		for _, obj := range policies.Items {
			if tierOf(obj) == key.Name {
				return fmt.Errorf("tier %s still holds %s; move or delete its policies first", key.Name, reference(obj))
			}
		}
	}
	return nil
}

func tierOf(obj api.Object) string {
	switch p := obj.(type) {
	case *v3.NetworkPolicy:
		return p.Spec.Tier
	case *v3.GlobalNetworkPolicy:
		return p.Spec.Tier
	}
	return ""
}
