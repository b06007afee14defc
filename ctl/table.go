// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/ctl/printer"
)

// objectTable lays out objects of one kind. Defaults are filled in, so that a table says what is in force.
// qualified puts the kind before each name.
func objectTable(kind *api.Kind, objects []api.Object, qualified bool, now time.Time) printer.Table {
	var t printer.Table
	if kind.Namespaced {
		t.Columns = append(t.Columns, printer.Column{Header: "NAMESPACE"})
	}
	t.Columns = append(t.Columns, printer.Column{Header: "NAME"})
	for _, f := range fields[kind.Resource] {
		t.Columns = append(t.Columns, printer.Column{Header: f.header, Wide: f.wide})
	}
	t.Columns = append(t.Columns, printer.Column{Header: "LABELS", Wide: true}, printer.Column{Header: "AGE"})
	for _, obj := range objects {
		t.Rows = append(t.Rows, objectRow(kind, obj, qualified, now))
	}
	return t
}

func objectRow(kind *api.Kind, obj api.Object, qualified bool, now time.Time) []string {
	filled := api.Clone(obj)
	api.SetDefaults(filled)
	var row []string
	if kind.Namespaced {
		row = append(row, obj.GetNamespace())
	}
	name := obj.GetName()
	if qualified {
		name = kindName(kind) + "/" + name
	}
	row = append(row, name)
	for _, f := range fields[kind.Resource] {
		if f.written {
			row = append(row, f.value(obj))
			continue
		}
		row = append(row, f.value(filled))
	}
	return append(row, labelText(obj.GetLabels()), age(obj.GetCreationTimestamp().Time, now))
}
