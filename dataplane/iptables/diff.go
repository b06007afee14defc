// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/sys/xtables"
)

// prints remembers how the tool prints a rule that it prints otherwise than it was written: another version of it, another list of protocol
// names. It is learned from what was written and read back.
type prints map[string]string

// same reports whether a printed rule is the planned one.
func (p prints) same(planned, printed string) bool {
	if planned == printed {
		return true
	}
	learned, ok := p[planned]
	return ok && learned == printed
}

func (p prints) sameRules(planned []string, held []xtables.Rule) bool {
	return slices.EqualFunc(planned, held, func(a string, b xtables.Rule) bool { return p.same(a, b.Text) })
}

// learn takes what the tool prints for rules that have just been written. It reports whether that can be: as many rules as were written.
func (p prints) learn(planned []string, held []xtables.Rule) bool {
	if len(planned) != len(held) {
		return false
	}
	for i, rule := range planned {
		if held[i].Text != rule {
			p[rule] = held[i].Text
		}
	}
	return true
}

// change is the script that brings a table from what it holds to the plan, and how many objects differ.
func (p prints) change(table string, want *tablePlan, held *xtables.Table) (*xtables.Script, int) {
	s := xtables.NewScript(table)
	count := 0
	var write []string
	for _, name := range slices.Sorted(maps.Keys(want.chains)) {
		have, there := held.Chains[name]
		if !there || !p.sameRules(want.chains[name].rules, have) {
			write = append(write, name)
		}
	}
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(held.Chains)) {
		if want.chains[name] == nil {
			gone = append(gone, name)
		}
	}
	for _, name := range slices.Concat(write, gone) {
		s.Chain(name)
		count++
	}
	for _, name := range write {
		s.Tag(want.chains[name].tag)
		for _, rule := range want.chains[name].rules {
			s.Append(name, rule)
		}
	}
	s.Tag(unit{})
	count += p.changeJumps(s, want.jumps, held.Jumps)
	for _, name := range gone {
		s.DeleteChain(name)
	}
	return s, count
}

// changeJumps leaves exactly our rule in the kernel's chains, in front of all others.
func (p prints) changeJumps(s *xtables.Script, want map[string]string, held map[string][]xtables.Jump) int {
	count := 0
	for _, name := range slices.Sorted(maps.Keys(held)) {
		list := held[name]
		if text := want[name]; text != "" && len(list) == 1 && list[0].Position == 1 && p.same(text, list[0].Text) {
			continue
		}
		count++
		for _, j := range slices.Backward(list) {
			s.DeleteAt(name, j.Position)
		}
		if want[name] != "" {
			s.Insert(name, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if len(held[name]) == 0 {
			count++
			s.Insert(name, want[name])
		}
	}
	return count
}
