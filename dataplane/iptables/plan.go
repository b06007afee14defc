// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// plan is everything that shall be in the kernel. It is rendered of a whole view once, and then changed as the view changes.
type plan struct {
	tables map[tableKey]*builder
	sets   *setPlans
}

// tableKey names a table of one family.
type tableKey struct {
	fam  *family
	name string
}

// The tables. Packets meet them in this order, and changes are written in the opposite one: what an earlier table relies on is there before it.
const (
	tableRaw    = "raw"
	tableMangle = "mangle"
	tableFilter = "filter"
	tableNAT    = "nat"
)

func tableKeys() []tableKey {
	var out []tableKey
	for _, name := range []string{tableFilter, tableNAT, tableMangle, tableRaw} {
		for _, f := range families {
			out = append(out, tableKey{f, name})
		}
	}
	return out
}

// render plans the whole of a view but the closed endpoints and the failed sets. The error is a *refusal when one unit is at fault.
func render(view desired.View, o Options, closed map[desired.EndpointID]error, failed map[unit]error) (*plan, error) {
	p := &plan{tables: map[tableKey]*builder{}, sets: newSetPlans(view, failed)}
	for _, key := range tableKeys() {
		p.tables[key] = newBuilder(key, p.sets, o.groupFrom)
	}
	if err := p.frame(view, closed); err != nil {
		return nil, err
	}
	p.sweep()
	p.settle()
	return p, nil
}

// change makes the plan that of view, which differs from the plan's by delta. Only chains that something in the delta concerns are rendered. After an
// error the plan is of no use.
func (p *plan) change(view desired.View, delta *desired.Delta) error {
	p.sets.change(view, delta)
	for _, b := range p.tables {
		b.view = view
		b.forget(delta)
	}
	if reframes(delta) {
		if err := p.frame(view, nil); err != nil {
			return err
		}
	}
	for _, b := range p.tables {
		if err := b.refresh(); err != nil {
			return err
		}
	}
	p.sweep()
	return nil
}

// reframes reports whether a delta is about more than the contents of policies and sets.
func reframes(d *desired.Delta) bool {
	return len(d.Endpoints)+len(d.HostEndpoints)+len(d.EndpointsRemoved)+len(d.HostEndpointsRemoved) > 0 || d.Settings != nil
}

// frame renders what leads to policy, and with it the chains of endpoints that are new.
func (p *plan) frame(view desired.View, closed map[desired.EndpointID]error) error {
	endpoints, err := openEndpoints(view, closed)
	if err != nil {
		return err
	}
	hosts, err := openHosts(view, closed)
	if err != nil {
		return err
	}
	p.sets.workloadSources(endpoints)
	for _, key := range tableKeys() {
		if err := p.tables[key].reframe(view, endpoints, hosts); err != nil {
			return err
		}
	}
	return nil
}

// sweep drops what nothing leads to any more.
func (p *plan) sweep() {
	for _, b := range p.tables {
		b.sweep()
	}
	p.sets.sweep()
}

// settle says that the kernel holds the plan.
func (p *plan) settle() {
	for _, b := range p.tables {
		b.settle()
	}
	clear(p.sets.before)
}

// openEndpoints are the endpoints that can be programmed and are not closed.
func openEndpoints(view desired.View, closed map[desired.EndpointID]error) ([]*desired.Endpoint, error) {
	var out []*desired.Endpoint
	taken := map[string]desired.EndpointID{}
	for e := range view.Endpoints() {
		if closed[e.ID] != nil {
			continue
		}
		err := checkEndpoint(e)
		if other, ok := taken[e.Interface]; ok && err == nil {
			err = dataplane.SharedInterfaceError(e.Interface, other)
		}
		if err != nil {
			return nil, &refusal{endpointUnit(e.ID), err}
		}
		taken[e.Interface] = e.ID
		out = append(out, e)
	}
	return out, nil
}

// builder renders one table and keeps what it rendered.
type builder struct {
	*tablePlan
	name      string
	view      desired.View
	settings  *desired.Settings
	fam       *family
	hosts     hosts
	groupFrom int

	evaluations map[string]evaluation                 // by the name of their chain
	users       map[rule.PolicyID]map[string]struct{} // names of evaluations that a policy is in
	steps       map[rule.PolicyID]map[string]step     // of policies, by the name of the chain
	ofEndpoint  [2]map[*desired.Endpoint]string       // names of evaluations by rule.Direction
	stale       map[string]struct{}                   // evaluations to be rendered again
	fresh       map[string]struct{}                   // tiers that have been rendered since the last change
}

func newBuilder(key tableKey, sets *setPlans, groupFrom int) *builder {
	return &builder{
		tablePlan: newTablePlan(sets), name: key.name, fam: key.fam, groupFrom: groupFrom,
		evaluations: map[string]evaluation{}, users: map[rule.PolicyID]map[string]struct{}{}, steps: map[rule.PolicyID]map[string]step{},
		stale: map[string]struct{}{}, fresh: map[string]struct{}{},
	}
}

// forget drops what was rendered of policies that have changed.
func (b *builder) forget(delta *desired.Delta) {
	clear(b.fresh)
	drop := func(id rule.PolicyID) {
		delete(b.steps, id)
		maps.Copy(b.stale, b.users[id])
	}
	for _, p := range delta.Policies {
		drop(p.ID)
	}
	for _, id := range delta.PoliciesRemoved {
		drop(id)
	}
}

// reframe renders the frame anew.
func (b *builder) reframe(view desired.View, endpoints []*desired.Endpoint, hosts hosts) error {
	if b.settings != view.Settings() {
		b.ofEndpoint = [2]map[*desired.Endpoint]string{}
	}
	b.view, b.settings, b.hosts = view, view.Settings(), hosts
	b.unpin()
	if err := b.frame(b.name, endpoints); err != nil {
		return err
	}
	b.sweep()
	return nil
}

// refresh renders evaluations again whose policies have changed, as far as they are still needed.
func (b *builder) refresh() error {
	for _, name := range slices.Sorted(maps.Keys(b.stale)) {
		if c := b.chains[name]; c != nil && !b.has(name) {
			if _, err := b.evaluate(b.evaluations[name], c.tag); err != nil {
				return wrapRefusal(c.tag, err)
			}
		}
	}
	clear(b.stale)
	return nil
}

// has reports whether the chain of an evaluation is there and as it ought to be.
func (b *builder) has(name string) bool {
	_, stale := b.stale[name]
	return b.chains[name] != nil && !stale
}

// keep remembers an evaluation, to render it again when a policy changes.
func (b *builder) keep(name string, e evaluation) {
	delete(b.stale, name)
	b.evaluations[name] = e
	for id := range e.policies() {
		if b.users[id] == nil {
			b.users[id] = map[string]struct{}{}
		}
		b.users[id][name] = struct{}{}
	}
}

// sweep drops chains that nothing leads to.
func (b *builder) sweep() {
	for _, name := range b.tablePlan.sweep() {
		for id := range b.evaluations[name].policies() {
			delete(b.users[id], name)
			if len(b.users[id]) == 0 {
				delete(b.users, id)
			}
		}
		delete(b.evaluations, name)
	}
}
