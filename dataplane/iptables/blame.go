// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/xtables"
)

// blame finds the units that an error is about and marks them failed. It reports whether it found one that was not.
func (d *Driver) blame(ctx context.Context, err error, view desired.View, p *plan) bool {
	var r *refusal
	var sets *ipset.RefusedError
	var table *tableError
	var tool *xtables.RefusedError
	switch {
	case errors.As(err, &r):
		return d.fail(view, r.unit, r.err)
	case errors.As(err, &sets):
		found := false
		for _, x := range sets.Refusals {
			if u, ok := x.Tag.(*unit); ok {
				found = d.fail(view, *u, fmt.Errorf("%s: %w", x.Op, x.Err)) || found
			}
		}
		return found
	case errors.As(err, &table) && table.key.name == tableNAT && (table.script == nil || errors.As(err, &tool)):
		return d.blameNAT(err, view)
	case errors.As(err, &table) && errors.As(err, &tool):
		if d.cannotReject(ctx, table.key, view) && d.fail(view, settingUnit(dataplane.DenyAction), err) {
			return true
		}
		owners := policiesByRule(view)
		if u, ok := tool.Tag.(unit); ok && tool.Known && d.fail(view, ownerOf(tool.Line, u, owners), err) {
			return true
		}
		return d.bisect(ctx, table, view, p.tables[table.key].tablePlan, owners) || d.settings.RefuseAny(view, err)
	}
	return false
}

// blameNAT finds out what the kernel refuses of the translation of addresses: the setting, or what leads to workloads. Where that is not known, the
// setting goes first.
func (d *Driver) blameNAT(err error, view desired.View) bool {
	var tool *xtables.RefusedError
	outgoing := !errors.As(err, &tool) || !tool.Known || strings.Contains(tool.Line, quoted(natOutgoingComment))
	if outgoing && d.fail(view, settingUnit(dataplane.NATOutgoing), natError(err, "set natOutgoing of the pools to false and have a router translate")) {
		return true
	}
	return d.fail(view, natUnit, natError(err, "take hostPort and ipNATs from the workload and reach it by its own address"))
}

// natError says what translation takes, and what to do without.
func natError(err error, alternative string) error {
	return fmt.Errorf("want the table nat of iptables with the targets DNAT, SNAT and MASQUERADE (modules nf_nat, xt_nat, xt_MASQUERADE; CONFIG_NF_NAT): "+
		"load them, or %s: %w", alternative, err)
}

// policiesByRule says which policy a rule belongs to.
func policiesByRule(view desired.View) map[rule.ID]rule.PolicyID {
	out := map[rule.ID]rule.PolicyID{}
	for p := range view.Policies() {
		for _, rules := range p.Rules {
			for i := range rules {
				out[rules[i].ID] = p.ID
			}
		}
	}
	return out
}

// ownerOf is whose a kernel rule is: that of the policy rule in its comment, or of the setting, else that of its chain.
func ownerOf(text string, chain unit, owners map[rule.ID]rule.PolicyID) unit {
	if id, ok := ruleIDOf(text); ok {
		if p, ok := owners[id]; ok {
			return policyUnit(p)
		}
	}
	switch {
	case strings.Contains(text, quoted(failsafeComment)):
		return settingUnit(dataplane.FailsafePorts)
	case strings.Contains(text, quoted(toHostComment)):
		return settingUnit(dataplane.HostAction)
	case strings.Contains(text, quoted(clampComment)):
		return settingUnit(dataplane.MSSClamp)
	case strings.Contains(text, quoted(natOutgoingComment)):
		return settingUnit(dataplane.NATOutgoing)
	}
	return chain
}

// cannotReject reports whether the kernel refuses to answer denied packets, as settings want.
func (d *Driver) cannotReject(ctx context.Context, key tableKey, view desired.View) bool {
	wanted := key.name == tableFilter && d.settings.View(view).Settings().Reject
	return wanted && d.try(ctx, key, []suspect{{text: key.fam.answer()}}) != nil
}

// suspect is a rule that the kernel may have refused.
type suspect struct {
	text string
	unit unit
}

// chainScratch holds rules that are tried; nothing leads there.
const chainScratch = own.ChainPrefix + "scratch"

// bisect finds the rules that the kernel refuses where it does not say which: it tries them in a chain that nothing leads to.
func (d *Driver) bisect(ctx context.Context, table *tableError, view desired.View, p *tablePlan, owners map[rule.ID]rule.PolicyID) bool {
	var suspects []suspect
	for _, c := range p.chains {
		for _, text := range c.rules {
			if u := ownerOf(text, c.tag, owners); u.kind != frameUnit {
				suspects = append(suspects, suspect{withoutJump(text), u})
			}
		}
	}
	found := false
	var search func([]suspect)
	search = func(list []suspect) {
		if ctx.Err() != nil || len(list) == 0 || d.try(ctx, table.key, list) == nil {
			return
		}
		if len(list) == 1 {
			found = d.fail(view, list[0].unit, table) || found
			return
		}
		search(list[:len(list)/2])
		search(list[len(list)/2:])
	}
	search(suspects)
	return found
}

// try has the kernel look at rules.
func (d *Driver) try(ctx context.Context, key tableKey, list []suspect) error {
	fill := xtables.NewScript(key.name)
	fill.Chain(chainScratch)
	for _, s := range list {
		fill.Append(chainScratch, s.text)
	}
	drop := xtables.NewScript(key.name)
	drop.Chain(chainScratch)
	drop.DeleteChain(chainScratch)
	_, err := d.tables.Restore(ctx, key.fam.v6, fill)
	_, errDrop := d.tables.Restore(ctx, key.fam.v6, drop)
	return errors.Join(err, errDrop)
}

// withoutJump is a rule that returns where it leads to one of our chains.
func withoutJump(text string) string {
	for _, how := range []string{"-j ", "-g "} {
		if at := strings.LastIndex(text, how+own.ChainPrefix); at >= 0 {
			return text[:at] + returns
		}
	}
	return text
}

// fail marks a unit.
func (d *Driver) fail(view desired.View, u unit, err error) bool {
	if u.kind == settingKind {
		return d.settings.Refuse(view, u.setting, err)
	}
	if _, known := d.failed[u]; known || u.kind == frameUnit {
		return false
	}
	d.failed[u] = err
	return true
}

// closed returns the endpoints that have no policy in force because of what failed: they are left out of the dispatch, so that all their
// packets are dropped.
func (d *Driver) closed(view desired.View) map[desired.EndpointID]error {
	if len(d.failed) == 0 {
		return nil
	}
	return dataplane.Closed(view, dataplane.Failed{
		Set:      func(id rule.SetID) error { return d.why(setUnit(id)) },
		Policy:   func(id rule.PolicyID) error { return d.why(policyUnit(id)) },
		Endpoint: func(id desired.EndpointID) error { return d.failed[endpointUnit(id)] },

		Translation: d.failed[natUnit],
	})
}

// why is what is wrong with a unit, with its name; nil: nothing.
func (d *Driver) why(u unit) error {
	if err := d.failed[u]; err != nil {
		return fmt.Errorf("%v: %w", u, err)
	}
	return nil
}

// touchesFailed reports whether a delta may concern what failed. Then everything is tried again.
func (d *Driver) touchesFailed(delta *desired.Delta) bool {
	if d.settings.Refused() != nil && delta.Settings != nil {
		return true
	}
	if len(d.failed) == 0 {
		return false
	}
	if !membersOnly(delta) {
		return true
	}
	for i := range delta.IPSets {
		if d.failed[setUnit(delta.IPSets[i].ID)] != nil {
			return true
		}
	}
	return false
}
