// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"strings"

	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// Hits returns how many packets each rule has decided, or logged, since it was programmed. Only packets that meet policy count: the first
// of a connection, not those of established ones.
func (d *Driver) Hits() (map[rule.ID]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rules, err := d.conn.Rules(tableName, "")
	if err != nil {
		return nil, err
	}
	out := map[rule.ID]uint64{}
	for _, r := range rules {
		if id, ok := ruleIDOf(nft.ParseComment(r.UserData)); ok {
			out[id] += r.Packets
		}
	}
	return out, nil
}

// ruleIDOf returns the RuleID in a comment: "rule <id> <text>". Other comments start otherwise.
func ruleIDOf(comment string) (rule.ID, bool) {
	rest, ok := strings.CutPrefix(comment, ruleComment)
	id, _, _ := strings.Cut(rest, " ")
	return rule.ID(id), ok
}

const ruleComment = "rule "
