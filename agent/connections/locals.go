// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
)

// locals finds the workloads of this node by address.
type locals struct {
	byID map[desired.EndpointID]*desired.Endpoint
	// byAddr holds for each address who has it: more than one for a moment at most, while it passes on.
	byAddr map[netip.Addr][]desired.EndpointID
	// spoofers have SpoofPrefixes; sorted.
	spoofers []desired.EndpointID
	leads    map[lead]netip.AddrPort
}

func newLocals() locals {
	return locals{
		byID: map[desired.EndpointID]*desired.Endpoint{}, byAddr: map[netip.Addr][]desired.EndpointID{}, leads: map[lead]netip.AddrPort{},
	}
}

// put adds or replaces an endpoint and returns what was there before, and the addresses that nobody has any more.
func (l *locals) put(e *desired.Endpoint) (before *desired.Endpoint, freed []netip.Addr) {
	before, freed = l.remove(e.ID)
	l.byID[e.ID] = e
	for _, a := range e.Addrs {
		l.byAddr[a] = append(l.byAddr[a], e.ID)
	}
	if len(e.SpoofPrefixes) > 0 {
		l.spoofers = append(l.spoofers, e.ID)
		slices.SortFunc(l.spoofers, desired.EndpointID.Compare)
	}
	return before, slices.DeleteFunc(freed, func(a netip.Addr) bool { return slices.Contains(e.Addrs, a) })
}

// remove takes an endpoint out and returns it, nil if it is not there, and the addresses that nobody has any more.
func (l *locals) remove(id desired.EndpointID) (e *desired.Endpoint, freed []netip.Addr) {
	e, ok := l.byID[id]
	if !ok {
		return nil, nil
	}
	delete(l.byID, id)
	l.spoofers = slices.DeleteFunc(l.spoofers, func(other desired.EndpointID) bool { return other == id })
	for _, a := range e.Addrs {
		left := slices.DeleteFunc(l.byAddr[a], func(other desired.EndpointID) bool { return other == id })
		if l.byAddr[a] = left; len(left) == 0 {
			delete(l.byAddr, a)
			freed = append(freed, a)
		}
	}
	return e, freed
}

// link returns the link of the workload that has an address; ok is false when none has.
func (l *locals) link(a netip.Addr) (name string, ok bool) {
	if ids := l.byAddr[a]; len(ids) > 0 {
		return l.byID[ids[len(ids)-1]].Interface, true
	}
	for _, id := range l.spoofers {
		if e := l.byID[id]; slices.ContainsFunc(e.SpoofPrefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return e.Interface, true
		}
	}
	return "", false
}
