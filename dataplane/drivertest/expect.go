// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// probe is a packet and where it enters the router.
type probe struct {
	from   string
	packet eval.Packet
}

func (p probe) String() string { return fmt.Sprintf("%+v from %s", p.packet, p.from) }

// expectation is what must happen to a probe.
type expectation struct {
	out  string // see Net.Send
	hits map[rule.ID]bool
	why  string
}

func (e expectation) kind() string {
	switch e.out {
	case "":
		return "dropped"
	case "host":
		return "host"
	}
	return "delivered"
}

// expect judges a probe with policy/eval, and with what a data plane does around policy: sources are checked, unknown workload interfaces
// are closed, packets to the host meet the default action.
func expect(view desired.View, p probe, hostAccept bool) expectation {
	e := expectation{hits: map[rule.ID]bool{}}
	out := route(p.packet.Dst)
	world := eval.FromView(view)
	if isWorkload(p.from) {
		src := endpointAt(view, p.from)
		if src == nil || !maySend(src, p.packet.Src) {
			e.why = "the source address is not the workload's"
			return e
		}
		if !e.judge(eval.Evaluate(world, src, rule.Egress, p.packet)) {
			return e
		}
	}
	if isWorkload(out) {
		dst := endpointAt(view, out)
		if dst == nil || !hasFamily(dst, p.packet.Dst) {
			e.why += "no such endpoint, or not in this family"
			return e
		}
		if !e.judge(eval.Evaluate(world, dst, rule.Ingress, p.packet)) {
			return e
		}
	}
	if out == "host" && isWorkload(p.from) && !hostAccept {
		e.why += "workloads may not talk to the host"
		return e
	}
	e.out = out
	return e
}

// judge notes the rules of a trace.
func (e *expectation) judge(r eval.Result) bool {
	for _, s := range r.Trace {
		if s.Kind == eval.RuleMatched {
			e.hits[s.RuleID] = true
		}
	}
	e.why += r.String() + "\n"
	return r.Verdict == rule.Allow
}

// route is the router's routing table.
func route(dst netip.Addr) string {
	for i := 1; i <= Workloads; i++ {
		if dst == WorkloadAddr(i, dst.Is6()) {
			return Workload(i)
		}
	}
	if slices.Contains(hostAddrs, dst) || dst == linkLocal {
		return "host"
	}
	return uplink
}

func isWorkload(name string) bool { return strings.HasPrefix(name, "cali") }

func endpointAt(view desired.View, name string) *desired.Endpoint {
	for e := range view.Endpoints() {
		if e.Interface == name {
			return e
		}
	}
	return nil
}

func maySend(e *desired.Endpoint, src netip.Addr) bool {
	inPrefix := func(p netip.Prefix) bool { return p.Contains(src) }
	return slices.Contains(e.Addrs, src) || slices.ContainsFunc(e.SpoofPrefixes, inPrefix)
}

func hasFamily(e *desired.Endpoint, dst netip.Addr) bool {
	same := func(a netip.Addr) bool { return a.Is4() == dst.Is4() }
	return slices.ContainsFunc(e.Addrs, same) || slices.ContainsFunc(e.SpoofPrefixes, func(p netip.Prefix) bool { return same(p.Addr()) })
}
