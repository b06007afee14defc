// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package labcmd is `weft lab`: New returns the command tree that makes, shows, probes, breaks and removes labs.
package labcmd

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/lab"
)

// New returns `weft lab`.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "A routed cluster on this machine, out of network namespaces",
		Long: `Make a cluster on this machine: nodes are network namespaces with an agent each, workloads are attached through the real CNI plugin, and
ping and matrix send real packets and compare what arrives with what policy says. Needs root; down leaves nothing behind.`,
		Example: `  weft lab up tour --nodes 3 --subnets 2
  weft lab run tour web --node n1 --namespace shop --label app=frontend
  weft lab run tour db --node n3 --namespace shop --label app=database
  weft lab matrix tour
  weft lab ping tour web db --protocol tcp --port 5432 --watch
  weft lab down tour`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newUp(), newDown(), newStatus(), newEnv(), newRun(), newDelete(), newExec(),
		newPing(), newMatrix(), newKill(), newStart(), newDemo(), newStore(),
	)
	return cmd
}

// withLab runs f on an existing lab.
func withLab(name string, f func(*lab.Lab) error) error {
	l, err := lab.Open(name)
	if err != nil {
		return err
	}
	err = f(l)
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	return err
}

// completeNames completes the first argument, a lab's name.
func completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := lab.Names() // without names there is nothing to offer
	return names, cobra.ShellCompDirectiveNoFileComp
}

// addOutputFlag adds -o table|json and returns how to read it.
func addOutputFlag(cmd *cobra.Command) func() (printer.Format, error) {
	text := cmd.Flags().StringP("output", "o", string(printer.FormatTable), "output format: table, json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return func() (printer.Format, error) { return printer.Parse(*text, printer.FormatTable, printer.FormatJSON) }
}

// colourful says whether w is a terminal whose user has not asked for plain text (https://no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
