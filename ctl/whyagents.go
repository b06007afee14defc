// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/ctl/why"
	"github.com/weftnet/weft/internal/agentapi"
)

// nodeInSocket stands for the name of a node in a socket's path.
const nodeInSocket = "{node}"

// agentTimeout bounds how long an answer waits for agents.
const agentTimeout = 3 * time.Second

// askAgents adds what kernels say, as far as agents can be reached.
func askAgents(ctx context.Context, a *why.Answer, socket string) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	if strings.Contains(socket, nodeInSocket) {
		a.AskKernels(ctx, func(node string) (why.Agent, error) {
			return agentapi.NewClient(strings.ReplaceAll(socket, nodeInSocket, node)), nil
		})
		return
	}
	own := agentapi.NewClient(socket)
	status, err := own.Status(ctx)
	a.AskKernels(ctx, func(node string) (why.Agent, error) {
		switch {
		case err != nil:
			return nil, err
		case status.Node != node:
			return nil, fmt.Errorf("the agent here is that of node %s; ask there", status.Node)
		}
		return own, nil
	})
}
