// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/printer"
)

func newExplain(env *Env) *cobra.Command {
	return offline(&cobra.Command{
		Use:   "explain [KIND[.FIELD...]]",
		Short: "Explain a kind or a field: type, default, meaning, and whether it has an effect yet",
		Example: `  weft explain
  weft explain ippool
  weft explain ippool.spec.blockSize
  weft explain networkpolicy.spec.ingress.source`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeFields,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return explainKinds(env)
			}
			kind, path, err := splitField(args[0])
			if err != nil {
				return err
			}
			doc, err := api.Explain(kind, path)
			if err != nil {
				return usagef("%w", err)
			}
			return explainField(env.Out, kind, doc)
		},
	})
}

// splitField cuts KIND.FIELD... where KIND may itself be qualified by its group.
func splitField(text string) (kind *api.Kind, path string, err error) {
	for kind := range api.Kinds() {
		for _, name := range []string{kindName(kind), pluralName(kind)} {
			if rest, found := strings.CutPrefix(strings.ToLower(text), name); found && strings.Contains(name, ".") && (rest == "" || rest[0] == '.') {
				return kind, strings.TrimPrefix(text[len(name):], "."), nil
			}
		}
	}
	name, path, _ := strings.Cut(text, ".")
	kind, err = lookup(name)
	return kind, path, err
}

// completeFields completes KIND, and after a dot the fields inside.
func completeFields(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	dot := strings.LastIndex(word, ".")
	if len(args) > 0 || dot < 0 {
		return completeKinds(nil, args, word)
	}
	kind, path, err := splitField(word[:dot])
	if err != nil {
		return nil, noFiles
	}
	doc, err := api.Explain(kind, path)
	if err != nil {
		return nil, noFiles
	}
	var out []string
	for _, f := range doc.Fields {
		out = append(out, word[:dot+1]+f.Name)
	}
	return out, noFiles | cobra.ShellCompDirectiveNoSpace
}

func explainKinds(env *Env) error {
	t := printer.Table{Columns: []printer.Column{{Header: "KIND"}, {Header: "NAME"}, {Header: "SHORT"}, {Header: "API VERSION"}, {Header: "NAMESPACED"}}}
	for k := range api.Kinds() {
		t.Rows = append(t.Rows, []string{k.Kind, pluralName(k), joinComma(k.ShortNames), k.APIVersion, truth(&k.Namespaced)})
	}
	return t.Write(env.Out, false)
}

// explainField tells about a field and what is inside it.
func explainField(w io.Writer, kind *api.Kind, doc api.FieldDoc) error {
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", title+":", indent(wrap(value, textWidth-11), "           "))
		}
	}
	line("Kind", kind.Kind+" ("+kind.APIVersion+")")
	if doc.Path != "" {
		line("Field", doc.Path)
		line("Type", doc.Type)
		line("Default", doc.Default)
		line("Limits", doc.Limits)
		line("Note", strings.Join(marks(doc, false), ", "))
		line("No effect", doc.Later)
	} else if len(kind.ShortNames) > 0 {
		line("Short", strings.Join(kind.ShortNames, ", "))
	}
	fmt.Fprintf(w, "\n%s\n", wrap(doc.Doc, textWidth))
	if doc.Path != "" {
		return fieldTable(w, doc)
	}
	for _, part := range doc.Fields {
		if slices.Contains([]string{"kind", "apiVersion", "metadata", "status"}, part.Name) {
			continue
		}
		inner, err := api.Explain(kind, part.Path)
		if err != nil {
			return err
		}
		if len(inner.Fields) == 0 {
			inner.Fields = []api.FieldDoc{part}
		}
		if err := fieldTable(w, inner); err != nil {
			return err
		}
	}
	return nil
}

// fieldTable lists what is inside a field.
func fieldTable(w io.Writer, doc api.FieldDoc) error {
	if len(doc.Fields) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	if doc.Path != "" {
		fmt.Fprintf(w, "In %s:\n", doc.Path)
	}
	t := printer.Table{Columns: []printer.Column{{Header: "FIELD"}, {Header: "TYPE"}, {Header: "DEFAULT"}, {Header: "NOTE"}}}
	for _, f := range doc.Fields {
		t.Rows = append(t.Rows, []string{f.Name, f.Type, f.Default, strings.Join(marks(f, true), ", ")})
	}
	return t.Write(w, false)
}

// marks are what is special about a field, in a word or two each.
func marks(f api.FieldDoc, effect bool) []string {
	var out []string
	if f.Required {
		out = append(out, "required")
	}
	if f.Immutable {
		out = append(out, "cannot be changed")
	}
	if effect && f.Later != "" {
		out = append(out, "no effect yet")
	}
	return out
}
