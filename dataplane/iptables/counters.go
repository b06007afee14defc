// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// Hits implements [dataplane.Driver]. Only packets that meet policy count: the first of a connection, not those of established ones. A
// policy's counters begin anew when it changes.
func (d *Driver) Hits() (map[rule.ID]uint64, error) {
	out := map[rule.ID]uint64{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range tableKeys() {
		if d.plan != nil && !d.plan.tables[key].judges() {
			continue
		}
		held, err := d.tables.Save(context.Background(), key.fam.v6, key.name)
		if err != nil {
			return nil, err
		}
		for _, rules := range held.Chains {
			for _, r := range rules {
				if id, ok := ruleIDOf(r.Text); ok {
					out[id] += r.Packets
				}
			}
		}
	}
	return out, nil
}

// ruleIDOf returns the RuleID in a rule's comment: "rule <id> <text>". Other comments start otherwise.
func ruleIDOf(text string) (rule.ID, bool) {
	_, rest, ok := strings.Cut(text, "--comment \""+ruleComment)
	return rule.ID(rest[:max(0, strings.IndexAny(rest, " \""))]), ok
}

// judges reports whether rules of policies are in the table.
func (t *tablePlan) judges() bool {
	for _, c := range t.chains {
		for _, r := range c.rules {
			if _, ok := ruleIDOf(r); ok {
				return true
			}
		}
	}
	return false
}
