// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api/schema"
	"github.com/weftnet/weft/store/kubestore"
)

// installTimeout bounds the installation of the schema: the API server takes seconds to serve new definitions.
const installTimeout = 2 * time.Minute

// schemaInstaller is a datastore that needs a schema.
type schemaInstaller interface {
	InstallSchema(ctx context.Context, definitions [][]byte, force, dryRun bool) ([]kubestore.SchemaChange, error)
}

func newInstall(env *Env, options *datastoreOptions) *cobra.Command {
	cmd := newInstallPrint(env)
	var force, dryRun bool
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Install or update the CustomResourceDefinitions",
		Long: `Install the CustomResourceDefinitions that belong to this weft, or update those of an older one, and wait until they are served. Newer ones are not
overwritten: nothing is written if the cluster has a newer schema, or a definition with fields that this weft does not know, whose values would be
lost. They are named. etcd needs no schema.`,
		Example: "  weft install schema --kubeconfig admin.conf --dry-run\n  weft install schema --kubeconfig admin.conf",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return installSchema(cmd.Context(), env, options, force, dryRun)
		},
	}
	schema.Flags().BoolVar(&force, "force", false, "overwrite definitions with fields that this weft does not know")
	schema.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, but write nothing")
	cmd.AddCommand(schema)
	return cmd
}

func installSchema(ctx context.Context, env *Env, options *datastoreOptions, force, dryRun bool) error {
	config, err := options.resolve()
	if err != nil {
		return err
	}
	if config.Kubernetes == nil {
		return usagef("the datastore is %s, which needs no schema; for a cluster give --kubeconfig or --datastore-type %s", config, typeKubernetes)
	}
	s, err := env.OpenStore(config)
	if err != nil {
		return err
	}
	installer, ok := s.(schemaInstaller)
	if !ok {
		return errors.Join(fmt.Errorf("%s needs no schema", config), s.Close())
	}
	definitions, err := schema.Definitions()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	changes, err := installer.InstallSchema(ctx, definitions, force, dryRun)
	suffix := map[bool]string{true: " (dry run)"}[dryRun]
	for _, c := range changes {
		fmt.Fprintf(env.Out, "customresourcedefinition %s %s%s\n", c.Name, c.Done, suffix)
	}
	return errors.Join(err, s.Close())
}
