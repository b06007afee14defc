// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/internal/version"
)

func newVersion(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  weft version\n  weft version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := printer.Parse(output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
			if err != nil {
				return usagef("%w", err)
			}
			if format == printer.FormatTable {
				_, err := fmt.Fprintf(env.Out, "weft %s %s/%s %s\n", version.String(), runtime.GOOS, runtime.GOARCH, runtime.Version())
				return err
			}
			return printer.WriteValue(env.Out, format, map[string]string{
				"version": version.Release, "commit": version.Commit, "platform": runtime.GOOS + "/" + runtime.GOARCH, "go": runtime.Version(),
			})
		},
	}
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
	return offline(cmd)
}
