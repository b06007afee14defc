// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/xtables"
)

// tablePlan is what one table shall hold of ours. It knows how that differs from what the kernel was last given, and which chains and sets
// its rules lead to, so that what is needed no more can go.
type tablePlan struct {
	chains map[string]*chain
	jumps  map[string]string // rule in front of a kernel's chain, by its name
	sets   *setPlans

	pinned map[string]struct{} // chains of the frame, which stay whatever leads to them
	refs   map[string]int      // rules that lead to a chain
	loose  map[string]struct{} // chains that may be needed no more

	before      map[string]*chain // changed chains as they were; nil: were not there
	jumpsBefore map[string]string
}

// chain is a chain's rules and on whose behalf it is there.
type chain struct {
	rules []string
	tag   unit
}

func newTablePlan(sets *setPlans) *tablePlan {
	return &tablePlan{
		chains: map[string]*chain{}, jumps: map[string]string{}, sets: sets,
		pinned: map[string]struct{}{}, refs: map[string]int{}, loose: map[string]struct{}{}, before: map[string]*chain{},
	}
}

// put makes a chain, which is kept as long as a rule leads to it.
func (t *tablePlan) put(name string, rules []string, tag unit) {
	was := t.chains[name]
	if was != nil && slices.Equal(was.rules, rules) {
		was.tag = tag
		return
	}
	t.replace(name, &chain{rules, tag})
}

// pin makes a chain of the frame.
func (t *tablePlan) pin(name string, rules []string) {
	t.pinned[name] = struct{}{}
	t.put(name, rules, unit{})
}

// hook makes a chain of ours that a chain of the kernel leads to, in front of all else.
func (t *tablePlan) hook(name string, rules []string) {
	t.pin(own.ChainPrefix+name, rules)
	t.jumps[name] = jump(own.ChainPrefix + name)
}

// unpin begins a new frame: chains and jumps of the last one that do not come again will go.
func (t *tablePlan) unpin() {
	maps.Copy(t.loose, t.pinned)
	t.pinned, t.jumps = map[string]struct{}{}, map[string]string{}
}

// replace puts c in place of a chain; nil takes it away.
func (t *tablePlan) replace(name string, c *chain) {
	was := t.chains[name]
	if _, noted := t.before[name]; !noted {
		t.before[name] = was
	}
	if c == nil {
		delete(t.chains, name)
	} else {
		t.chains[name] = c
		t.refer(c.rules, 1)
	}
	if was != nil {
		t.refer(was.rules, -1)
	}
	if t.refs[name] == 0 {
		t.loose[name] = struct{}{}
	}
}

// refer counts what rules lead to.
func (t *tablePlan) refer(rules []string, n int) {
	for _, text := range rules {
		if to := leadsTo(text); to != "" {
			if t.refs[to] += n; t.refs[to] == 0 {
				delete(t.refs, to)
				t.loose[to] = struct{}{}
			}
		}
		for set := range setsIn(text) {
			t.sets.refer(set, n)
		}
	}
}

// sweep drops chains that nothing leads to, and returns their names.
func (t *tablePlan) sweep() (dropped []string) {
	for len(t.loose) > 0 {
		for name := range t.loose {
			delete(t.loose, name)
			if _, pinned := t.pinned[name]; !pinned && t.refs[name] == 0 && t.chains[name] != nil {
				t.replace(name, nil)
				dropped = append(dropped, name)
			}
		}
	}
	return dropped
}

// settle says that the kernel holds the plan.
func (t *tablePlan) settle() {
	clear(t.before)
	t.jumpsBefore = maps.Clone(t.jumps)
}

// changed is the part of the plan that differs from what the kernel was last given, and what it holds in place of that.
func (t *tablePlan) changed() (now *tablePlan, held *xtables.Table) {
	now = &tablePlan{chains: map[string]*chain{}, jumps: map[string]string{}}
	held = &xtables.Table{Chains: map[string][]xtables.Rule{}, Jumps: map[string][]xtables.Jump{}}
	for name, was := range t.before {
		if is := t.chains[name]; is != nil {
			now.chains[name] = is
		}
		if was != nil {
			held.Chains[name] = asHeld(was.rules)
		}
	}
	for name, text := range t.jumps {
		if t.jumpsBefore[name] != text {
			now.jumps[name] = text
		}
	}
	for name, text := range t.jumpsBefore {
		if t.jumps[name] != text {
			held.Jumps[name] = []xtables.Jump{{Position: 1, Text: text}}
		}
	}
	return now, held
}

func asHeld(rules []string) []xtables.Rule {
	out := make([]xtables.Rule, len(rules))
	for i, text := range rules {
		out[i].Text = text
	}
	return out
}

// leadsTo is the chain of ours that a rule leads to; empty: none. A comment, which is anybody's text, ends with a quote.
func leadsTo(text string) string {
	at := strings.LastIndexByte(text, ' ')
	if to := text[at+1:]; strings.HasPrefix(to, own.ChainPrefix) && !strings.HasSuffix(to, `"`) {
		return to
	}
	return ""
}

// setsIn yields the names of the sets that a rule asks for, which is in front of its comment.
func setsIn(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		rest, _, _ := strings.Cut(text, `"`)
		for {
			_, after, found := strings.Cut(rest, "--match-set ")
			if !found {
				return
			}
			var name string
			if name, rest, _ = strings.Cut(after, " "); !yield(name) {
				return
			}
		}
	}
}
