// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/preview"
	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/store"
)

func newPolicyDiff(env *Env, options *datastoreOptions) *cobra.Command {
	var output string
	var all, staged bool
	var base []string
	var flows string
	cmd := &cobra.Command{
		Use:   "diff -f NEW",
		Short: "Show which flows would change their verdict if manifests were applied",
		Long: `Show which flows would be allowed that are denied now, or the reverse, if the given manifests were applied, with what decides before and after.
Nothing is written.

Every pair of endpoints, nodes with host endpoints among them, is compared on every port and protocol, and with the addresses outside that policies tell apart. Changes that differ only
in the endpoints are one line; --all has a line for each pair. Floating IPs, host ports and natOutgoing have no lines of their own: a workload's policy
judges packets by its own address and port, and by the source that they arrive with, and those are compared. With --base the comparison is with manifests in place of what is stored.

Then come the flows that were seen and would change their verdict: the connections that are open now on the nodes whose agents --socket leads to
({node} in it stands for the name of each node), and those in a file given with --flows, which has a JSON object a line:

  {"source": "shop/web", "destination": "10.65.0.7", "protocol": "TCP", "port": 5432, "count": 3}

Ends are namespace/pod, a node or an address. Without protocol it is TCP, without count 1; ICMP has icmpType and icmpCode. Flows are judged as they go on
behind floating IPs and host ports, and with the source that natOutgoing gives them.

Exit status 0: no verdict changes. 3: some do. Others are errors.`,
		Example: `  weft policy diff -f new.yaml
  weft policy diff -f new.yaml -o json
  weft policy diff --base manifests/ -f new.yaml
  weft policy diff -f new.yaml --flows yesterday.jsonl
  weft policy diff --staged`,
		Args: filesNotArgs,
	}
	from := &origin{env: env, options: options, files: addFilesFlag(cmd)}
	cmd.Flags().StringSliceVar(&base, "base", nil, "file or directory with what there is now, in place of the datastore; may be repeated")
	cmd.Flags().StringVarP(&from.namespace, "namespace", "n", DefaultNamespace, "namespace of objects in files that name none")
	cmd.Flags().BoolVar(&all, "all", false, "a line for each pair of endpoints")
	cmd.Flags().BoolVar(&staged, "staged", false, "as if staged policies were in force, too; -f can then be left out")
	cmd.Flags().StringVar(&flows, "flows", "", "file with flows that were seen, a JSON object a line")
	socket := addSocketFlag(cmd, env)
	registerCompletion(cmd, "namespace", completeNamespaces(options))
	formats := []printer.Format{printer.FormatTable, printer.FormatYAML, printer.FormatJSON}
	addOutputFlag(cmd, &output, formats...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := printer.Parse(output, formats...)
		if err != nil {
			return usagef("%w", err)
		}
		now, then, err := from.versions(cmd, base, staged)
		if err != nil {
			return err
		}
		if staged {
			then = then.Enact()
		}
		report := preview.Compare(now, then)
		seen, err := from.seenFlows(cmd.Context(), flows, base, socket())
		if err == nil {
			err = report.AddFlows(now, then, seen)
		}
		if err != nil {
			return err
		}
		if err := printReport(env, format, report, all); err != nil {
			return err
		}
		if len(report.Changes)+len(report.FlowChanges) > 0 {
			return &exitError{ExitVerdict, errSaid}
		}
		return nil
	}
	return cmd
}

// seenFlows reads a file, and asks agents unless the comparison is between manifests alone.
func (o *origin) seenFlows(ctx context.Context, file string, base []string, socket string) (map[preview.Flow]int, error) {
	seen := map[preview.Flow]int{}
	if file != "" {
		var err error
		if seen, err = readFlows(file); err != nil {
			return nil, err
		}
	}
	if len(base) > 0 {
		return seen, nil
	}
	err := o.options.with(ctx, func(ctx context.Context, s store.Store) error {
		liveFlows(ctx, o.env, socketsOf(ctx, o.env, s, socket), seen)
		return nil
	})
	return seen, err
}

