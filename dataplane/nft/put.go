// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import "github.com/weftnet/weft/desired"

// putView takes in all of a view but the closed endpoints and the failed sets.
func (l *ledger) putView(closed map[desired.EndpointID]error, failed map[unit]error) error {
	for p := range l.view.Policies() {
		l.wanted.put(p.ID, p)
	}
	for s := range l.view.IPSets() {
		if failed[setUnit(s.ID)] != nil {
			continue
		}
		if err := l.putSet(whole(s)); err != nil {
			return &refusal{setUnit(s.ID), err}
		}
	}
	for p := range l.view.Policies() {
		l.putPolicy(p.ID)
	}
	for e := range l.view.Endpoints() {
		if closed[e.ID] != nil {
			continue
		}
		if err := l.putEndpoint(e); err != nil {
			return &refusal{ofEndpoint(e.ID), err}
		}
	}
	for e := range l.view.HostEndpoints() {
		bad := closed[e.ID] != nil
		if bad {
			e = closedHost(e)
		}
		if err := l.putHost(e); err != nil && !bad { // one without an interface of its own has failed, and there is nothing to close
			return &refusal{ofHost(e.ID), err}
		}
	}
	return nil
}

// putDelta takes in what changed.
func (l *ledger) putDelta(d *desired.Delta) error {
	l.frame.stale = l.frame.stale || d.Settings != nil
	for _, p := range d.Policies {
		l.wanted.put(p.ID, p)
	}
	for _, id := range d.PoliciesRemoved {
		l.wanted.put(id, nil)
	}
	for i := range d.IPSets {
		if err := l.putSet(&d.IPSets[i]); err != nil {
			return &refusal{setUnit(d.IPSets[i].ID), err}
		}
	}
	if err := l.putWanted(); err != nil {
		return err
	}
	for _, p := range d.Policies {
		l.putPolicy(p.ID)
	}
	for _, id := range d.EndpointsRemoved {
		l.dropEndpoint(id)
	}
	for _, id := range d.HostEndpointsRemoved {
		l.dropHost(id)
	}
	for _, e := range d.Endpoints {
		if err := l.putEndpoint(e); err != nil {
			return &refusal{ofEndpoint(e.ID), err}
		}
	}
	for _, e := range d.HostEndpoints {
		if err := l.putHost(e); err != nil {
			return &refusal{ofHost(e.ID), err}
		}
	}
	for _, id := range d.PoliciesRemoved {
		l.putPolicy(id)
	}
	for _, id := range d.IPSetsRemoved {
		l.dropSet(id)
	}
	l.dropUnwanted()
	return nil
}
