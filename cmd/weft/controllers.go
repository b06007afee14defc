// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/controllers"
	"github.com/weftnet/weft/ctl"
)

// newControllers returns `weft controllers`.
func newControllers(env *ctl.Env) *cobra.Command {
	var level string
	cmd := &cobra.Command{
		Use:   "controllers",
		Short: "Run what a cluster needs once: automatic host endpoints",
		Long: `Run the controllers of the cluster. They make a host endpoint for each node where the KubeControllersConfiguration named default has
spec.controllers.node.hostEndpoint.autoCreate: Enabled, and remove those that they made where it has not. Such a host endpoint is for all interfaces of the
node and lets everything pass until a policy selects it.

One is enough; more than one do not get into each other's way.`,
		Example: "  weft controllers --etcd-endpoints http://10.0.0.1:2379",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var severity slog.Level
			if err := severity.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level %q is none of debug, info, warn, error", level)
			}
			s, err := ctl.OpenDatastore(cmd, env)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			return controllers.Run(cmd.Context(), s, slog.New(slog.NewTextHandler(env.Err, &slog.HandlerOptions{Level: severity})))
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}
