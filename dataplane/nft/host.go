// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// Packets meet the policy of host endpoints in up to five places:
//
//	prerouting, raw-output      untracked policy, before connection tracking (priority raw)
//	mangle-prerouting           pre-DNAT policy, before destination NAT
//	host-in, output             policy for processes of the host
//	forward, forward-out        forward policy, before that of a workload: of the interface in, then of the interface out
//	postrouting                 policy for what processes of the host sent to an address that was translated: only here the interface is right
//
// An interface with a host endpoint of its own is in the maps of these places; all others go to the host endpoint for any interface, if there is
// one. That speaks for workloads' interfaces too, but for untracked policy and for what the host's processes send. Where no host endpoint has
// policy for a place, nothing leads there and packets do not pay for it.

// place is a place of policy of host endpoints.
type place struct {
	role  *role
	set   func(f *family) *nft.Set // from interfaces to chains
	end   ending
	tiers func(e *desired.HostEndpoint) []desired.TierPolicies
}

var (
	placeRawIn      = &place{roleRawIn, hostMap("raw-in"), openEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Untracked[rule.Ingress] }}
	placeRawOut     = &place{roleRawOut, hostMap("raw-out"), openEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Untracked[rule.Egress] }}
	placePreDNAT    = &place{rolePreDNAT, hostMap("pre-dnat"), openEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.PreDNAT }}
	placeIn         = &place{roleIn, hostMap("host-in"), profileEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Normal[rule.Ingress] }}
	placeOut        = &place{roleHostOut, hostMap("host-out"), profileEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Normal[rule.Egress] }}
	placeNATOut     = &place{roleNATOut, hostMap("nat-out"), profileEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Normal[rule.Egress] }}
	placeForwardIn  = &place{roleForwardIn, hostMap("forward-in"), openEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Forward[rule.Ingress] }}
	placeForwardOut = &place{roleForwardOut, hostMap("forward-out"), openEnd, func(e *desired.HostEndpoint) []desired.TierPolicies { return e.Forward[rule.Egress] }}

	places = []*place{placeRawIn, placeRawOut, placePreDNAT, placeIn, placeOut, placeNATOut, placeForwardIn, placeForwardOut}
)

func hostMap(name string) func(f *family) *nft.Set {
	return func(f *family) *nft.Set {
		return &nft.Set{Name: name + f.tag, Key: []nft.Field{nft.FieldIfname}, Verdicts: true}
	}
}

// has reports whether the host endpoint takes part in the place: with a chain that may be empty, so that the interface is not taken for one
// without a host endpoint of its own. Untracked policy needs an interface of its own.
func (p *place) has(e *desired.HostEndpoint) bool {
	switch {
	case p == placeRawIn || p == placeRawOut:
		return e.Interface != desired.AnyInterface && len(p.tiers(e)) > 0
	case p.end == openEnd && e.Interface == desired.AnyInterface:
		return len(p.tiers(e)) > 0
	}
	return true
}

// judges reports whether the host endpoint has policy for the place.
func (p *place) judges(e *desired.HostEndpoint) bool {
	return p.has(e) && (p.end != openEnd || len(p.tiers(e)) > 0)
}

// hostInterfaces holds the interfaces that have a host endpoint of their own.
var hostInterfaces = &nft.Set{Name: "host-interfaces", Key: []nft.Field{nft.FieldIfname}}

// putHost takes in a new or changed host endpoint.
func (l *ledger) putHost(e *desired.HostEndpoint) error {
	if err := dataplane.CheckHostEndpoint(e); err != nil {
		return err
	}
	if other, taken := l.ifaces[e.Interface]; taken && other != e.ID {
		return dataplane.SharedInterfaceError(e.Interface, other)
	}
	now := &endpoint{unit: ofHost(e.ID), iface: e.Interface, host: e}
	for _, p := range places {
		if p.has(e) {
			for _, f := range families {
				l.route(now, p.set(f), endpointSpec(p.role, f, p.tiers(e), p.end, e.Profiles))
			}
		}
	}
	l.hosts[e.ID] = l.succeed(l.hosts[e.ID], now, e.ID)
	l.frame.stale = true
	return nil
}

// dropHost takes a host endpoint away. One that is not there was refused before.
func (l *ledger) dropHost(id desired.EndpointID) {
	if old := l.hosts[id]; old != nil {
		l.exchange(old, nil)
		delete(l.hosts, id)
		l.vacate(old.iface, id)
		l.frame.stale = true
	}
}

// interfaceKeys are the packed names of interfaces that an endpoint brings into hostInterfaces.
func interfaceKeys(e *endpoint) map[string]struct{} {
	if e == nil || e.host == nil || e.iface == desired.AnyInterface {
		return nil
	}
	return map[string]struct{}{string(ifname(e.iface)): {}}
}
