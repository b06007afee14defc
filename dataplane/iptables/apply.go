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
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/xtables"
)

// applyDelta brings the kernel from what the plan says to view.
func (d *Driver) applyDelta(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	old := d.plan
	d.plan = nil // until all is well
	if membersOnly(delta) {
		if err := d.members(old.sets, view, delta); err != nil {
			return dataplane.Report{}, err
		}
		d.plan = old
		return dataplane.Report{Failed: d.closed(view), Settings: d.settings.Refused()}, nil
	}
	if err := old.change(view, delta); err != nil {
		return dataplane.Report{}, err
	}
	after, err := d.growSets(old.sets, view, delta)
	if err != nil {
		return dataplane.Report{}, err
	}
	for _, key := range tableKeys() {
		if err := d.write(ctx, key, old.tables[key].tablePlan); err != nil {
			return dataplane.Report{}, err
		}
	}
	if err := d.sets.Commit(after); err != nil {
		return dataplane.Report{}, err
	}
	old.settle()
	d.plan = old
	report := dataplane.Report{Settings: d.settings.Refused()}
	for _, e := range delta.Endpoints {
		report.Programmed = append(report.Programmed, e.ID)
	}
	for _, e := range delta.HostEndpoints {
		report.Programmed = append(report.Programmed, e.ID)
	}
	return report, nil
}

// write brings a table from what it was last given to its plan.
func (d *Driver) write(ctx context.Context, key tableKey, t *tablePlan) error {
	now, held := t.changed()
	script, _ := d.prints.change(key.name, now, held)
	if script.Empty() {
		return nil
	}
	if len(now.jumps) > 0 || len(now.chains) > len(t.chains)/2 {
		if _, err := d.tables.Restore(ctx, key.fam.v6, script); err != nil {
			return err
		}
		return d.readBack(ctx, key, now)
	}
	back, err := d.tables.Restore(ctx, key.fam.v6, script, slices.Sorted(maps.Keys(now.chains))...)
	if err != nil {
		return err
	}
	return d.confirm(key, now, &xtables.Table{Chains: back})
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
func (d *Driver) members(p *setPlans, view desired.View, delta *desired.Delta) error {
	d.come.Reset()
	d.gone.Reset()
	if err := d.changeMembers(p, view, delta, &d.come, &d.gone); err != nil {
		return err
	}
	if err := d.sets.Commit(&d.come); err != nil {
		return err
	}
	return d.sets.Commit(&d.gone)
}

// changeMembers puts a delta's changes of members in batches: what comes, and what goes. Sets that are created get theirs elsewhere.
func (d *Driver) changeMembers(p *setPlans, view desired.View, delta *desired.Delta, add, del *ipset.Batch) error {
	for i := range delta.IPSets {
		c := &delta.IPSets[i]
		if err := checkMembers(c.Kind, slices.Values(c.Added)); err != nil {
			return &refusal{setUnit(c.ID), err}
		}
		for _, s := range p.bySource[c.ID] {
			if was, changed := p.before[s.set.Name]; changed && was == nil {
				continue
			}
			come := s.appendAll(nil, c.Added)
			gone := slices.DeleteFunc(s.appendAll(nil, c.Removed), func(e ipset.Element) bool { return s.holds(view, e) })
			add.Tag(&s.tag)
			add.Add(s.set, come...)
			del.Tag(&s.tag)
			del.Delete(s.set, gone...)
			d.resize(s, come, gone)
		}
	}
	return nil
}

// growSets creates sets and adds elements, and returns what is to be done when no rule needs the rest any more.
func (d *Driver) growSets(p *setPlans, view desired.View, delta *desired.Delta) (*ipset.Batch, error) {
	var before, after ipset.Batch
	for _, name := range slices.Sorted(maps.Keys(p.before)) {
		was, now := p.before[name], p.byName[name]
		switch {
		case now == nil && was == nil:
		case now == nil:
			after.Destroy(name)
			delete(d.sizes, name)
		case was == nil:
			before.Tag(&now.tag)
			if err := create(&before, now, view); err != nil {
				return nil, err
			}
			d.sizes[name] = 0
			d.resize(now, slices.Collect(now.elements(view)), nil)
		case was.set != now.set:
			return nil, fmt.Errorf("IP set %s becomes of another kind", name)
		default:
			before.Tag(&now.tag)
			come, gone := missing(now.own, was.own), missing(was.own, now.own)
			before.Add(now.set, come...)
			after.Delete(now.set, gone...)
			d.resize(now, come, gone)
		}
	}
	if err := d.changeMembers(p, view, delta, &before, &after); err != nil {
		return nil, err
	}
	return &after, d.sets.Commit(&before)
}

// missing lists what of one set is not in another.
func missing(of, in map[ipset.Element]struct{}) []ipset.Element {
	var out []ipset.Element
	for e := range of {
		if _, ok := in[e]; !ok {
			out = append(out, e)
		}
	}
	return out
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

// readBack confirms that a table holds its plan, or the changed part of it.
func (d *Driver) readBack(ctx context.Context, key tableKey, want *tablePlan) error {
	held, err := d.tables.Save(ctx, key.fam.v6, key.name)
	if err != nil {
		return err
	}
	return d.confirm(key, want, held)
}

// confirm compares what was written with what was read back.
func (d *Driver) confirm(key tableKey, want *tablePlan, held *xtables.Table) error {
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
		p, count, err := d.tryReconcile(ctx, d.settings.View(view), closed)
		switch {
		case err == nil:
			d.settings.Take(view)
			report := dataplane.Report{Failed: closed, Settings: d.settings.Refused()}
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
	after, count, err := d.compareSets(p.sets, view)
	if err != nil {
		return p, 0, err
	}
	for _, key := range tableKeys() {
		n, err := d.repair(ctx, key, p.tables[key].tablePlan)
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
	dropped, err := d.dropSets(p.sets.byName)
	return p, count + dropped, errors.Join(err, d.rememberSizes())
}

// save returns what a table holds of ours. That of translation may be one that the tools cannot read, by what others have put in it, as long as
// nothing is wanted in it.
func (d *Driver) save(ctx context.Context, tables xtables.Tables, key tableKey, want *tablePlan) (*xtables.Table, error) {
	held, err := tables.Save(ctx, key.fam.v6, key.name)
	if err != nil && key.name == tableNAT && len(want.chains) == 0 && ctx.Err() == nil {
		return &xtables.Table{}, nil
	}
	return held, err
}

// repair writes the difference between a table's plan and what it holds, and returns how much that was.
func (d *Driver) repair(ctx context.Context, key tableKey, want *tablePlan) (int, error) {
	held, err := d.save(ctx, d.tables, key, want)
	if err != nil && key.name == tableNAT {
		return 0, &tableError{key: key, err: err}
	}
	if err != nil {
		return 0, err
	}
	script, count := d.prints.change(key.name, want, held)
	if script.Empty() {
		return 0, nil
	}
	if _, err := d.tables.Restore(ctx, key.fam.v6, script); err != nil {
		return 0, &tableError{key, script, err}
	}
	return count, d.readBack(ctx, key, want)
}

// tableError says which table's script was refused; without one, that the table of translation cannot be read.
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
func (d *Driver) compareSets(p *setPlans, view desired.View) (*ipset.Batch, int, error) {
	headers, err := d.headers()
	if err != nil {
		return nil, 0, err
	}
	var before, after ipset.Batch
	count := 0
	for _, name := range slices.Sorted(maps.Keys(p.byName)) {
		s := p.byName[name]
		before.Tag(&s.tag)
		after.Tag(&s.tag)
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
