// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/internal/agentapi"
)

func newMTU(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "mtu",
		Short: "Show how large packets to each other node may be, and what limits them",
		Long: `Show the MTU of workloads' interfaces on this node and why, and for each way to another node: what fits by the link and the headers around
packets (COMPUTED), what was seen to arrive (PROBED; "-" when the other node does not answer), what is in force (MTU), and the router that has no room for
more, where one says so. All sizes are of IP packets inside the tunnel, in bytes.`,
		Example: "  weft mtu\n  weft mtu -o wide\n  weft mtu -o json\n  eval \"$(weft lab env tour)\"; weft mtu --node n1",
		Args:    cobra.NoArgs,
	}
	agent := addAgentFlags(cmd, env)
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatWide, printer.FormatYAML, printer.FormatJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := printer.Parse(output, printer.FormatTable, printer.FormatWide, printer.FormatYAML, printer.FormatJSON)
		if err != nil {
			return usagef("%w", err)
		}
		client, err := agent()
		if err != nil {
			return err
		}
		sizes, err := client.MTUs(cmd.Context())
		if err != nil {
			return err
		}
		if format == printer.FormatYAML || format == printer.FormatJSON {
			return printer.WriteValue(env.Out, format, sizes)
		}
		return writeMTUs(env, sizes, format == printer.FormatWide)
	}
	return offline(cmd)
}

func writeMTUs(env *Env, m agentapi.MTUs, wide bool) error {
	fmt.Fprintf(env.Out, "Workloads   %s\n            (%s)\n", size(m.Workload), m.Reason)
	for _, rejected := range m.Rejected {
		fmt.Fprintf(env.Out, "            (not %s)\n", rejected)
	}
	if m.Error != "" {
		fmt.Fprintf(env.Out, "Error       %s\n", m.Error)
	}
	fmt.Fprintln(env.Out)
	if len(m.Paths) == 0 {
		fmt.Fprintln(env.Out, "No other nodes")
		return nil
	}
	return mtuTable(m.Paths).Write(env.Out, wide)
}

func mtuTable(paths []agentapi.PathMTU) printer.Table {
	t := printer.Table{Columns: []printer.Column{{Header: "PEER"}, {Header: "ADDRESS"}, {Header: "PATH"}, {Header: "COMPUTED"}, {Header: "PROBED"}, {Header: "MTU"},
		{Header: "LIMITING HOP"}, {Header: "LINK", Wide: true}, {Header: "MEASURED", Wide: true}, {Header: "REASON", Wide: true}, {Header: "ERROR", Wide: true}}}
	for _, p := range paths {
		measured := ""
		if !p.Measured.IsZero() {
			measured = p.Measured.Local().Format(time.DateTime)
		}
		t.Rows = append(t.Rows, []string{p.Peer, p.Address, p.Path, size(p.Computed), size(p.Probed), size(p.MTU), p.LimitingHop, p.Link, measured, p.Reason, p.Error})
	}
	return t
}

// size renders a number of bytes, 0 as nothing.
func size(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
