// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab"
)

func newKill() *cobra.Command {
	return &cobra.Command{
		Use:               "kill NAME NODE",
		Short:             "Kill a node's agent the hard way (SIGKILL)",
		Long:              "Kill a node's agent with SIGKILL. What it programmed stays in force; `weft lab start` starts it again.",
		Example:           "  weft lab kill tour n3",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error { return l.KillAgent(cmd.Context(), args[1], syscall.SIGKILL) })
		},
	}
}

func newStart() *cobra.Command {
	return &cobra.Command{
		Use:               "start NAME NODE",
		Short:             "Start a node's agent and wait until it is in sync",
		Example:           "  weft lab start tour n3",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error { return l.StartAgent(cmd.Context(), args[1]) })
		},
	}
}
