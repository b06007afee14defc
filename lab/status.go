// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/internal/agentapi"
)

// Status is the state of a lab.
type Status struct {
	Spec      Spec          `json:"spec"`
	Store     ProcessStatus `json:"store"`
	ToR       ProcessStatus `json:"tor"`
	Reflector ProcessStatus `json:"reflector"`
	Nodes     []NodeStatus  `json:"nodes"`
	Workloads []Attached    `json:"workloads"`
}

// ProcessStatus is a daemon of the lab.
type ProcessStatus struct {
	// State is "running", "dead" or, when it was never started, "off".
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
	Log   string `json:"log,omitempty"`
}

// NodeStatus is one node.
type NodeStatus struct {
	Name      string        `json:"name"`
	Namespace string        `json:"namespace"`
	Addresses []string      `json:"addresses"` // with the length of the subnet
	Process   ProcessStatus `json:"process"`
	// Agent is what the agent says of itself; nil, with Error set, when it does not answer.
	Agent *agentapi.Status `json:"agent,omitempty"`
	Error string           `json:"error,omitempty"`
}

// Status asks every part of the lab.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	s, err := readState(l.spec.Name)
	if err != nil {
		return Status{}, err
	}
	workloads, err := l.Workloads()
	if err != nil {
		return Status{}, err
	}
	out := Status{
		Spec: s.Spec, Workloads: workloads, Nodes: make([]NodeStatus, len(l.plan.nodes)),
		Store: l.processStatus(storeName), ToR: l.processStatus(roleToR), Reflector: l.processStatus(roleReflector),
	}
	var group errgroup.Group
	for i, n := range l.plan.nodes {
		group.Go(func() error {
			out.Nodes[i] = l.nodeStatus(ctx, n)
			return nil
		})
	}
	return out, group.Wait()
}

func (l *Lab) processStatus(name string) ProcessStatus {
	p, err := l.process(name)
	if err != nil {
		return ProcessStatus{State: "off"}
	}
	s := ProcessStatus{State: "running", PID: p.PID, Log: l.logOf(name)}
	if !p.Alive() {
		s.State = "dead"
	}
	return s
}

func (l *Lab) nodeStatus(ctx context.Context, n nodePlan) NodeStatus {
	s := NodeStatus{Name: n.name, Namespace: namespace(l.spec.Name, n.name), Process: l.processStatus(n.name)}
	for _, a := range n.addrs {
		s.Addresses = append(s.Addresses, a.String())
	}
	status, err := l.Agent(n.name).Status(ctx)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.Agent = &status
	return s
}
