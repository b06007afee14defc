// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/xtables"
)

// applyDelta brings the kernel from what the plan says to view.
func (d *Driver) applyDelta(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	old := d.plan
	d.plan = nil // until all is well
	if membersOnly(delta) {
		if err := d.members(old, view, delta); err != nil {
			return dataplane.Report{}, err
		}
		d.plan = old
		return dataplane.Report{Failed: d.closed(view)}, nil
	}
	closed := d.closed(view)
	now, err := render(view, d.options, closed, d.failed)
	if err != nil {
		return dataplane.Report{}, err
	}
	after, err := d.growSets(old, now, view, delta)
	if err != nil {
		return dataplane.Report{}, err
	}
	for _, key := range tableKeys() {
		script, _ := d.prints.change(key.name, now.tables[key], asHeld(old.tables[key]))
		if script.Empty() {
			continue
		}
		if err := d.tables.Restore(ctx, key.fam.v6, script); err != nil {
			return dataplane.Report{}, err
		}
		if err := d.readBack(ctx, key, now.tables[key]); err != nil {
			return dataplane.Report{}, err
		}
	}
	if err := errors.Join(d.sets.Commit(after), d.rememberSizes()); err != nil {
		return dataplane.Report{}, err
	}
	d.plan = now
	report := dataplane.Report{Failed: closed}
	for _, e := range delta.Endpoints {
		report.Programmed = appendOpen(report.Programmed, e.ID, closed)
	}
	for _, e := range delta.HostEndpoints {
		report.Programmed = appendOpen(report.Programmed, e.ID, closed)
	}
	return report, nil
}

func appendOpen(ids []desired.EndpointID, id desired.EndpointID, closed map[desired.EndpointID]error) []desired.EndpointID {
	if closed[id] != nil {
		return ids
	}
	return append(ids, id)
}

// membersOnly reports whether a delta changes nothing for packets but the members of sets that are there.
func membersOnly(d *desired.Delta) bool {
	if len(d.Policies)+len(d.Endpoints)+len(d.HostEndpoints)+len(d.EndpointsRemoved)+len(d.HostEndpointsRemoved)+len(d.PoliciesRemoved)+len(d.IPSetsRemoved) > 0 || d.Settings != nil {
		return false
	}
	return !slices.ContainsFunc(d.IPSets, func(c desired.IPSetChange) bool { return c.Created })
}

// members changes the members of sets.
func (d *Driver) members(p *plan, view desired.View, delta *desired.Delta) error {
	var add, del ipset.Batch
	if err := changeMembers(view, p.bySource, delta, &add, &del, d.resize); err != nil {
		return err
	}
	if err := d.sets.Commit(&add); err != nil {
		return err
	}
	return d.sets.Commit(&del)
}

// changeMembers puts a delta's changes of members in batches: what comes, and what goes. It tells note of each.
func changeMembers(view desired.View, bySource map[rule.SetID][]*setPlan, delta *desired.Delta, add, del *ipset.Batch, note func(s *setPlan, come, gone []ipset.Element)) error {
	for i := range delta.IPSets {
		c := &delta.IPSets[i]
		if err := checkMembers(c.Kind, slices.Values(c.Added)); err != nil {
			return &refusal{setUnit(c.ID), err}
		}
		for _, s := range bySource[c.ID] {
			var gone []ipset.Element
			for _, m := range c.Removed {
				for _, e := range s.of(m) {
					if !s.holds(view, e) {
						gone = append(gone, e)
					}
				}
			}
			var come []ipset.Element
			for _, m := range c.Added {
				come = append(come, s.of(m)...)
			}
			add.Tag(s.tag)
			add.Add(s.set, come...)
			del.Tag(s.tag)
			del.Delete(s.set, gone...)
			note(s, come, gone)
		}
	}
	return nil
}

