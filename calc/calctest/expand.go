// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"cmp"
	"slices"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
)

// Expansion is a way to walk through a sequence of states.
type Expansion struct {
	Name string
	// States changes which states are walked through.
	States func([]State) []State
	// Changes changes what leads from one state to the next.
	Changes func([]calc.Change) []calc.Change
	// Steps groups the changes of all transitions into steps and flushes.
	Steps func([][]calc.Change) []Step
}

var (
	stateWays = map[string]func([]State) []State{
		"":                      slices.Clone[[]State],
		", backwards":           backwards[State],
		", by way of nothing":   func(s []State) []State { return interleave(s, State{Name: "nothing"}) },
		", there and back":      func(s []State) []State { return append(slices.Clone(s), backwards(s)...) },
		", each one over again": func(s []State) []State { return interleave(s, s[0]) },
	}
	changeWays = map[string]func([]calc.Change) []calc.Change{
		"":                   slices.Clone[[]calc.Change],
		", keys reversed":    backwards[calc.Change],
		", everything twice": func(c []calc.Change) []calc.Change { return append(slices.Clone(c), c...) },
		", gone and back":    goneAndBack,
	}
	stepWays = map[string]func([][]calc.Change) []Step{
		"flush at states":  flushAtStates,
		"flush at changes": flushAtChanges,
		"flush at the end": flushAtEnd,
	}
)

// Expansions returns all combinations of orders of states, orders of changes and times of flushing.
func Expansions() []Expansion {
	var out []Expansion
	for steps, stepWay := range stepWays {
		for states, stateWay := range stateWays {
			for changes, changeWay := range changeWays {
				out = append(out, Expansion{steps + states + changes, stateWay, changeWay, stepWay})
			}
		}
	}
	slices.SortFunc(out, func(a, b Expansion) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Expand returns the steps that lead through a sequence of states.
func (e Expansion) Expand(sequence []State) []Step {
	revisions := Revisions(sequence)
	var transitions [][]calc.Change
	now := map[api.Key]api.Object{}
	for _, s := range e.States(sequence) {
		next := map[api.Key]api.Object{}
		for _, obj := range s.Objects {
			next[api.KeyOf(obj)] = obj
		}
		transitions = append(transitions, e.Changes(between(now, next, revisions)))
		now = next
	}
	return e.Steps(transitions)
}

// Revisions numbers the objects of a sequence.
func Revisions(sequence []State) map[api.Object]uint64 {
	out := map[api.Object]uint64{}
	for _, s := range sequence {
		for _, obj := range s.Objects {
			if out[obj] == 0 {
				out[obj] = uint64(len(out) + 1)
			}
		}
	}
	return out
}

// between returns the changes from one state to another, sorted by key.
func between(from, to map[api.Key]api.Object, revisions map[api.Object]uint64) []calc.Change {
	var out []calc.Change
	for key, obj := range to {
		if from[key] != obj {
			out = append(out, calc.Change{Key: key, Object: obj, Revision: revisions[obj]})
		}
	}
	for key := range from {
		if to[key] == nil {
			out = append(out, calc.Change{Key: key})
		}
	}
	slices.SortFunc(out, func(a, b calc.Change) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return out
}

func backwards[T any](list []T) []T {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

// interleave puts one between all.
func interleave[T any](list []T, one T) []T {
	var out []T
	for _, v := range list {
		out = append(out, v, one)
	}
	return out
}

// goneAndBack deletes what is put before it is put, and puts it, deletes it and puts it again.
func goneAndBack(changes []calc.Change) []calc.Change {
	var out []calc.Change
	for _, c := range changes {
		gone := calc.Change{Key: c.Key}
		out = append(out, gone, c, gone, c)
	}
	return out
}

func flushAtStates(transitions [][]calc.Change) []Step {
	var out []Step
	for _, t := range transitions {
		out = append(out, Step{Changes: t, Flush: true})
	}
	return out
}

func flushAtChanges(transitions [][]calc.Change) []Step {
	var out []Step
	for _, t := range transitions {
		for _, c := range t {
			out = append(out, Step{Changes: []calc.Change{c}, Flush: true})
		}
	}
	return out
}

func flushAtEnd(transitions [][]calc.Change) []Step {
	return []Step{{Changes: slices.Concat(transitions...), Flush: true}}
}
