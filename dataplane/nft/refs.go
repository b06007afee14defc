// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// hold refers to a chain, which comes into being with the first reference.
func (l *ledger) hold(spec chainSpec) {
	c := l.chains[spec.name]
	if c == nil {
		c = &chain{spec: spec}
		l.chains[spec.name] = c
		for _, id := range spec.uses() {
			l.policyUse.put(id, spec.name)
		}
	}
	if spec.hook != nil {
		c.spec, c.rendered = spec, false
	}
	c.refs++
	if !c.rendered {
		l.dirty[spec.name] = struct{}{}
	}
}

// release gives a reference back.
func (l *ledger) release(name string) {
	if c := l.chains[name]; c != nil {
		c.refs--
		if c.refs == 0 {
			l.dirty[name] = struct{}{}
		}
	}
}

func (l *ledger) holdConst(k *constSet, tag unit) {
	c := l.consts[k.set.Name]
	if c == nil {
		c = &konst{constSet: k, tag: tag}
		l.consts[k.set.Name] = c
	}
	c.refs++
	l.dirtyConsts[k.set.Name] = struct{}{}
}

func (l *ledger) releaseConst(name string) {
	l.consts[name].refs--
	l.dirtyConsts[name] = struct{}{}
}

// refusal is an error of one unit found while planning.
type refusal struct {
	unit unit
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("%v: %v", r.unit, r.err) }
func (r *refusal) Unwrap() error { return r.err }

// finish renders what is dirty, drops what is not needed any more, and returns the plan. Chains refer to chains of higher levels only, so
// that level by level each is looked at once, when it is known who still refers to it.
func (l *ledger) finish() (*plan, error) {
	for level := range levels {
		if err := l.settleLevel(level); err != nil {
			return nil, err
		}
		if level == indexLevel {
			l.settleTouched()
		}
	}
	l.settleFrame()
	l.settleConsts()
	l.settleIndexes()
	l.retire()
	for _, w := range l.writes {
		l.next.chains = append(l.next.chains, w)
	}
	l.next.sort()
	return l.next, nil
}

// settleLevel settles the dirty chains of a level.
func (l *ledger) settleLevel(level int) error {
	if len(l.dirty) == 0 { // nearly always: a member more or less
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(l.dirty)) {
		if c := l.chains[name]; c.spec.level() == level {
			delete(l.dirty, name)
			if err := l.settle(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle renders a chain that is in use. One that is not gives back what it refers to and waits to be retired.
func (l *ledger) settle(c *chain) error {
	if c.refs == 0 {
		l.exchangeRefs(c, rendered{})
		c.rendered = false
		l.idle[c.spec.name] = struct{}{}
		return nil
	}
	r := renderer{policy: l.view.Policy, shape: l.shape, options: l.options}
	now, err := r.chain(c.spec)
	if err != nil {
		return &refusal{c.spec.unit(), err}
	}
	l.exchangeRefs(c, now)
	sum := sumOf(now.rules)
	if !c.programmed || sum != c.sum {
		l.writes[c.spec.name] = chainWrite{chain: nft.Chain{Name: c.spec.name, Hook: c.spec.hook}, fresh: !c.programmed, rules: now.rules, tag: c.spec.unit()}
	}
	c.sum, c.rendered = sum, true
	return nil
}

// exchangeRefs takes the references of a new rendering and gives back those of the old.
func (l *ledger) exchangeRefs(c *chain, now rendered) {
	oldJumps, oldSets, oldConsts := c.jumps, c.sets, c.consts
	c.jumps, c.sets, c.consts = nil, now.sets, nil
	for _, j := range now.jumps {
		l.hold(j)
		c.jumps = append(c.jumps, j.name)
	}
	for _, k := range now.consts {
		l.holdConst(k, c.spec.unit())
		c.consts = append(c.consts, k.set.Name)
	}
	for _, id := range oldSets {
		l.setUse.drop(id, c.spec.name)
	}
	for _, id := range now.sets {
		l.setUse.put(id, c.spec.name)
	}
	if c.spec.indexed {
		l.reindex(c, now.peers)
	}
	for _, name := range oldJumps {
		l.release(name)
	}
	for _, name := range oldConsts {
		l.releaseConst(name)
	}
}

func (l *ledger) shape(id rule.SetID) (shape, bool) {
	s, ok := l.sets[id]
	if !ok {
		return shape{}, false
	}
	return s.shape(), true
}

func (l *ledger) settleConsts() {
	for name := range l.dirtyConsts {
		switch k := l.consts[name]; {
		case k.refs > 0 && !k.programmed:
			k.programmed = true
			l.next.addSets = append(l.next.addSets, setAdd{k.set, k.tag})
			if len(k.keys) > 0 {
				l.next.keys = append(l.next.keys, keyChange{set: k.set, add: k.keys, tag: k.tag})
			}
			for _, v := range k.verdicts {
				l.next.verdicts = append(l.next.verdicts, verdictChange{set: k.set, key: v.Key, now: &v.Verdict, tag: k.tag})
			}
		case k.refs == 0:
			if k.programmed {
				l.next.dropSets = append(l.next.dropSets, name)
			}
			delete(l.consts, name)
		}
	}
}

// retire drops the chains that nothing refers to and takes the written ones for programmed.
func (l *ledger) retire() {
	for name := range l.idle {
		c := l.chains[name]
		if c.refs > 0 {
			continue
		}
		delete(l.writes, name)
		if c.programmed {
			l.next.dropChains = append(l.next.dropChains, name)
		}
		for _, id := range c.spec.uses() {
			l.policyUse.drop(id, name)
		}
		delete(l.chains, name)
	}
	for name := range l.writes {
		if c := l.chains[name]; c != nil { // not of the frame
			c.programmed = true
		}
	}
}

func sumOf(rules []ruleSpec) [sha256.Size]byte {
	var b []byte
	for _, r := range rules {
		exprs, userData := r.encode()
		b = ruleRecord{exprs, userData}.appendTo(b)
	}
	return sha256.Sum256(b)
}
