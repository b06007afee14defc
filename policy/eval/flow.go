// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Flow is the verdict on both ends of a flow.
type Flow struct {
	Egress  *Result // at the source endpoint; nil if the source is none
	Ingress *Result // at the destination endpoint; nil if the destination is none
}

// Judge evaluates a packet at both ends; src or dst is nil where the packet leaves or enters what is known. Both ends are
// judged even if the first denies, so that an explanation is complete.
func Judge(w World, src, dst *desired.Endpoint, p Packet) Flow {
	var f Flow
	if src != nil {
		r := Evaluate(w, src, rule.Egress, p)
		f.Egress = &r
	}
	if dst != nil {
		r := Evaluate(w, dst, rule.Ingress, p)
		f.Ingress = &r
	}
	return f
}

// Allowed tells whether no end denies.
func (f Flow) Allowed() bool {
	return (f.Egress == nil || f.Egress.Verdict == rule.Allow) && (f.Ingress == nil || f.Ingress.Verdict == rule.Allow)
}

// viewWorld looks things up in desired state.
type viewWorld struct{ desired.View }

// FromView returns the world of a node's desired state. It holds what the node's own endpoints need.
func FromView(v desired.View) World { return viewWorld{v} }

// Contains looks for the member, and in sets of addresses for every CIDR around it.
func (w viewWorld) Contains(id rule.SetID, m desired.Member) (holds, known bool) {
	set, ok := w.IPSet(id)
	if !ok {
		return false, false
	}
	if set.Kind == rule.SetPort {
		_, holds = set.Members[m]
		return holds, true
	}
	addr := m.Prefix.Addr()
	for bits := addr.BitLen(); bits >= 0; bits-- {
		around := netip.PrefixFrom(addr, bits).Masked()
		if _, holds = set.Members[desired.Member{Prefix: around}]; holds {
			return true, true
		}
	}
	return false, true
}