// growSets creates sets and adds elements, and returns what is to be done when no rule needs the rest any more.
func (d *Driver) growSets(old, now *plan, view desired.View, delta *desired.Delta) (*ipset.Batch, error) {
	kept := map[string]*setPlan{}
	var before, after ipset.Batch
	for _, name := range slices.Sorted(maps.Keys(now.sets)) {
		s, was := now.sets[name], old.sets[name]
		before.Tag(s.tag)
		if was == nil {
			if err := create(&before, s, view); err != nil {
				return nil, err
			}
			continue
		}
		kept[name] = s
		var come, gone []ipset.Element
		for e := range s.own {
			if _, ok := was.own[e]; !ok {
				come = append(come, e)
			}
		}
		for e := range was.own {
			if _, ok := s.own[e]; !ok {
				gone = append(gone, e)
			}
		}
		before.Add(s.set, come...)
		after.Delete(s.set, gone...)
	}
	if err := changeMembers(view, bySource(kept), delta, &before, &after, func(*setPlan, []ipset.Element, []ipset.Element) {}); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(old.sets)) {
		if now.sets[name] == nil {
			after.Destroy(name)
		}
	}
	return &after, d.sets.Commit(&before)
}

// create makes a set with its elements.
func create(b *ipset.Batch, s *setPlan, view desired.View) error {
	for _, id := range s.sources {
		if set, ok := view.IPSet(id); ok {
			if err := checkMembers(set.Kind, maps.Keys(set.Members)); err != nil {
				return &refusal{setUnit(id), err}
			}
		}
	}
	b.Create(s.set, s.size(view))
	b.Add(s.set, slices.Collect(s.elements(view))...)
	return nil
}

// readBack confirms that a table holds its plan.
func (d *Driver) readBack(ctx context.Context, key tableKey, want *tablePlan) error {
	held, err := d.tables.Save(ctx, key.fam.v6, key.name)
	if err != nil {
		return err
	}
	for name, c := range want.chains {
		if rules, there := held.Chains[name]; !there || !d.prints.learn(c.rules, rules) {
			return fmt.Errorf("table %s: chain %s does not hold what was just written", key.name, name)
		}
	}
	for name, text := range want.jumps {
		if len(held.Jumps[name]) != 1 {
			return fmt.Errorf("table %s: chain %s does not have the jump that was just written", key.name, name)
		}
		if printed := held.Jumps[name][0].Text; printed != text {
			d.prints[text] = printed
		}
	}
	return nil
}

// reconcile makes the kernel hold exactly what view asks, whatever it holds now. A unit that cannot be rendered, or that the kernel refuses,
// is left out together with the endpoints that need it, and the rest is tried again.
func (d *Driver) reconcile(ctx context.Context, view desired.View) (dataplane.Report, error) {
	d.plan = nil
	for {
		closed := d.closed(view)
		p, count, err := d.tryReconcile(ctx, view, closed)
		switch {
		case err == nil:
			report := dataplane.Report{Failed: closed}
			if d.synced {
				report.Repaired = count
			}
			for e := range view.Endpoints() {
				report.Programmed = appendOpen(report.Programmed, e.ID, closed)
			}
			for e := range view.HostEndpoints() {
				report.Programmed = appendOpen(report.Programmed, e.ID, closed)
			}
			d.plan, d.synced = p, true
			return report, nil
		case ctx.Err() != nil || !d.blame(ctx, err, view, p):
			return dataplane.Report{}, err
		}
	}
}

// tryReconcile reconciles without the closed endpoints and failed sets: sets first, then the rules that ask for them, then what no rule needs.
func (d *Driver) tryReconcile(ctx context.Context, view desired.View, closed map[desired.EndpointID]error) (*plan, int, error) {
	p, err := render(view, d.options, closed, d.failed)
	if err != nil {
		return nil, 0, err
	}
	after, count, err := d.compareSets(p, view)
	if err != nil {
		return p, 0, err
	}
	for _, key := range tableKeys() {
		n, err := d.repair(ctx, key, p.tables[key])
		if err != nil {
			return p, 0, err
		}
		count += n
	}
	if err := d.sets.Commit(after); err != nil {
		return p, 0, err
	}
	if !d.synced {
		if err := d.clearTables(ctx, d.other); err != nil {
			return p, 0, fmt.Errorf("rules left in the tables of iptables-%s: %w", otherFlavour(d.options.Flavour), err)
		}
	}
	dropped, err := d.dropSets(p.sets)
	return p, count + dropped, errors.Join(err, d.rememberSizes())
}

