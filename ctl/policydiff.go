// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/preview"
	"github.com/weftnet/weft/ctl/printer"
)

func newPolicyDiff(env *Env, options *datastoreOptions) *cobra.Command {
	var output string
	var all, staged bool
	var base []string
	cmd := &cobra.Command{
		Use:   "diff -f NEW",
		Short: "Show which flows would change their verdict if manifests were applied",
		Long: `Show which flows would be allowed that are denied now, or the reverse, if the given manifests were applied, with what decides before and after.
Nothing is written.

Every pair of endpoints is compared on every port and protocol, and with the addresses outside that policies tell apart. Changes that differ only
in the endpoints are one line; --all has a line for each pair. With --base the comparison is with manifests in place of what is stored.

Exit status 0: no verdict changes. 3: some do. Others are errors.`,
		Example: `  weft policy diff -f new.yaml
  weft policy diff -f new.yaml -o json
  weft policy diff --base manifests/ -f new.yaml
  weft policy diff --staged`,
		Args: filesNotArgs,
	}
	from := &origin{env: env, options: options, files: addFilesFlag(cmd)}
	cmd.Flags().StringSliceVar(&base, "base", nil, "file or directory with what there is now, in place of the datastore; may be repeated")
	cmd.Flags().StringVarP(&from.namespace, "namespace", "n", DefaultNamespace, "namespace of objects in files that name none")
	cmd.Flags().BoolVar(&all, "all", false, "a line for each pair of endpoints")
	cmd.Flags().BoolVar(&staged, "staged", false, "as if staged policies were in force, too; -f can then be left out")
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
		report := preview.Compare(now, then, staged)
		if err := printReport(env, format, report, all); err != nil {
			return err
		}
		if len(report.Changes) > 0 {
			return &exitError{ExitVerdict, errSaid}
		}
		return nil
	}
	return cmd
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
