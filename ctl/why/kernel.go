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
	open, err := agent.Connections(ctx, agentapi.ConnectionQuery{Source: a.packet.Src, Destination: a.packet.Dst, Protocol: a.packet.Protocol, Port: a.Port})
	for _, c := range open {
		k.Connections = append(k.Connections, c.Original)
	}
	return k, err
}