// repair writes the difference between a table's plan and what it holds, and returns how much that was.
func (d *Driver) repair(ctx context.Context, key tableKey, want *tablePlan) (int, error) {
	held, err := d.tables.Save(ctx, key.fam.v6, key.name)
	if err != nil {
		return 0, err
	}
	script, count := d.prints.change(key.name, want, held)
	if script.Empty() {
		return 0, nil
	}
	if err := d.tables.Restore(ctx, key.fam.v6, script); err != nil {
		return 0, &tableError{key, script, err}
	}
	return count, d.readBack(ctx, key, want)
}

// tableError says which table's script was refused.
type tableError struct {
	key    tableKey
	script *xtables.Script
	err    error
}

func (e *tableError) Error() string {
	return fmt.Sprintf("IPv%d table %s: %v", e.key.fam.version, e.key.name, e.err)
}
func (e *tableError) Unwrap() error { return e.err }

// compareSets creates what is missing and adds what is missing in it. It returns what to delete from sets once the rules are in place, and
// how many sets differed.
func (d *Driver) compareSets(p *plan, view desired.View) (*ipset.Batch, int, error) {
	headers, err := d.headers()
	if err != nil {
		return nil, 0, err
	}
	var before, after ipset.Batch
	count := 0
	for _, name := range slices.Sorted(maps.Keys(p.sets)) {
		s := p.sets[name]
		before.Tag(s.tag)
		after.Tag(s.tag)
		have, there := headers[name]
		if there && (have.Foreign || have.Set != s.set) {
			before.Destroy(name) // refused while rules use it, and then it is an error
			there = false
		}
		if !there {
			if err := create(&before, s, view); err != nil {
				return nil, 0, err
			}
			count++
			continue
		}
		come, gone, err := d.compareElements(s, view)
		if err != nil {
			return nil, 0, err
		}
		if len(come)+len(gone) > 0 {
			count++
		}
		before.Add(s.set, come...)
		after.Delete(s.set, gone...)
	}
	return &after, count, d.sets.Commit(&before)
}

// compareElements returns what a set lacks and what it has beside.
func (d *Driver) compareElements(s *setPlan, view desired.View) (come, gone []ipset.Element, err error) {
	have, err := d.sets.Elements(s.set.Name)
	if err != nil {
		return nil, nil, err
	}
	left := make(map[ipset.Element]bool, len(have))
	for _, e := range have {
		left[e] = false
	}
	for e := range s.elements(view) {
		if _, ok := left[e]; !ok {
			come = append(come, e)
		}
		left[e] = true
	}
	for _, e := range have {
		if !left[e] {
			gone = append(gone, e)
		}
	}
	return come, gone, nil
}

// headers are the kernel's sets that are ours by name.
func (d *Driver) headers() (map[string]ipset.Header, error) {
	all, err := d.sets.Headers()
	out := map[string]ipset.Header{}
	for _, h := range all {
		if ownSet(h.Name) {
			out[h.Name] = h
		}
	}
	return out, err
}

// dropSets destroys sets of ours that are not in keep, and returns how many.
func (d *Driver) dropSets(keep map[string]*setPlan) (int, error) {
	headers, err := d.headers()
	var b ipset.Batch
	count := 0
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if keep[name] == nil {
			b.Destroy(name)
			count++
		}
	}
	return count, errors.Join(err, d.sets.Commit(&b))
}
