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
	"strconv"
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
	socket := addSocketFlag(cmd, env)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		selections, err := parseSelections(args)
		if err != nil {
			return err
		}
		return options.with(cmd.Context(), func(ctx context.Context, s store.Store) error {
			return describe(ctx, env, s, selections, where, socket())
		})
	}
	return cmd
}

func describe(ctx context.Context, env *Env, s store.Store, selections []selection, where scope, socket string) error {
	var found []group
	var missing error
	total, unreadable := 0, 0
	for _, selected := range selections {
		g, absent, err := fetch(ctx, s, selected.kind, where, selected.names)
		if err != nil {
			return err
		}
		missing = errors.Join(missing, absent)
		found = append(found, g)
		total, unreadable = total+len(g.objects), unreadable+len(g.unreadable)
	}
	if err := describeAll(env.Out, found, standingOf(ctx, env, s, socket, found)); err != nil {
		return err
	}
	missing = errors.Join(missing, unreadableValues(unreadable))
	switch {
	case total > 0 && missing != nil:
		return &exitError{ExitPartial, missing}
	case total+unreadable == 0 && missing == nil:
		fmt.Fprintln(env.Err, nothing(found, where))
	}
	return missing
}

// describeAll writes one object after the other, with empty lines between.
func describeAll(w io.Writer, found []group, against standing) error {
	gap := ""
	for _, g := range found {
		for _, obj := range g.objects {
			fmt.Fprint(w, gap)
			gap = "\n"
			if err := describeObject(w, g.kind, obj, time.Now()); err != nil {
				return err
			}
			against.describe(w, api.KeyOf(obj))
		}
		for _, bad := range g.unreadable {
			fmt.Fprint(w, gap)
			gap = "\n"
			describeHead(w, g.kind, bad.Key)
			line(w, "Revision", strconv.FormatInt(bad.Revision, 10))
			against.describe(w, bad.Key)
		}
	}
	return nil
}

// line writes one property, unless it is empty.
func line(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%-12s %s\n", name+":", value)
	}
}

// prose writes a property whose text may need several lines.
func prose(w io.Writer, name, text string) {
	line(w, name, indent(wrap(text, textWidth-13), "             "))
}

// describe writes what there is against an object.
func (s standing) describe(w io.Writer, key api.Key) {
	for _, o := range s[key.String()] {
		name := "Problem"
		if o.refused {
			name = "Invalid"
		}
		if o.node != "" {
			o.text += " (node " + o.node + ")"
		}
		prose(w, name, o.text)
	}
}

func describeHead(w io.Writer, kind *api.Kind, key api.Key) {
	line(w, "Kind", kind.Kind+" ("+kind.APIVersion+")")
	line(w, "Name", key.Name)
	line(w, "Namespace", key.Namespace)
}

func describeObject(w io.Writer, kind *api.Kind, obj api.Object, now time.Time) error {
	describeHead(w, kind, api.KeyOf(obj))
	line(w, "Labels", labelText(obj.GetLabels()))
	line(w, "Annotations", labelText(obj.GetAnnotations()))
	if created := obj.GetCreationTimestamp(); !created.IsZero() {
		line(w, "Created", created.Format(time.RFC3339)+" ("+age(created.Time, now)+" ago)")
	}
	line(w, "Revision", obj.GetResourceVersion())
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
	for _, n := range api.NotYetEffective(obj) {
		prose(w, "No effect", n.Path+": "+n.Note)
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