// versions returns what there is now and what there would be. Manifests are needed unless it is about staged policies.
func (o *origin) versions(cmd *cobra.Command, base []string, staged bool) (now, then *cluster.Cluster, err error) {
	var objects []api.Object
	var foreign []api.Foreign
	if len(*o.files) > 0 || !staged {
		if objects, foreign, err = o.read(*o.files); err != nil {
			return nil, nil, err
		}
	}
	if len(base) > 0 {
		return o.onBase(base, objects, foreign)
	}
	for _, f := range foreign {
		fmt.Fprintf(o.env.Err, "warning: %s %s left out: weft stores no such kind\n", f.Kind, f.Name)
	}
	if now, err = o.stored(cmd.Context()); err != nil {
		return nil, nil, err
	}
	return now, now.With(objects...), nil
}

// onBase adds manifests to those of a base.
func (o *origin) onBase(base []string, objects []api.Object, foreign []api.Foreign) (now, then *cluster.Cluster, err error) {
	baseObjects, baseForeign, err := o.read(base)
	if err != nil {
		return nil, nil, err
	}
	if now, err = cluster.FromManifests(baseObjects, baseForeign); err != nil {
		return nil, nil, err
	}
	then, err = cluster.FromManifests(slices.Concat(baseObjects, objects), slices.Concat(baseForeign, foreign))
	return now, then, err
}

func printReport(env *Env, format printer.Format, r *preview.Report, all bool) error {
	if all {
		r = r.Pairwise()
	}
	if format != printer.FormatTable {
		return printer.WriteValue(env.Out, format, r)
	}
	for _, note := range r.Notes() {
		fmt.Fprintf(env.Err, "note: %s\n", note)
	}
	if err := writeChanges(env, r); err != nil || r.Flows == 0 {
		return err
	}
	return writeFlows(env, r)
}

func writeChanges(env *Env, r *preview.Report) error {
	if len(r.Changes) == 0 {
		_, err := fmt.Fprintf(env.Out, "no verdict changes between %s\n", count(r.Endpoints, "endpoint"))
		return err
	}
	t := printer.Table{Columns: []printer.Column{{Header: "NOW"}, {Header: "THEN"}, {Header: "FROM"}, {Header: "TO"}, {Header: "SERVICE"}, {Header: "DECIDED NOW"}, {Header: "DECIDED THEN"}}}
	for _, c := range r.Changes {
		service := c.Service
		if c.IPVersion != 0 && r.BothVersions {
			service += fmt.Sprintf(" (IPv%d)", c.IPVersion)
		}
		t.Rows = append(t.Rows, []string{c.Before.Verdict, c.After.Verdict, c.From.Text, c.To.Text, service, c.Before.By, c.After.By})
	}
	return t.Write(env.Out, false)
}

func writeFlows(env *Env, r *preview.Report) error {
	if len(r.FlowChanges) == 0 {
		_, err := fmt.Fprintf(env.Out, "\nno verdict changes of %s\n", count(r.Flows, "recorded flow"))
		return err
	}
	fmt.Fprintf(env.Out, "\nOf %s these change:\n", count(r.Flows, "recorded flow"))
	t := printer.Table{Columns: []printer.Column{{Header: "NOW"}, {Header: "THEN"}, {Header: "FROM"}, {Header: "TO"}, {Header: "SERVICE"}, {Header: "SEEN"}, {Header: "DECIDED NOW"}, {Header: "DECIDED THEN"}}}
	for _, c := range r.FlowChanges {
		t.Rows = append(t.Rows, []string{c.Before.Verdict, c.After.Verdict, c.From, c.To, c.Service, strconv.Itoa(c.Seen), c.Before.By, c.After.By})
	}
	return t.Write(env.Out, false)
}
