// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// plan is everything that shall be in the kernel.
type plan struct {
	tables   map[tableKey]*tablePlan
	sets     map[string]*setPlan
	bySource map[rule.SetID][]*setPlan
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
)

func tableKeys() []tableKey {
	var out []tableKey
	for _, name := range []string{tableFilter, tableMangle, tableRaw} {
		for _, f := range families {
			out = append(out, tableKey{f, name})
		}
	}
	return out
}

// tablePlan is what one table shall hold of ours.
type tablePlan struct {
	chains map[string]*chain
	jumps  map[string]string // rule in front of a kernel's chain, by its name
}

// chain is a chain's rules and on whose behalf it is there.
type chain struct {
	rules []string
	tag   unit
}

// builder renders one table.
type builder struct {
	*tablePlan
	view      desired.View
	settings  *desired.Settings
	fam       *family
	sets      *setPlans
	hosts     hosts
	groupFrom int
	steps     map[string]step // by the name of a policy's chain
}

func (b *builder) has(chain string) bool { return b.chains[chain] != nil }

func (b *builder) put(name string, rules []string, tag unit) { b.chains[name] = &chain{rules, tag} }

// render plans the whole of a view but the closed endpoints and the failed sets. The error is a *refusal when one unit is at fault.
func render(view desired.View, o Options, closed map[desired.EndpointID]error, failed map[unit]error) (*plan, error) {
	p := &plan{tables: map[tableKey]*tablePlan{}}
	endpoints, err := openEndpoints(view, closed)
	if err != nil {
		return nil, err
	}
	hosts, err := openHosts(view, closed)
	if err != nil {
		return nil, err
	}
	sets := newSetPlans(view, failed)
	sets.workloadSources(endpoints)
	for _, key := range tableKeys() {
		b := &builder{
			tablePlan: &tablePlan{map[string]*chain{}, map[string]string{}}, view: view, settings: view.Settings(), fam: key.fam, sets: sets, hosts: hosts,
			groupFrom: o.groupFrom, steps: map[string]step{},
		}
		if err := b.frame(key.name, endpoints); err != nil {
			return nil, err
		}
		p.tables[key] = b.tablePlan
	}
	p.sets, p.bySource = sets.byName, bySource(sets.byName)
	return p, nil
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
