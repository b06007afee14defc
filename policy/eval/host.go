// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"fmt"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Traffic is a sort of traffic at a host endpoint. Each sort has policies of its own, asked in this order.
type Traffic uint8

// The sorts.
const (
	Untracked Traffic = iota // before connection tracking (doNotTrack)
	PreDNAT                  // what arrives, before destination NAT
	Normal                   // to and from processes of the host
	Forward                  // what the host forwards (applyOnForward)
)

// String returns the sort's name.
func (t Traffic) String() string {
	names := [...]string{"untracked", "pre-DNAT", "normal", "forward"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("traffic %d", uint8(t))
}

// early tells whether later sorts follow, so that a packet that nothing decides about goes on to them.
func (t Traffic) early() bool { return t == Untracked || t == PreDNAT }

// EvaluateHost returns what one sort of a host endpoint's policy does with a packet in one direction. The verdict is rule.NoMatch where an
// early sort leaves the packet to later ones: a failsafe port, or no rule decides (the tiers' default actions count for Normal and Forward
// alone). An Allow of an early sort is final for this host endpoint and direction.
//
// Failsafe ports come before all sorts but Forward. Before connection tracking nothing is known of replies, so there the ports of the other
// direction count as source ports too.
func EvaluateHost(w World, s *desired.Settings, ep *desired.HostEndpoint, t Traffic, dir rule.Direction, p Packet) Result {
	p.Src, p.Dst = p.Src.Unmap(), p.Dst.Unmap()
	e := evaluation{world: w, dir: dir, packet: &p, early: t.early()}
	if port, ok := failsafe(s, t, dir, &p); ok {
		return e.failsafe(port)
	}
	for _, tier := range hostTiers(ep, t, dir) {
		if verdict := e.tier(&tier); verdict != rule.NoMatch {
			return e.result(verdict)
		}
	}
	switch t {
	case Normal:
		return e.result(e.profiles(ep.Profiles))
	case Forward:
		return e.end(rule.Allow, "nothing decides about forwarded traffic")
	}
	return e.end(rule.NoMatch, "no "+t.String()+" policy decides")
}

// EvaluateProcess returns what a host endpoint does with a packet to or from a process of the host, by the sorts that it meets in their order: the
// first that decides is final. The trace is that of the sort that decided.
func EvaluateProcess(w World, s *desired.Settings, ep *desired.HostEndpoint, dir rule.Direction, p Packet) Result {
	for _, t := range []Traffic{Untracked, PreDNAT} {
		if len(hostTiers(ep, t, dir)) == 0 {
			continue
		}
		if r := EvaluateHost(w, s, ep, t, dir, p); r.Verdict != rule.NoMatch {
			return r
		}
	}
	return EvaluateHost(w, s, ep, Normal, dir, p)
}

func hostTiers(ep *desired.HostEndpoint, t Traffic, dir rule.Direction) []desired.TierPolicies {
	switch {
	case t == Untracked:
		return ep.Untracked[dir]
	case t == Normal:
		return ep.Normal[dir]
	case t == Forward:
		return ep.Forward[dir]
	case dir == rule.Ingress:
		return ep.PreDNAT
	}
	return nil
}

// end adds the step behind all policies where there are no profiles.
func (e *evaluation) end(verdict rule.Action, why string) Result {
	e.add(Step{Kind: NothingDecides, Action: verdict, Text: why})
	return e.result(verdict)
}

func (e *evaluation) failsafe(f desired.Failsafe) Result {
	verdict := rule.Allow
	if e.early {
		verdict = rule.NoMatch
	}
	e.add(Step{Kind: FailsafePort, Action: verdict, Text: "port " + f.String()})
	return e.result(verdict)
}

// failsafe returns the failsafe port that a packet belongs to.
func failsafe(s *desired.Settings, t Traffic, dir rule.Direction, p *Packet) (desired.Failsafe, bool) {
	if t == Forward {
		return desired.Failsafe{}, false
	}
	other, reverse := p.Src, rule.Egress
	if dir == rule.Egress {
		other, reverse = p.Dst, rule.Ingress
	}
	covers := func(f desired.Failsafe, port uint16) bool {
		return f.Protocol == p.Protocol && f.Port == port && (!f.Net.IsValid() || f.Net.Contains(other))
	}
	if i := slices.IndexFunc(s.Failsafe[dir], func(f desired.Failsafe) bool { return covers(f, p.DstPort) }); i >= 0 {
		return s.Failsafe[dir][i], true
	}
	if t != Untracked {
		return desired.Failsafe{}, false
	}
	i := slices.IndexFunc(s.Failsafe[reverse], func(f desired.Failsafe) bool { return covers(f, p.SrcPort) })
	if i < 0 {
		return desired.Failsafe{}, false
	}
	return s.Failsafe[reverse][i], true
}
