// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/printer"
)

func newValidate(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Check manifests without a datastore",
		Long: `Check manifests offline: syntax, unknown fields, values, selectors, and what must hold between the given objects.

Prints one line per problem (file, document, field, reason). Exit status 0: all valid. 1: something is invalid. Fields that are valid but have no
effect yet are reported as warnings, and so are documents of kinds that weft does not store, such as Pods and Deployments: they are not checked.`,
		Example: "  weft validate -f policy.yaml\n  weft validate -f manifests/ -o json\n  kustomize build . | weft validate -f -",
		Args:    filesNotArgs,
	}
	files := addFilesFlag(cmd)
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
	cmd.RunE = func(*cobra.Command, []string) error {
		format, err := printer.Parse(output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
		if err != nil {
			return usagef("%w", err)
		}
		documents, err := load(env, *files)
		if err != nil {
			return err
		}
		documents, left := withoutForeign(documents)
		problems, notes := examine(documents)
		notes = append(left, notes...)
		if err := printProblems(env, format, len(documents), problems, notes); err != nil {
			return err
		}
		if len(problems) > 0 {
			return errSaid
		}
		return nil
	}
	return offline(cmd)
}

// withoutForeign takes out the documents of kinds that belong to others, such as Deployments beside the policies for them, and returns a note for each.
func withoutForeign(documents []api.Document) (own []api.Document, notes []problem) {
	for i := range documents {
		f, foreign := documents[i].Foreign()
		if !foreign {
			own = append(own, documents[i])
			continue
		}
		p := at(&documents[i])
		p.Object = f.Kind + " " + f.Name
		notes = append(notes, p.with("", "not checked: "+f.Kind+" of "+f.APIVersion+" is no kind that weft stores", p.Line))
	}
	return own, notes
}

func printProblems(env *Env, format printer.Format, documents int, problems, notes []problem) error {
	if format != printer.FormatTable {
		return printer.WriteValue(env.Out, format, map[string]any{
			"valid": len(problems) == 0, "documents": documents, "problems": nonNil(problems), "warnings": nonNil(notes)})
	}
	for _, p := range problems {
		fmt.Fprintln(env.Out, p)
	}
	for _, n := range notes {
		fmt.Fprintf(env.Err, "warning: %s\n", n)
	}
	if len(problems) == 0 {
		fmt.Fprintf(env.Out, "%d valid\n", documents)
	}
	return nil
}

func nonNil(p []problem) []problem {
	if p == nil {
		return []problem{}
	}
	return p
}
