// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a cluster at work: BGP, policy, a ToR and a route reflector",
		Long: `Make a cluster of three nodes with six workloads, send real packets through it, protect a database by policy, reach it from behind a BIRD
router, and replace the BGP mesh by a GoBGP route reflector. The exit status is 0 only if everything went as it must.`,
		Example: "  weft lab demo\n  weft lab demo --keep",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := lab.Sweep(cmd.Context()); err != nil {
				return err
			}
			o.Out, o.Colour = cmd.OutOrStdout(), colourful(cmd.OutOrStdout())
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the cluster up at the end")
	return cmd
}
