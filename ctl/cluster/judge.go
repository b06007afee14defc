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

// Judgement is what becomes of the first packet of a flow, by rule.Direction: Egress on its way out of the node of the source, Ingress on its way into
// that of the destination.
type Judgement [2]Side

// Side is the judgement at one end: by the workload's policy, and by that of the host endpoints of its node that the packet meets.
type Side struct {
	Allowed bool
	// At is the place that decided, and Result how policy came to it there; nil where no policy decided.
	At     *eval.Place
	Result *eval.Result
	// Staged is what would come of it with all staged policies in force; nil if none concerns the endpoint, or a host endpoint denies anyway.
	Staged *eval.Result
	// Hosts are the places where host endpoints were asked, in order.
	Hosts []eval.Place
	// Failsafe are the ports that host endpoints keep open, by direction, if any was asked.
	Failsafe [2][]desired.Failsafe
	// World is what the policies refer to that were asked: Uses, in all directions.
	World eval.World
	Uses  iter.Seq[rule.PolicyID]
	// Reason says why no policy decided.
	Reason string
}

// Host tells whether the policy of a host endpoint decided.
func (s *Side) Host() bool { return s.At != nil && s.At.Host }

// Allowed tells whether no end denies.
func (j Judgement) Allowed() bool { return j[rule.Egress].Allowed && j[rule.Ingress].Allowed }

// Judge tells what becomes of the first packet from src to dst on its way through their nodes. Everything is asked even if the first denies. The packet's
// addresses are those of the ends. Where the destination leads to a workload by translation, policy is asked about that one; at its node the source is that
// of [Cluster.Outgoing].
func (c *Cluster) Judge(src, dst *End, p eval.Packet) Judgement {
	translation, seen, asked := c.Translation(dst, p), p, dst
	if translation != nil {
		dst, seen = translation.End, translation.Apply(p)
	} else if src.Workload != nil && dst.Workload != nil && src.ID() == dst.ID() {
		self := Side{Allowed: true, Reason: "a workload's packets to itself do not leave it"}
		return Judgement{self, self}
	}
	var places [2][]eval.Place
	left := p // as the source's policy sees it
	if src.Node == dst.Node && src.Node != "" {
		left = seen
		places[rule.Egress], places[rule.Ingress] = split(c.pass(src.Node, c.link(src), c.link(dst), p, translation), c.link(src))
	} else {
		arriving := p
		if addr := c.outgoing(src, dst, p); addr.IsValid() {
			arriving.Src, seen.Src = addr, addr
		}
		in := c.away(dst, p.Dst, arriving.Src)
		if asked.Host() {
			in = c.away(asked, p.Dst, arriving.Src)
		}
		places[rule.Egress] = c.pass(src.Node, c.link(src), c.away(src, p.Src, p.Dst), p, nil)
		places[rule.Ingress] = c.pass(dst.Node, in, c.link(dst), arriving, translation)
	}
	return Judgement{rule.Egress: c.side(src, rule.Egress, places[rule.Egress], left), rule.Ingress: c.side(dst, rule.Ingress, places[rule.Ingress], seen)}
}

// side sums up what was asked at one end.
func (c *Cluster) side(end *End, dir rule.Direction, places []eval.Place, p eval.Packet) Side {
	if end.Node == "" {
		return Side{Allowed: true, Reason: end.Name + " is no endpoint: no policy applies there"}
	}
	view := c.View(end.Node)
	out := Side{Allowed: true, World: eval.FromView(view)}
	var uses []rule.PolicyID
	var endpoint *desired.Endpoint
	if end.Workload != nil {
		var ok bool
		if endpoint, ok = view.Endpoint(end.ID()); !ok {
			return Side{Reason: fmt.Sprintf("%s is not in force, so nothing passes: %s", end.Name, c.problem(end))}
		}
		uses = slices.Collect(endpoint.Uses())
	}
	for _, at := range places {
		if ep, ok := view.HostEndpoint(at.ID); ok && at.Host {
			out.Hosts, out.Failsafe = append(out.Hosts, at), view.Settings().Failsafe
			uses = slices.AppendSeq(uses, ep.Uses())
		}
	}
	out.Uses = slices.Values(uses)
	switch at := Decisive(places); {
	case at == nil:
		out.Reason = c.nothingAsked(end)
	case at.ID == desired.EndpointID{}: // a guard
		out.Allowed, out.Reason = at.Verdict != rule.Deny, at.Result.Decision().Text
	default:
		out.Allowed, out.At, out.Result = at.Verdict != rule.Deny, at, &at.Result
	}
	if out.At != nil && !out.At.Host && endpoint.Staged != nil {
		result := eval.Evaluate(out.World, eval.Staged(endpoint), dir, p)
		out.Staged = &result
	}
	return out
}

// Decisive returns the first of some places that denies; if none does, that of the workload's policy, else the last. nil: there is none.
func Decisive(places []eval.Place) *eval.Place {
	var out *eval.Place
	for i := range places {
		at := &places[i]
		if at.Verdict == rule.Deny {
			return at
		}
		if out == nil || out.Host || out.ID == (desired.EndpointID{}) {
			out = at
		}
	}
	return out
}

// nothingAsked says why nothing stands in front of an end.
func (c *Cluster) nothingAsked(end *End) string {
	for range c.View(end.Node).HostEndpoints() {
		return "no host endpoint of node " + end.Node + " stands in front of this flow"
	}
	return end.Name + " is a host without host endpoint: no policy applies to its own traffic"
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
