// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fake holds iptables tables in memory as the kernel would. The zero value holds the kernel's own chains alone.
type Fake struct {
	// Refuse, when it returns an error for a rule, makes the script that has it be refused; with Silent, without naming the line.
	Refuse func(rule string) error
	Silent bool
	// Restores counts the scripts that changed something; Written are the chains of ours that they made or emptied.
	Restores int
	Written  []string
	// Saves counts the whole tables that were read.
	Saves int

	tables map[string]fakeTable
}

// fakeTable holds the rules of every chain that was made or written to, by name.
type fakeTable map[string][]string

var _, _ Tables = (*Tool)(nil), (*Fake)(nil)

func key(v6 bool, table string) string { return program(v6, table) }

// Save implements Tables.
func (f *Fake) Save(ctx context.Context, v6 bool, table string) (*Table, error) {
	f.Saves++
	out := newTable()
	for name, rules := range f.tables[key(v6, table)] {
		if ours(name) {
			out.Chains[name] = nil
		}
		for i, text := range rules {
			switch {
			case ours(name):
				out.Chains[name] = append(out.Chains[name], Rule{Text: text})
			case ours(target(text)):
				out.Jumps[name] = append(out.Jumps[name], Jump{i + 1, text})
			}
		}
	}
	return out, ctx.Err()
}

// Restore implements Tables.
func (f *Fake) Restore(ctx context.Context, v6 bool, s *Script, back ...string) (map[string][]Rule, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if !s.Empty() {
		if err := f.restore(v6, s); err != nil {
			return nil, err
		}
	}
	held := map[string][]Rule{}
	for _, name := range back {
		rules, there := f.tables[key(v6, s.table)][name]
		if !there {
			return nil, fmt.Errorf("chain %s is not there any more", name)
		}
		held[name] = nil
		for _, text := range rules {
			held[name] = append(held[name], Rule{Text: text})
		}
	}
	return held, nil
}

func (f *Fake) restore(v6 bool, s *Script) error {
	next := fakeTable{}
	for name, rules := range f.tables[key(v6, s.table)] {
		next[name] = slices.Clone(rules)
	}
	for _, l := range s.lines[1:] {
		if err := f.apply(next, l); err != nil {
			return &RefusedError{Tag: l.tag, Known: !f.Silent, Line: l.text, Err: err}
		}
		if l.verb == declare {
			f.Written = append(f.Written, l.chain)
		}
	}
	if f.tables == nil {
		f.tables = map[string]fakeTable{}
	}
	f.tables[key(v6, s.table)] = next
	f.Restores++
	return nil
}

func (f *Fake) apply(t fakeTable, l line) error {
	rules, there := t[l.chain]
	if !there && ours(l.chain) && l.verb != declare {
		return fmt.Errorf("chain %s is not there", l.chain)
	}
	if to := target(l.rule); ours(to) {
		if _, there := t[to]; !there {
			return fmt.Errorf("chain %s is not there", to)
		}
	}
	if f.Refuse != nil && l.rule != "" {
		if err := f.Refuse(l.rule); err != nil {
			return err
		}
	}
	switch l.verb {
	case declare:
		t[l.chain] = nil
	case appendRule:
		t[l.chain] = append(rules, l.rule)
	case insertRule:
		t[l.chain] = slices.Insert(rules, 0, l.rule)
	case deleteRule:
		if l.at < 1 || l.at > len(rules) {
			return fmt.Errorf("chain %s has no rule %d", l.chain, l.at)
		}
		t[l.chain] = slices.Delete(rules, l.at-1, l.at)
	case deleteChain:
		if len(rules) > 0 || t.referenced(l.chain) {
			return fmt.Errorf("chain %s is in use", l.chain)
		}
		delete(t, l.chain)
	}
	return nil
}

// referenced reports whether a rule leads to a chain.
func (t fakeTable) referenced(chain string) bool {
	for _, rules := range t {
		if slices.ContainsFunc(rules, func(text string) bool { return target(text) == chain }) {
			return true
		}
	}
	return false
}

// Mine implements Tables: the fake gives no signs.
func (f *Fake) Mine(Sign) bool { return false }

// Close implements Tables.
func (f *Fake) Close() error { return nil }

// Dump lists what a table holds of ours, as iptables-save would without counters.
func (t *Table) Dump() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.Jumps)) {
		for _, j := range t.Jumps[name] {
			fmt.Fprintf(&b, "%s %d: %s\n", name, j.Position, j.Text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Chains)) {
		fmt.Fprintf(&b, "chain %s\n", name)
		for _, r := range t.Chains[name] {
			fmt.Fprintf(&b, "\t%s\n", r.Text)
		}
	}
	return b.String()
}
