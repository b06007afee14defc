// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"iter"
	"slices"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Judgement is what becomes of the first packet of a flow, by rule.Direction: Egress at the source, Ingress at the destination.
type Judgement [2]Side

// Side is the judgement at one end.
type Side struct {
	Allowed bool
	// Result is how policy came to it; nil where no policy was asked.
	Result *eval.Result
	// Staged is what would come of it with all staged policies in force; nil if none concerns the endpoint.
	Staged *eval.Result
	// World is what the policies refer to that were asked: Tiers in this direction, and Uses in all.
	World eval.World
	Tiers []desired.TierPolicies
	Uses  iter.Seq[rule.PolicyID]
	// Reason says why no policy was asked.
	Reason string
}

// Allowed tells whether no end denies.
func (j Judgement) Allowed() bool { return j[rule.Egress].Allowed && j[rule.Ingress].Allowed }

// Judge tells what becomes of the first packet from src to dst. Both ends are judged even if the first denies. The packet's addresses are those
// of the ends.
func (c *Cluster) Judge(src, dst *End, p eval.Packet) Judgement {
	if src.Workload != nil && dst.Workload != nil && src.ID() == dst.ID() {
		self := Side{Allowed: true, Reason: "a workload's packets to itself do not leave it"}
		return Judgement{self, self}
	}
	j := Judgement{rule.Egress: c.side(src, rule.Egress, p), rule.Ingress: c.side(dst, rule.Ingress, p)}
	switch {
	case src.Host() && dst.Workload != nil && src.Node == dst.Node:
		j[rule.Ingress] = Side{Allowed: true, Reason: "node " + src.Node + " always reaches the workloads that it runs"}
	case src.Workload != nil && dst.Host() && src.Node == dst.Node:
		j[rule.Ingress] = c.toOwnHost(dst, p)
	}
	return j
}

// side asks the policy of one end.
func (c *Cluster) side(end *End, dir rule.Direction, p eval.Packet) Side {
	switch {
	case end.Host():
		return c.hostSide(end, dir, p)
	case end.Workload == nil:
		return Side{Allowed: true, Reason: end.Name + " is no endpoint: no policy applies there"}
	}
	view := c.View(end.Node)
	endpoint, ok := view.Endpoint(end.ID())
	if !ok {
		return Side{Reason: fmt.Sprintf("%s is not in force, so nothing passes: %s", end.Name, c.problem(end))}
	}
	world := eval.FromView(view)
	result := eval.Evaluate(world, endpoint, dir, p)
	out := Side{Allowed: result.Verdict == rule.Allow, Result: &result, World: world, Tiers: endpoint.Tiers[dir], Uses: endpoint.Uses()}
	if endpoint.Staged != nil {
		staged := *endpoint
		staged.Tiers = *endpoint.Staged
		result := eval.Evaluate(world, &staged, dir, p)
		out.Staged = &result
	}
	return out
}

// toOwnHost is what the workload's node does with packets that egress policy has let pass.
func (c *Cluster) toOwnHost(host *End, p eval.Packet) Side {
	const setting = " (FelixConfiguration.spec.defaultEndpointToHostAction)"
	switch c.View(host.Node).Settings().EndpointToHost {
	case desired.HostDrop:
		return Side{Reason: "a workload does not reach its own node" + setting}
	case desired.HostAccept:
		return Side{Allowed: true, Reason: "a workload reaches its own node" + setting}
	}
	return c.judgeHost(host, c.hostEndpoint(host, desired.AnyInterface), rule.Ingress, p)
}

// problem says what keeps an endpoint from being in force.
func (c *Cluster) problem(end *End) string {
	problems := c.Problems(end.Node)
	at := slices.IndexFunc(problems, func(p calc.Problem) bool { return p.Key == api.KeyOf(end.Workload) })
	if at < 0 {
		return "no reason is known"
	}
	return problems[at].Field + ": " + problems[at].Reason
}
