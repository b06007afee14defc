// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

func newDescribe(env *Env, options *datastoreOptions) *cobra.Command {
	var where scope
	cmd := &cobra.Command{
		Use:               "describe KIND [NAME...] | KIND/NAME...",
		Short:             "Tell all about objects: what was written, what is in force, what is wrong",
		Example:           "  weft describe ippool default-ipv4-ippool\n  weft describe networkpolicy protect-database -n prod\n  weft describe node/n1 bgppeers/tor",
		ValidArgsFunction: completeObjects(options, &where),
	}
	where.addFlags(cmd, options)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		selections, err := parseSelections(args)
		if err != nil {
			return err
		}
		return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error {
			return describe(ctx, env, s, selections, where)
		})
	}
	return cmd
}

func describe(ctx context.Context, env *Env, s store.Store, selections []selection, where scope) error {
	var found []group
	var missing error
	printed := 0
	for _, selected := range selections {
		objects, absent, err := fetch(ctx, env, s, selected.kind, where, selected.names)
		if err != nil {
			return err
		}
		missing = errors.Join(missing, absent)
		found = append(found, group{selected.kind, objects})
		for _, obj := range objects {
			if printed > 0 {
				fmt.Fprintln(env.Out)
			}
			printed++
			if err := describeObject(env.Out, selected.kind, obj, time.Now()); err != nil {
				return err
			}
		}
	}
	switch {
	case printed > 0 && missing != nil:
		return &exitError{ExitPartial, missing}
	case printed == 0 && missing == nil:
		fmt.Fprintln(env.Err, nothing(found, where))
	}
	return missing
}

func describeObject(w io.Writer, kind *api.Kind, obj api.Object, now time.Time) error {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name+":", value)
		}
	}
	line("Kind", kind.Kind+" ("+kind.APIVersion+")")
	line("Name", obj.GetName())
	line("Namespace", obj.GetNamespace())
	line("Labels", labelText(obj.GetLabels()))
	line("Annotations", labelText(obj.GetAnnotations()))
	if created := obj.GetCreationTimestamp(); !created.IsZero() {
		line("Created", created.Format(time.RFC3339)+" ("+age(created.Time, now)+" ago)")
	}
	line("Revision", obj.GetResourceVersion())
	written, err := fieldsOf(obj)
	if err != nil {
		return err
	}
	filled := api.Clone(obj)
	api.SetDefaults(filled)
	inForce, err := fieldsOf(filled)
	if err != nil {
		return err
	}
	if err := section(w, "Written", written); err != nil {
		return err
	}
	if err := section(w, "Defaults in force", onlyNew(inForce, written)); err != nil {
		return err
	}
	for _, e := range api.Validate(obj, checks) {
		line("Invalid", indent(wrap(e.Path+": "+e.Reason, textWidth-13), "             "))
	}
	for _, n := range api.NotYetEffective(obj) {
		line("No effect", indent(wrap(n.Path+": "+n.Note, textWidth-13), "             "))
	}
	return nil
}

// fieldsOf returns the object's own fields, without type and metadata.
func fieldsOf(obj api.Object) (map[string]any, error) {
	data, err := api.Encode(obj)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%s: %w", reference(obj), err)
	}
	for _, known := range []string{"apiVersion", "kind", "metadata"} {
		delete(fields, known)
	}
	return fields, nil
}

// onlyNew returns what all has and written lacks, descending into objects.
func onlyNew(all, written map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range all {
		old, had := written[key]
		if !had {
			out[key] = value
			continue
		}
		inner, isMap := value.(map[string]any)
		oldInner, wasMap := old.(map[string]any)
		if !isMap || !wasMap {
			continue
		}
		if more := onlyNew(inner, oldInner); len(more) > 0 {
			out[key] = more
		}
	}
	return out
}

func section(w io.Writer, title string, fields map[string]any) error {
	if len(fields) == 0 {
		return nil
	}
	text, err := yaml.Marshal(fields)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s:\n  %s\n", title, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "))
	return err
}
