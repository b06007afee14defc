// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// probe is a packet and where it enters the router.
type probe struct {
	from   string // a link, or fromHost
	packet eval.Packet
}

func (p probe) String() string { return fmt.Sprintf("%+v from %s", p.packet, p.source()) }

func (p probe) source() string {
	if p.from == fromHost {
		return "the host itself"
	}
	return p.from
}

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
	case toHost:
		return "to the host"
	}
	return "delivered"
}

// expect judges a probe with policy/eval.
func expect(view desired.View, p probe) expectation {
	passage := eval.Node{View: view, WorkloadPrefix: own.InterfacePrefix, Route: route, NAT: translate}.Pass(p.from, p.packet)
	e := expectation{out: passage.Out, hits: map[rule.ID]bool{}, why: passage.String()}
	for _, at := range passage.Places {
		for _, s := range at.Trace {
			if s.Kind == eval.RuleMatched {
				e.hits[s.RuleID] = true
			}
		}
	}
	switch {
	case passage.Verdict == rule.Deny:
		e.out = ""
	case e.out == "":
		e.out = toHost
	}
	return e
}

// route is the router's routing table.
func route(dst netip.Addr) string {
	for i := 1; i <= Workloads; i++ {
		if dst == WorkloadAddr(i, dst.Is6()) {
			return Workload(i)
		}
	}
	switch {
	case slices.Contains(hostAddrs, dst), dst == linkLocal:
		return ""
	case slices.ContainsFunc(dmzNets, func(p netip.Prefix) bool { return p.Contains(dst) }):
		return dmz
	}
	return uplink
}
