// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"iter"

	"github.com/weftnet/weft/sys/nft"
)

// emitter writes a plan as one transaction.
type emitter struct {
	b *nft.Batch
	// rulesOf reads the rules of a chain that is not fresh.
	rulesOf func(chain string) ([]nft.Rule, error)
}

// emit orders the messages so that each finds what it refers to, and nothing is deleted while it is referred to. For packets the order
// does not matter: they see all or nothing.
func (e emitter) emit(p *plan) error {
	if p.addTable {
		e.b.AddTable()
	}
	for _, s := range p.addSets {
		e.b.Tag(s.tag)
		e.b.AddSet(s.set)
	}
	for _, k := range p.keys { // before any is added: one can pass from one endpoint to another
		e.b.Tag(k.tag)
		e.b.DelKeys(k.set, k.del)
	}
	for _, k := range p.keys {
		e.b.Tag(k.tag)
		e.b.AddKeys(k.set, k.add)
	}
	for _, c := range p.chains {
		if c.fresh {
			e.b.Tag(c.tag)
			e.b.AddChain(c.chain)
		}
	}
	e.verdicts(p)
	for _, c := range p.chains {
		e.b.Tag(c.tag)
		if err := e.rules(c); err != nil {
			return err
		}
	}
	e.b.Tag(unit{})
	for _, name := range p.dropChains {
		e.b.FlushChain(name)
	}
	for _, name := range p.dropSets {
		e.b.DelSet(name)
	}
	for _, name := range p.dropChains {
		e.b.DelChain(name)
	}
	return nil
}

// verdicts deletes before it adds: a key can pass from one endpoint to another.
func (e emitter) verdicts(p *plan) {
	for run := range runs(p.verdicts) {
		var del []byte
		for _, v := range run {
			if v.old != nil {
				del = append(del, v.key...)
			}
		}
		e.b.Tag(run[0].tag)
		e.b.DelKeys(run[0].set, del)
	}
	for run := range runs(p.verdicts) {
		var add []nft.VerdictKey
		for _, v := range run {
			if v.now != nil {
				add = append(add, nft.VerdictKey{Key: v.key, Verdict: *v.now})
			}
		}
		e.b.Tag(run[0].tag)
		e.b.AddVerdicts(run[0].set, add...)
	}
}

// runs yields stretches of changes of one map for one party.
func runs(changes []verdictChange) iter.Seq[[]verdictChange] {
	return func(yield func([]verdictChange) bool) {
		for len(changes) > 0 {
			n := 1
			for n < len(changes) && changes[n].set.Name == changes[0].set.Name && changes[n].tag == changes[0].tag {
				n++
			}
			if !yield(changes[:n]) {
				return
			}
			changes = changes[n:]
		}
	}
}

// rules writes a chain's rules. Of a chain that has some, only the stretch that differs is replaced.
func (e emitter) rules(c chainWrite) error {
	now := make([]ruleRecord, len(c.rules))
	for i, r := range c.rules {
		now[i].exprs, now[i].userData = r.encode()
	}
	if c.fresh {
		for _, r := range now {
			e.b.AddRule(c.chain.Name, r.exprs, r.userData)
		}
		return nil
	}
	old, err := e.rulesOf(c.chain.Name)
	if err != nil {
		return fmt.Errorf("reading chain %s: %w", c.chain.Name, err)
	}
	e.patch(c.chain.Name, old, now)
	return nil
}

// patch keeps what two lists have in common at their ends and replaces what is between.
func (e emitter) patch(chain string, old []nft.Rule, now []ruleRecord) {
	head := 0
	var after uint64
	for head < min(len(old), len(now)) && old[head].Same(now[head].exprs, now[head].userData) {
		after = old[head].Handle
		head++
	}
	tail := 0
	for tail < min(len(old), len(now))-head && same(old[len(old)-1-tail], now[len(now)-1-tail]) {
		tail++
	}
	for _, r := range old[head : len(old)-tail] {
		e.b.DelRule(chain, r.Handle)
	}
	// Each goes right behind the same rule, so the last comes first.
	for i := len(now) - tail - 1; i >= head; i-- {
		e.b.AddRuleAfter(chain, after, now[i].exprs, now[i].userData)
	}
}

func same(old nft.Rule, now ruleRecord) bool { return old.Same(now.exprs, now.userData) }

// differs reports whether a chain's rules are not those of the rendering.
func differs(old []nft.Rule, rules []ruleSpec) bool {
	if len(old) != len(rules) {
		return true
	}
	for i, r := range rules {
		if exprs, userData := r.encode(); !old[i].Same(exprs, userData) {
			return true
		}
	}
	return false
}
