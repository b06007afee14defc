// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"context"

	"github.com/weftnet/weft/internal/agentapi"
)

// Agent is the agent of a node.
type Agent interface {
	Hits(context.Context) (map[string]uint64, error)
	Connections(context.Context, agentapi.ConnectionQuery) ([]agentapi.Connection, error)
}

// AskKernels adds what the kernels of the two nodes say. agent returns the agent of a node, or why there is none; what cannot be asked becomes a
// note.
func (a *Answer) AskKernels(ctx context.Context, agent func(node string) (Agent, error)) {
	asked := map[string]error{}
	for _, end := range []struct {
		party *Party
		end   *End
	}{{&a.Source, &a.Egress}, {&a.Destination, &a.Ingress}} {
		node := end.party.Node
		if node == "" || asked[node] != nil {
			continue
		}
		to, err := agent(node)
		if err == nil {
			end.end.Kernel, err = a.askKernel(ctx, node, to, end.end)
		}
		if asked[node] = err; err != nil {
			a.Notes = append(a.Notes, "what the kernel of node "+node+" says is not known: "+err.Error())
		}
	}
}

func (a *Answer) askKernel(ctx context.Context, node string, agent Agent, end *End) (*Kernel, error) {
	k := &Kernel{Node: node, Connections: []string{}}
	if end.RuleID != "" {
		hits, err := agent.Hits(ctx)
		if err != nil {
			return nil, err
		}
		n := hits[string(end.RuleID)]
		k.Hits = &n
	}
	open, err := agent.Connections(ctx, a.connections(node))
	for _, c := range open {
		k.Connections = append(k.Connections, c.Original)
	}
	return k, err
}

// connections selects those of the flow at a node. Each node knows them as packets come to it and leave for where they get: the source's by the addresses that
// they are sent with, unless it leads them to a workload itself; the destination's by the source that natOutgoing gives them.
func (a *Answer) connections(node string) agentapi.ConnectionQuery {
	p := a.packet
	if node != a.Destination.Node {
		p = a.sent
	}
	q := agentapi.ConnectionQuery{Source: p.Src, Destination: p.Dst, Protocol: p.Protocol}
	if a.Port != 0 { // else it is about any
		q.Port = p.DstPort
	}
	return q
}
