// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package printer writes results for people and programs: build a Table, then Write it in the format that the user chose with -o.
package printer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// Format is a value of the -o flag.
type Format string

// The formats.
const (
	FormatTable Format = "table"
	FormatWide  Format = "wide"
	FormatYAML  Format = "yaml"
	FormatJSON  Format = "json"
	FormatName  Format = "name"
)

// Parse checks a value of the -o flag against the formats that a command offers.
func Parse(text string, offered ...Format) (Format, error) {
	if slices.Contains(offered, Format(text)) {
		return Format(text), nil
	}
	names := make([]string, len(offered))
	for i, f := range offered {
		names[i] = string(f)
	}
	return "", fmt.Errorf("-o %q is no output format here; use %s", text, strings.Join(names, ", "))
}

// Column is one column of a table.
type Column struct {
	Header string
	Wide   bool // shown with -o wide only
}

// Table is rows of text under columns.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// columnGap separates columns.
const columnGap = "   "

// Write prints the table, aligned; empty cells become "-".
func (t Table) Write(w io.Writer, wide bool) error {
	var keep []int
	for i, c := range t.Columns {
		if wide || !c.Wide {
			keep = append(keep, i)
		}
	}
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Header
	}
	lines := append([][]string{header}, t.Rows...)
	widths := make([]int, len(t.Columns))
	for _, line := range lines {
		for _, i := range keep {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(line, i)))
		}
	}
	for _, line := range lines {
		if _, err := io.WriteString(w, renderLine(line, keep, widths)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func renderLine(line []string, keep, widths []int) string {
	var b strings.Builder
	for n, i := range keep {
		if n > 0 {
			b.WriteString(columnGap)
		}
		text := cell(line, i)
		b.WriteString(text)
		if n < len(keep)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)))
		}
	}
	return b.String()
}

func cell(line []string, i int) string {
	if i >= len(line) || line[i] == "" {
		return "-"
	}
	return line[i]
}

// WriteValue prints any value as YAML or JSON.
func WriteValue(w io.Writer, f Format, v any) error {
	if f == FormatYAML {
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
