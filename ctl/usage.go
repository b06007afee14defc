// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"

	"github.com/spf13/cobra"
)

// filesNotArgs refuses arguments where manifests are read, and says how those are given.
func filesNotArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q: files are given with -f, as in `%s -f %s`", args[0], cmd.CommandPath(), args[0])
	}
	return nil
}

// subcommandOnly refuses an unknown subcommand with the nearest known ones.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "; see `" + cmd.CommandPath() + " --help`"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

// offline takes the datastore's flags, which the whole tree shares, out of the help of a command that never talks to it.
func offline(cmd *cobra.Command) *cobra.Command {
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "{{if .HasAvailableInheritedFlags}}", "{{if false}}"))
	return cmd
}
