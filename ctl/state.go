// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
)

func joinComma(parts []string) string { return strings.Join(parts, ",") }

func newState(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "state [TABLE]",
		Short:   "Dump a table of this node's calculation",
		Long:    "Dump a table of the agent's calculation: what it made of its inputs. Without TABLE, list the tables.",
		Example: "  weft state\n  weft state policies\n  weft state ipsets -o json",
		Args:    cobra.MaximumNArgs(1),
	}
	agent := addAgentFlags(cmd, env)
	cmd.ValidArgsFunction = completeTables(agent)
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := printer.Parse(output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
		if err != nil {
			return usagef("%w", err)
		}
		client, err := agent()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			names, err := client.Tables(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Out, strings.Join(names, "\n"))
			return err
		}
		table, err := client.Table(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if format != printer.FormatTable {
			return printer.WriteValue(env.Out, format, table)
		}
		out := printer.Table{Rows: table.Rows}
		for _, c := range table.Columns {
			out.Columns = append(out.Columns, printer.Column{Header: c})
		}
		return out.Write(env.Out, false)
	}
	return offline(cmd)
}
