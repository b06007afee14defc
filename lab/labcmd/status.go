// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show the nodes, processes and workloads of a lab",
		Long:              "Show the nodes, processes and workloads of a lab. Without NAME, list the labs on this machine.",
		Example:           "  weft lab status\n  weft lab status tour\n  weft lab status tour -o json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeNames,
	}
	output := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return writeNames(cmd.OutOrStdout(), format)
		}
		return withLab(args[0], func(l *lab.Lab) error {
			s, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			if format == printer.FormatJSON {
				return printer.WriteValue(cmd.OutOrStdout(), format, s)
			}
			return writeStatus(cmd.OutOrStdout(), l, s)
		})
	}
	return cmd
}

func writeNames(w io.Writer, format printer.Format) error {
	names, err := lab.Names()
	if err != nil {
		return err
	}
	if format == printer.FormatJSON {
		return printer.WriteValue(w, format, names)
	}
	if len(names) == 0 {
		names = []string{"There is no lab. `weft lab up NAME` makes one."}
	}
	_, err = fmt.Fprintln(w, strings.Join(names, "\n"))
	return err
}

func writeStatus(w io.Writer, l *lab.Lab, s lab.Status) error {
	_, err := fmt.Fprintf(w, "Lab         %s, %s\nDatastore   %s, %s\nToR (BIRD)  %s\nReflector   %s\n\n",
		s.Spec.Name, s.Spec.Families, s.Store.State, l.StoreEndpoint(), s.ToR.State, s.Reflector.State)
	nodes := printer.Table{Columns: columns("NODE", "AGENT", "PID", "ADDRESSES", "DATASTORE", "BGP SESSIONS", "ENDPOINTS", "NAMESPACE")}
	for _, n := range s.Nodes {
		nodes.Rows = append(nodes.Rows, nodeRow(n))
	}
	workloads := printer.Table{Columns: columns("WORKLOAD", "NODE", "ADDRESSES", "LABELS", "NAMESPACE")}
	for _, a := range s.Workloads {
		workloads.Rows = append(workloads.Rows, []string{a.Key(), a.Node, joined(a.Addresses), labelText(a.Labels), a.Netns})
	}
	err = errors.Join(err, nodes.Write(w, false))
	if len(workloads.Rows) == 0 {
		return err
	}
	_, newline := fmt.Fprintln(w)
	return errors.Join(err, newline, workloads.Write(w, false))
}

func nodeRow(n lab.NodeStatus) []string {
	row := []string{n.Name, n.Process.State, strconv.Itoa(n.Process.PID), strings.Join(n.Addresses, ","), n.Error, "", "", n.Namespace}
	if n.Agent == nil {
		return row
	}
	row[4] = "in sync"
	if !n.Agent.InSync {
		row[4] = "not in sync " + n.Agent.Datastore
	}
	row[5], row[6] = sessions(n.Agent.BGP), strconv.Itoa(len(n.Agent.Endpoints))
	return row
}

// sessions counts the sessions that are up, of those there should be.
func sessions(b agentapi.BGPStatus) string {
	up := 0
	for _, p := range b.Peers {
		if strings.EqualFold(p.State, "established") {
			up++
		}
	}
	return fmt.Sprintf("%d of %d", up, len(b.Peers))
}

func columns(names ...string) []printer.Column {
	out := make([]printer.Column, len(names))
	for i, n := range names {
		out[i].Header = n
	}
	return out
}

func joined[T fmt.Stringer](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ",")
}

func labelText(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, ",")
}
