// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/proc"
)

func newRun() *cobra.Command {
	var w lab.Workload
	cmd := &cobra.Command{
		Use:   "run NAME WORKLOAD",
		Short: "Attach a workload through the CNI plugin",
		Long:  "Make a network namespace and attach it to a node by CNI ADD, as a container runtime would for a pod.",
		Example: `  weft lab run tour web --node n1 --namespace shop --label app=frontend
  weft lab run tour db --node n3 --label app=database --label tier=data`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error {
				w.Name = args[1]
				a, err := l.AddWorkload(cmd.Context(), w)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s runs on %s with %s\n", a.Key(), a.Node, joined(a.Addresses))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&w.Node, "node", "n1", "node that runs it")
	cmd.Flags().StringVarP(&w.Namespace, "namespace", "n", lab.DefaultNamespace, "its Kubernetes namespace; made if needed")
	cmd.Flags().StringToStringVarP(&w.Labels, "label", "l", nil, "label, key=value; may be repeated")
	return cmd
}

func newDelete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete NAME WORKLOAD...",
		Short:             "Detach workloads through the CNI plugin",
		Example:           "  weft lab delete tour web shop/db",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error {
				for _, key := range args[1:] {
					if err := l.DeleteWorkload(cmd.Context(), key); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func newExec() *cobra.Command {
	return &cobra.Command{
		Use:   "exec NAME MEMBER -- COMMAND [ARGUMENT...]",
		Short: "Run a command in the network namespace of a workload or node",
		Long: `Run a command in the network namespace of a workload (web, or shop/web), a node (n1), the router (tor), the external host behind it (ext)
or the route reflector (rr). The exit status is that of the command.`,
		Example: `  weft lab exec tour n1 -- ip route
  weft lab exec tour web -- bash
  weft lab exec tour n1 -- nft list table inet weft`,
		Args:              cobra.MinimumNArgs(3),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error {
				streams := proc.IO{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
				// An interrupt reaches the command from the terminal: it decides what to do about it.
				err := l.Exec(context.WithoutCancel(cmd.Context()), args[1], args[2:], streams)
				if code, exited := proc.ExitCode(err); exited {
					return ctl.ExitAs(code)
				}
				return err
			})
		},
	}
}
