// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

func newMatrix() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "matrix NAME [MEMBER...]",
		Short: "Probe everything from everything and compare with policy",
		Long: `Send packets from every member to every other one and show what arrived, beside what policy in the datastore says. Without MEMBER: all
workloads, and the external host where there is a ToR. A flow that does not go as policy says is tried again until --wait has passed; if it
stays so it is marked and explained, and the exit status is 1.`,
		Example: `  weft lab matrix tour
  weft lab matrix tour --protocol tcp --port 5432
  weft lab matrix tour web db n1 n2 ext -o json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeNames,
	}
	output := addOutputFlag(cmd)
	services := addServiceFlags(cmd, "icmp", "tcp", "udp", "sctp")
	addWaitFlag(cmd, &limit)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		what, err := services.services()
		if err != nil {
			return err
		}
		return withCrew(cmd.Context(), args[0], args[1:], what, limit, func(crew *lab.Crew) error {
			settling, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			m, err := crew.Settle(settling, crew.Pairs(), nil)
			if err != nil {
				return err
			}
			if err := writeMatrix(cmd.OutOrStdout(), format, m); err != nil {
				return err
			}
			return mismatched(m)
		})
	}
	return cmd
}

func writeMatrix(w io.Writer, format printer.Format, m probe.Matrix) error {
	if format == printer.FormatJSON {
		return printer.WriteValue(w, format, m)
	}
	if err := m.WriteTable(w, colourful(w)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n%d allowed, %d denied\n", probe.Legend, m.Count(probe.Allowed), m.Count(probe.Denied))
	return err
}
