// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// endpoint is what was made of an endpoint, or of a host endpoint.
type endpoint struct {
	unit   unit
	iface  string
	e      *desired.Endpoint     // or
	host   *desired.HostEndpoint // the other
	routes []route
}

// route is a map that leads the endpoint's packets to a chain.
type route struct {
	set   *nft.Set
	chain string
}

// leads returns the chain that a map leads the endpoint's packets to; empty: none.
func (e *endpoint) leads(set *nft.Set) string {
	if e != nil {
		for _, r := range e.routes {
			if r.set.Name == set.Name {
				return r.chain
			}
		}
	}
	return ""
}

// route adds a route to a chain.
func (l *ledger) route(e *endpoint, set *nft.Set, to chainSpec) {
	e.routes = append(e.routes, route{set, to.name})
	l.hold(to)
}

// putEndpoint takes in a new or changed endpoint.
func (l *ledger) putEndpoint(e *desired.Endpoint) error {
	if err := dataplane.CheckEndpoint(e); err != nil {
		return err
	}
	if other, taken := l.ifaces[e.Interface]; taken && other != e.ID {
		return dataplane.SharedInterfaceError(e.Interface, other)
	}
	now := &endpoint{unit: ofEndpoint(e.ID), iface: e.Interface, e: e}
	for _, f := range families {
		if hasFamily(e, f) {
			l.route(now, ingressMap(f), endpointSpec(roleIn, f, e.Tiers[rule.Ingress], profileEnd, e.Profiles))
			l.route(now, egressMap(f), endpointSpec(roleOut, f, e.Tiers[rule.Egress], profileEnd, e.Profiles))
		}
	}
	l.endpoints[e.ID] = l.succeed(l.endpoints[e.ID], now, e.ID)
	return nil
}

// succeed plans the change from one version of an endpoint to the next, which it returns.
func (l *ledger) succeed(old, now *endpoint, id desired.EndpointID) *endpoint {
	l.exchange(old, now)
	if old != nil && old.iface != now.iface {
		l.vacate(old.iface, id)
	}
	l.ifaces[now.iface] = id
	return now
}

// dropEndpoint takes an endpoint away. One that is not there was refused before.
func (l *ledger) dropEndpoint(id desired.EndpointID) {
	if old := l.endpoints[id]; old != nil {
		l.exchange(old, nil)
		delete(l.endpoints, id)
		l.vacate(old.iface, id)
	}
}

// vacate gives an interface back, unless it is another's already.
func (l *ledger) vacate(iface string, id desired.EndpointID) {
	if l.ifaces[iface] == id {
		delete(l.ifaces, iface)
	}
}

// exchange plans the change from one version of an endpoint to the next; either may be nil.
func (l *ledger) exchange(old, now *endpoint) {
	if old != nil && now != nil && old.iface != now.iface {
		l.exchange(old, nil)
		l.exchange(nil, now)
		return
	}
	l.redispatch(old, now)
	l.sources(old, now)
	if l.options.guarded {
		l.guard(old, now)
	}
	l.retranslate(old, now, cmp.Or(now, old).unit)
	l.keysChange(hostInterfaces, interfaceKeys(old), interfaceKeys(now), cmp.Or(now, old).unit)
	if old != nil {
		for _, r := range old.routes {
			l.release(r.chain)
		}
	}
}

// redispatch plans the change of the interface's verdicts. The host endpoint of all other interfaces is in no map: rules of the frame lead to
// its chains.
func (l *ledger) redispatch(old, now *endpoint) {
	e := cmp.Or(now, old)
	if e.iface == desired.AnyInterface {
		return
	}
	var sets []*nft.Set
	if now != nil {
		for _, r := range now.routes {
			sets = append(sets, r.set)
		}
	}
	if old != nil {
		for _, r := range old.routes {
			if now.leads(r.set) == "" {
				sets = append(sets, r.set)
			}
		}
	}
	for _, set := range sets {
		if was, is := old.leads(set), now.leads(set); was != is {
			l.next.verdicts = append(l.next.verdicts, verdictChange{
				set: set, key: ifname(e.iface), old: e.verdictTo(was), now: e.verdictTo(is), tag: e.unit,
			})
		}
	}
}

// verdictTo leads to one of the endpoint's chains. Should that of a workload return, which it must not, the packet is dropped behind; where that
// of a host endpoint returns, nothing else is asked.
func (e *endpoint) verdictTo(chain string) *nft.Verdict {
	if e.host != nil {
		return verdictTo(nft.VerdictGoto, chain)
	}
	return verdictTo(nft.VerdictJump, chain)
}

// verdictTo leads to a chain; nil if there is none.
func verdictTo(code nft.VerdictCode, chain string) *nft.Verdict {
	if chain == "" {
		return nil
	}
	return &nft.Verdict{Code: code, Chain: chain}
}

// sources plans the change of the source addresses that are allowed.
func (l *ledger) sources(old, now *endpoint) {
	tag := cmp.Or(now, old).unit
	for _, f := range families {
		hostsOld, netsOld := sourceKeys(old, f)
		hostsNow, netsNow := sourceKeys(now, f)
		l.keysChange(sourceSet(f), hostsOld, hostsNow, tag)
		if !l.options.guarded {
			l.keysChange(sourceNetSet(f), netsOld, netsNow, tag)
		}
	}
}

func (l *ledger) keysChange(set *nft.Set, old, now map[string]struct{}, tag unit) {
	c := keyChange{set: set, tag: tag}
	for k := range now {
		if _, ok := old[k]; !ok {
			c.add = append(c.add, k...)
		}
	}
	for k := range old {
		if _, ok := now[k]; !ok {
			c.del = append(c.del, k...)
		}
	}
	if len(c.add)+len(c.del) > 0 {
		l.next.keys = append(l.next.keys, c)
	}
}

// sourceKeys are the packed keys of an endpoint's source addresses and prefixes.
func sourceKeys(of *endpoint, f *family) (hosts, nets map[string]struct{}) {
	hosts, nets = map[string]struct{}{}, map[string]struct{}{}
	if of == nil || of.e == nil {
		return hosts, nets
	}
	e := of.e
	name := ifname(e.Interface)
	key := func(addr []byte) string { return string(name) + string(addr) }
	for _, a := range e.Addrs {
		if familyOf(a) == f {
			hosts[key(a.AsSlice())] = struct{}{}
		}
	}
	for _, p := range outermost(ofFamily(e.SpoofPrefixes, f)) {
		if p.IsSingleIP() {
			hosts[key(p.Addr().AsSlice())] = struct{}{}
			continue
		}
		nets[key(p.Addr().AsSlice())+key(lastAddr(p))] = struct{}{}
	}
	return hosts, nets
}

func hasFamily(e *desired.Endpoint, f *family) bool {
	for _, a := range e.Addrs {
		if familyOf(a) == f {
			return true
		}
	}
	return len(ofFamily(e.SpoofPrefixes, f)) > 0
}
