// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// touch notes that an IP set gained or lost members: indexed tiers that use it must look at them.
func (l *ledger) touch(c *desired.IPSetChange) {
	for name := range l.peerUse[c.ID] {
		if l.touched[name] == nil {
			l.touched[name] = map[netip.Addr]struct{}{}
		}
		for _, list := range [][]desired.Member{c.Added, c.Removed} {
			for _, m := range list {
				if m.Prefix.IsSingleIP() {
					l.touched[name][m.Prefix.Addr()] = struct{}{}
				}
			}
		}
	}
}

// reindex brings a chain's index to a new rendering; nil takes it away.
func (l *ledger) reindex(c *chain, now *peerIndex) {
	name := c.spec.name
	old := l.peers[name]
	if old != nil && now != nil && old.equal(&now.split) {
		return // members that changed are touched
	}
	if now == nil {
		now = &peerIndex{spec: c.spec, set: old.set}
	}
	now.peers, now.known, now.uses, now.changed = map[netip.Addr]*combination{}, map[candidates]*combination{}, map[string]int{}, map[netip.Addr]string{}
	if old != nil {
		now.programmed, now.changed = old.programmed, old.changed
		for peer := range old.peers {
			old.note(peer)
		}
		for id := range old.keys() {
			l.peerUse.drop(id, name)
		}
	}
	l.peers[name] = now
	for id := range now.keys() {
		l.peerUse.put(id, name)
	}
	for peer, bits := range now.all(l.view) {
		now.direct(peer, candidates(bits))
	}
	l.lead(now)
	if old != nil {
		for chain := range old.uses {
			l.release(chain)
		}
	}
}

// keys are the sets that the index is made from.
func (x *peerIndex) keys() map[rule.SetID]struct{} {
	out := map[rule.SetID]struct{}{}
	for _, k := range x.keyed {
		for _, id := range k.sets {
			out[id] = struct{}{}
		}
	}
	return out
}

// lead sends combinations to their chains.
func (l *ledger) lead(x *peerIndex) {
	l.reindexed[x.spec.name] = struct{}{}
	if !x.stale {
		return
	}
	x.stale = false
	for c, combo := range x.known {
		if combo.count == 0 {
			l.redirect(x, combo, "")
			delete(x.known, c)
		}
	}
	if level := x.fittingLevel(); level != x.level {
		x.level = level
		for peer := range x.peers {
			x.note(peer)
		}
		for _, combo := range x.known {
			l.redirect(x, combo, "")
		}
	}
	chains := map[candidates]chainSpec{} // many combinations are in one group
	for _, combo := range x.known {
		if combo.chain == "" {
			group := x.group(combo.candidates, x.level)
			spec, known := chains[group]
			if !known {
				spec = x.chainOf(group)
				chains[group] = spec
			}
			if x.uses[spec.name] == 0 {
				l.hold(spec)
			}
			l.redirect(x, combo, spec.name)
		}
	}
}

// redirect moves a combination's reference from one chain to another; empty: none.
func (l *ledger) redirect(x *peerIndex, combo *combination, chain string) {
	if chain != "" {
		x.uses[chain]++
	}
	if was := combo.chain; was != "" {
		x.uses[was]--
		if x.uses[was] == 0 {
			delete(x.uses, was)
			l.release(was)
		}
	}
	combo.chain = chain
}

// settleTouched looks at the touched peers of indexed tiers.
func (l *ledger) settleTouched() {
	for name, peers := range l.touched {
		x := l.peers[name]
		if x == nil {
			continue
		}
		for peer := range peers {
			if familyOf(peer) == x.spec.fam {
				x.direct(peer, x.of(l.view, peer))
			}
		}
		l.lead(x)
	}
}

// settleIndexes plans the maps and elements of the indexes that changed.
func (l *ledger) settleIndexes() {
	for _, name := range slices.Sorted(maps.Keys(l.reindexed)) {
		x := l.peers[name]
		if l.chains[name].refs == 0 {
			if x.programmed {
				l.next.dropSets = append(l.next.dropSets, x.set.Name)
			}
			delete(l.peers, name)
			continue
		}
		if !x.programmed {
			l.next.addSets = append(l.next.addSets, setAdd{x.set, x.spec.unit()})
			x.programmed = true
		}
		for peer, was := range x.changed {
			now := ""
			if c := x.peers[peer]; c != nil {
				now = c.chain
			}
			if now != was {
				l.next.verdicts = append(l.next.verdicts, verdictChange{
					set: x.set, key: peer.AsSlice(), old: verdictTo(nft.VerdictGoto, was), now: verdictTo(nft.VerdictGoto, now), tag: x.spec.unit(),
				})
			}
		}
		clear(x.changed)
	}
}
