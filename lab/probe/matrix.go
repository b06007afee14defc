// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Matrix is the outcome of many flows beside what was expected of them.
type Matrix struct {
	Cells []Cell `json:"cells"`
}

// Cell is one flow of a matrix.
type Cell struct {
	Result
	Got Verdict `json:"verdict"`
	// Expected is Unknown when nobody could say.
	Expected Verdict `json:"expected,omitempty"`
	// Why tells what decided the expectation.
	Why string `json:"why,omitempty"`
}

// Mismatch says whether the flow went otherwise than expected.
func (c Cell) Mismatch() bool { return c.Expected != Unknown && c.Got != c.Expected }

// String tells a cell in one line.
func (c Cell) String() string {
	s := fmt.Sprintf("%s is %s", c.Flow, c.Got)
	if c.Error != "" {
		s += " (" + c.Error + ")"
	}
	if c.Mismatch() {
		s += fmt.Sprintf(", expected %s", c.Expected)
		if c.Why != "" {
			s += ": " + c.Why
		}
	}
	return s
}

// NewMatrix puts results beside what judge says; a nil judge expects nothing.
func NewMatrix(results []Result, judge Judge) Matrix {
	m := Matrix{Cells: make([]Cell, len(results))}
	for i, r := range results {
		m.Cells[i] = Cell{Result: r, Got: r.Verdict()}
		if judge != nil {
			m.Cells[i].Expected, m.Cells[i].Why = judge(r.Flow)
		}
	}
	return m
}

// Mismatches returns the cells that went otherwise than expected.
func (m Matrix) Mismatches() []Cell {
	return slices.DeleteFunc(slices.Clone(m.Cells), func(c Cell) bool { return !c.Mismatch() })
}

// Count returns how many cells have the verdict.
func (m Matrix) Count(v Verdict) int {
	n := 0
	for _, c := range m.Cells {
		if c.Got == v {
			n++
		}
	}
	return n
}

// Legend explains the signs of WriteTable.
const Legend = "rows: from, columns: to;  ✓ allowed  ✗ denied  ~ one way only  ! not as expected  v4/v6 where the families differ"

// WriteTable writes one table for each service, with a row for each source and a column for each destination, in the order in which they
// first appear as a source. Colour adds ANSI colours for a terminal.
func (m Matrix) WriteTable(w io.Writer, colour bool) error {
	var b strings.Builder
	for _, svc := range distinct(m.Cells, func(c Cell) Service { return c.Service }) {
		cells := slices.DeleteFunc(slices.Clone(m.Cells), func(c Cell) bool { return c.Service != svc })
		writeService(&b, svc, cells, colour)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeService(b *strings.Builder, svc Service, cells []Cell, colour bool) {
	rows := distinct(cells, func(c Cell) string { return c.Src })
	columns := inOrder(distinct(cells, func(c Cell) string { return c.Dst }), rows)
	at := map[[2]string][]Cell{}
	for _, c := range cells {
		key := [2]string{c.Src, c.Dst}
		at[key] = append(at[key], c)
	}
	first := len(svc.String())
	for _, r := range rows {
		first = max(first, len(r))
	}
	width := map[string]int{}
	for _, c := range columns {
		width[c] = len(c)
		for _, r := range rows {
			sign, _ := signOf(at[[2]string{r, c}])
			width[c] = max(width[c], utf8.RuneCountInString(sign))
		}
	}
	fmt.Fprintf(b, "%-*s", first, svc)
	for _, c := range columns {
		fmt.Fprintf(b, "  %-*s", width[c], c)
	}
	b.WriteByte('\n')
	for _, r := range rows {
		fmt.Fprintf(b, "%-*s", first, r)
		for _, c := range columns {
			sign, style := signOf(at[[2]string{r, c}])
			b.WriteString("  " + paint(sign, style, colour) + strings.Repeat(" ", width[c]-utf8.RuneCountInString(sign)))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// style is an ANSI SGR parameter.
type style string

const (
	green style = "32"
	faint style = "2"
	red   style = "1;31"
)

// signOf renders the cells of one pair: one for each family.
func signOf(cells []Cell) (string, style) {
	if len(cells) == 0 {
		return "·", faint
	}
	slices.SortFunc(cells, func(a, b Cell) int { return cmp.Compare(a.DstAddr.BitLen(), b.DstAddr.BitLen()) })
	look := map[Verdict]style{Allowed: green, Denied: faint, Half: red}[cells[0].Got]
	var signs []string
	for _, c := range cells {
		s := map[Verdict]string{Allowed: "✓", Denied: "✗", Half: "~"}[c.Got]
		if c.Mismatch() {
			s, look = s+"!", red
		}
		signs = append(signs, s)
	}
	if len(slices.Compact(slices.Clone(signs))) == 1 {
		return signs[0], look
	}
	return strings.Join(signs, "/"), look
}

func paint(s string, st style, colour bool) string {
	if !colour {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// inOrder sorts names as they come in like, so that the diagonal is one; the others keep their order behind them.
func inOrder(names, like []string) []string {
	place := func(name string) int {
		if at := slices.Index(like, name); at >= 0 {
			return at
		}
		return len(like)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	return names
}

// distinct returns the different values of key in the order of their first appearance.
func distinct[K comparable](cells []Cell, key func(Cell) K) []K {
	var out []K
	seen := map[K]bool{}
	for _, c := range cells {
		if k := key(c); !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}
