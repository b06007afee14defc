// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
)

// faults collects what is wrong with one object.
type faults struct{ list api.FieldErrors }

// add notes err, unless it is nil, at a field.
func (f *faults) add(path string, err error) {
	if err != nil {
		f.list = append(f.list, api.FieldError{Path: path, Reason: err.Error()})
	}
}

// problems holds what one node of the graph has against objects, as long as it does.
type problems map[api.Key]api.FieldErrors

// set replaces what there is against an object; nothing clears it.
func (p problems) set(key api.Key, list api.FieldErrors) {
	if len(list) == 0 {
		delete(p, key)
		return
	}
	p[key] = list
}

func (p problems) add(key api.Key, path, reason string) {
	p[key] = append(p[key], api.FieldError{Path: path, Reason: reason})
}

// list appends all problems to out.
func (p problems) list(out []Problem) []Problem {
	for key, list := range p {
		for _, e := range list {
			out = append(out, Problem{Key: key, Field: e.Path, Reason: e.Reason})
		}
	}
	return out
}

// Problems returns what keeps inputs from being in force as they are written, sorted by object and field. Call it after Flush.
func (g *Graph) Problems() []Problem {
	out := g.inputs.problems()
	for _, node := range g.complaints() {
		out = node.list(out)
	}
	slices.SortFunc(out, compareProblems)
	return slices.Compact(out)
}

// Refuses tells whether the newest version of an object is invalid.
func (g *Graph) Refuses(key api.Key) bool { return g.inputs.refused[key] != nil }

func compareProblems(a, b Problem) int {
	return cmp.Or(compareKeys(a.Key, b.Key), strings.Compare(a.Field, b.Field), strings.Compare(a.Reason, b.Reason))
}

func compareKeys(a, b api.Key) int {
	return cmp.Or(cmp.Compare(a.Resource, b.Resource), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
