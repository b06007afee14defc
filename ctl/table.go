// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/printer"
)

// objectTable lays out objects of one kind. Defaults are filled in, so that a table says what is in force; where something is not, there is a
// column STATUS. qualified puts the kind before each name.
func objectTable(g *group, against standing, qualified bool, now time.Time) printer.Table {
	var t printer.Table
	kind := g.kind
	if kind.Namespaced {
		t.Columns = append(t.Columns, printer.Column{Header: "NAMESPACE"})
	}
	t.Columns = append(t.Columns, printer.Column{Header: "NAME"})
	for _, f := range fields[kind.Resource] {
		t.Columns = append(t.Columns, printer.Column{Header: f.header, Wide: f.wide})
	}
	t.Columns = append(t.Columns, printer.Column{Header: "LABELS", Wide: true}, printer.Column{Header: "AGE"})
	for _, obj := range g.objects {
		t.Rows = append(t.Rows, objectRow(kind, obj, qualified, now))
	}
	for _, bad := range g.unreadable {
		row := make([]string, len(t.Columns))
		copy(row, nameCells(kind, bad.Key, qualified))
		t.Rows = append(t.Rows, row)
	}
	if against.any(g) {
		t.Columns = append(t.Columns, printer.Column{Header: "STATUS"})
		for i, key := range g.keys() {
			t.Rows[i] = append(t.Rows[i], against.cell(key))
		}
	}
	return t
}

// keys returns those of the objects, and then of what cannot be read.
func (g *group) keys() []api.Key {
	var out []api.Key
	for _, obj := range g.objects {
		out = append(out, api.KeyOf(obj))
	}
	for _, bad := range g.unreadable {
		out = append(out, bad.Key)
	}
	return out
}

func nameCells(kind *api.Kind, key api.Key, qualified bool) []string {
	name := key.Name
	if qualified {
		name = kindName(kind) + "/" + name
	}
	if kind.Namespaced {
		return []string{key.Namespace, name}
	}
	return []string{name}
}

func objectRow(kind *api.Kind, obj api.Object, qualified bool, now time.Time) []string {
	filled := api.Clone(obj)
	api.SetDefaults(filled)
	row := nameCells(kind, api.KeyOf(obj), qualified)
	for _, f := range fields[kind.Resource] {
		if f.written {
			row = append(row, f.value(obj))
			continue
		}
		row = append(row, f.value(filled))
	}
	return append(row, labelText(obj.GetLabels()), age(obj.GetCreationTimestamp().Time, now))
}
