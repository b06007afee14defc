// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strings"

	"github.com/weftnet/weft/agent/connections"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/internal/version"
)

// statusReport gathers the agent's own account of itself; ok is false when the agent is stopping.
func (a *Agent) statusReport(ctx context.Context) (s agentapi.Status, ok bool) {
	s = agentapi.Status{Node: a.config.Node, Version: version.String(), Started: a.started, BGP: a.bgpReport(),
		Endpoints: []agentapi.EndpointStatus{}, Problems: []agentapi.Problem{}, Notices: []agentapi.Problem{}}
	ok = a.loop.ask(ctx, func() {
		l := a.loop
		s.InSync, s.Revision = l.live && l.storeErr == nil, l.storeRev
		if l.storeErr != nil {
			s.Datastore = l.storeErr.Error()
		}
		a.cacheReport(&s)
		s.Address = a.addressReport()
		s.MTU = a.sizes.decision()
		s.Dataplane = a.filterReport(&s.Problems)
		s.Tunnels, s.Routes = l.tunnels.report(l.synced), l.routes.report(l.synced)
		s.Encryption = a.encryptionReport()
		s.Connections = connectionsReport(a.connections.Status())
		for endpoint := range l.graph.View().Endpoints() {
			s.Endpoints = append(s.Endpoints, a.endpointReport(endpoint))
		}
		for _, p := range slices.Concat(l.graph.Problems(), l.good.problems(), a.publish.problems(), a.pods.problems()) {
			s.Problems = append(s.Problems, agentapi.Problem{Object: p.Key.String(), Field: p.Field, Reason: p.Text(), Refused: p.Refused})
		}
		for _, p := range l.graph.Notices() {
			s.Notices = append(s.Notices, agentapi.Problem{Object: p.Key.String(), Field: p.Field, Reason: p.Text()})
		}
	})
	if why := a.nameLost.Load(); why != nil {
		s.Problems = append(s.Problems, agentapi.Problem{Object: a.loop.nodeKey.String(), Reason: (*why).Error()})
	}
	if why := a.addressLost.Load(); why != nil {
		s.Problems = append(s.Problems, agentapi.Problem{Object: a.loop.nodeKey.String(), Field: "spec.bgp", Reason: (*why).Error()})
	}
	a.check.report(&s)
	slices.SortFunc(s.Endpoints, func(x, y agentapi.EndpointStatus) int {
		return strings.Compare(x.Namespace+"/"+x.Name, y.Namespace+"/"+y.Name)
	})
	return s, ok
}

// addressReport tells which addresses the node has and why.
func (a *Agent) addressReport() agentapi.Decision {
	d := agentapi.Decision{Value: []string{}, Rejected: slices.Concat(a.address.v4.Rejected, a.address.v6.Rejected)}
	var reasons []string
	for _, choice := range []struct {
		family string
		text   string
		reason string
	}{{"IPv4", text(a.address.v4.Value), a.address.v4.Reason}, {"IPv6", text(a.address.v6.Value), a.address.v6.Reason}} {
		if choice.text != "" {
			d.Value = append(d.Value, choice.text)
		}
		if choice.reason != "" {
			reasons = append(reasons, choice.family+": "+choice.reason)
		}
	}
	d.Reason = strings.Join(reasons, "; ")
	return d
}

func connectionsReport(s connections.Status) agentapi.ConnectionsStatus {
	out := agentapi.ConnectionsStatus{Ended: s.Ended, Pending: s.Pending}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

func (p *part) report(synced bool) agentapi.ComponentStatus {
	s := agentapi.ComponentStatus{Name: p.name, State: "programmed", Repaired: p.repaired, Applies: p.applies, Closed: p.closed}
	if p.lacks() {
		s.Retry = p.retryAt
	}
	switch {
	case p.err != nil:
		s.State, s.Error = "error", p.err.Error()
	case !synced:
		s.State = "waiting"
	}
	return s
}

func (a *Agent) endpointReport(e *desired.Endpoint) agentapi.EndpointStatus {
	s := agentapi.EndpointStatus{Namespace: e.ID.Namespace, Name: e.ID.Name, Interface: e.Interface, Addresses: []string{}, State: "programmed"}
	for _, addr := range e.Addrs {
		s.Addresses = append(s.Addresses, addr.String())
	}
	state, _ := a.loop.status.get(e.ID)
	switch {
	case state.policyErr != nil || state.routesErr != nil:
		s.State, s.Reason = "error", state.missing(e.Revision, nil).Error()
	case state.policy < e.Revision || state.routes < e.Revision:
		s.State, s.Reason = "pending", "policy or routes are not read back yet"
	}
	return s
}
