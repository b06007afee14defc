// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"math"
	"slices"

	"github.com/weftnet/weft/policy/rule"
)

// groupFrom is the number of steps of a tier from which they are grouped.
const groupFrom = 12

// grouped puts neighbours of a long tier, as far as each asks for a set of peers, behind one test: is the peer in any of those sets? With
// as many groups as steps in a group, a packet meets about twice the square root of the number of policies in place of that number.
func (b *builder) grouped(steps []step, s stage) []step {
	steps = slices.DeleteFunc(steps, func(st step) bool { return st.target == "" && len(st.inline) == 0 })
	if len(steps) < b.groupFrom {
		return steps
	}
	size := int(math.Ceil(math.Sqrt(float64(len(steps)))))
	var out, run []step
	flush := func() {
		if len(run) > 1 {
			run = []step{b.group(run, s)}
		}
		out, run = append(out, run...), nil
	}
	for _, st := range steps {
		if st.peers == nil {
			flush()
			out = append(out, st)
			continue
		}
		if run = append(run, st); len(run) == size {
			flush()
		}
	}
	flush()
	return out
}

// peer says where the peer of a packet must be for it to meet the criteria; empty: anywhere.
func (b branch) peer() string {
	for _, c := range b {
		if c.peer != "" {
			return c.peer
		}
	}
	return ""
}

// group renders the chain of a group and returns the jump to it.
func (b *builder) group(steps []step, s stage) step {
	key := s.key()
	var rules []string
	var peers []string
	common := steps[0].common
	for _, st := range steps {
		key += st.target
		rules = append(rules, b.renderStep(st, s)...)
		peers = append(peers, st.peers...)
		common = common.intersect(st.common)
	}
	name := chainName("g", key)
	b.put(name, rules, unit{})
	out := step{target: name, common: common}
	if common.peer() == "" {
		flag := "src"
		if s.dir == rule.Egress {
			flag = "dst"
		}
		out.common = common.and(module("-m set --match-set " + b.sets.union(b.fam, peers) + " " + flag))
	}
	return out
}
