// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// role is which packets a chain judges, and with that, what the actions of its rules mean. One policy has a chain for each role in use.
type role struct {
	tag   string // starts the names of chains
	dir   rule.Direction
	allow func(f *family) []stmt
	deny  then
	// early: other policy follows, so that the default action of a tier is not asked, and what nothing decides about goes on.
	early bool
}

var (
	// To and from workloads. What a workload may send goes on to its receiver.
	roleIn  = &role{tag: "in", dir: rule.Ingress, allow: accepts, deny: denied}
	roleOut = &role{tag: "out", dir: rule.Egress, allow: goesOn, deny: denied}
	// At host endpoints; to processes of the host is as to workloads. Nothing can be rejected where packets are before connection tracking or
	// have been translated: there they are dropped.
	roleHostOut    = &role{tag: "host-out", dir: rule.Egress, allow: accepts, deny: denied}
	roleNATOut     = &role{tag: "nat-out", dir: rule.Egress, allow: accepts, deny: drop}
	roleForwardIn  = &role{tag: "forward-in", dir: rule.Ingress, allow: comesIn, deny: denied}
	roleForwardOut = &role{tag: "forward-out", dir: rule.Egress, allow: goesOut, deny: denied}
	rolePreDNAT    = &role{tag: "pre-dnat", dir: rule.Ingress, allow: acceptsForAll, deny: drop, early: true}
	roleRawIn      = &role{tag: "raw-in", dir: rule.Ingress, allow: acceptsUntracked, deny: drop, early: true}
	roleRawOut     = &role{tag: "raw-out", dir: rule.Egress, allow: acceptsUntracked, deny: drop, early: true}
)

func accepts(*family) []stmt          { return []stmt{accept} }
func goesOn(f *family) []stmt         { return []stmt{goTo(toChain(f))} }
func comesIn(f *family) []stmt        { return []stmt{goTo(fromChain(f))} }
func goesOut(f *family) []stmt        { return []stmt{goTo(receiverChain(f))} }
func acceptsForAll(*family) []stmt    { return []stmt{setMark(own.AcceptMark), accept} }
func acceptsUntracked(*family) []stmt { return []stmt{notrack{}, setMark(own.AcceptMark), accept} }
