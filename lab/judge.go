// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"strconv"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/policy/eval"
)

// Judge returns what ought to become of flows now, recomputed from everything in the datastore by the oracle: it shares no code with what
// the agents compute from increments.
func (l *Lab) Judge(ctx context.Context) (probe.Judge, error) {
	objs, err := l.objects(ctx)
	if err != nil {
		return nil, err
	}
	cluster := oracle.New(objs)
	return func(f probe.Flow) (probe.Verdict, string) {
		j, err := cluster.Judge(packetOf(f))
		if err != nil {
			return probe.Unknown, err.Error()
		}
		if j.Dst == nil && j.Allowed() && l.sameNode(f) {
			return probe.Denied, "a workload does not reach its own node (defaultEndpointToHostAction Drop)"
		}
		return verdictOf(j)
	}, nil
}

// verdictOf shortens a judgement to the step that decided.
func verdictOf(j oracle.Judgement) (probe.Verdict, string) {
	verdict, why := probe.Allowed, "no policy applies"
	if j.Exempt != "" {
		why = j.Exempt
	}
	if j.Ingress != nil {
		why = "ingress: " + j.Ingress.Decision().String()
	}
	if j.Egress != nil && !(eval.Flow{Egress: j.Egress}).Allowed() {
		why = "egress: " + j.Egress.Decision().String()
	}
	if !j.Allowed() {
		verdict = probe.Denied
	}
	return verdict, why
}

// sameNode says whether a flow goes from a workload to the node that runs it.
func (l *Lab) sameNode(f probe.Flow) bool {
	w, err := l.Workload(f.Src)
	if err != nil {
		return false
	}
	n, err := l.node(w.Node)
	if err != nil {
		return false
	}
	for _, a := range n.addrs {
		if a.Addr() == f.DstAddr {
			return true
		}
	}
	return false
}

// objects reads everything in the datastore.
func (l *Lab) objects(ctx context.Context) ([]oracle.Version, error) {
	s, err := l.Store()
	if err != nil {
		return nil, err
	}
	var out []oracle.Version
	for kind := range api.Kinds() {
		list, err := s.List(ctx, kind.Resource, "")
		if err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.spec.Name, err)
		}
		for _, obj := range list.Items {
			revision, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("lab %s: %s: revision: %w", l.spec.Name, api.KeyOf(obj), err)
			}
			out = append(out, oracle.Version{Object: obj, Revision: revision})
		}
	}
	return out, nil
}

// packetOf is the first packet of a flow as policy sees it.
func packetOf(f probe.Flow) eval.Packet {
	p := eval.Packet{Src: f.SrcAddr, Dst: f.DstAddr, DstPort: f.Service.Port}
	switch f.Service.Protocol {
	case probe.TCP:
		p.Protocol = 6
	case probe.UDP:
		p.Protocol = 17
	case probe.SCTP:
		p.Protocol = 132
	case probe.ICMP:
		p.Protocol, p.ICMPType = 1, 8
		if f.DstAddr.Is6() {
			p.Protocol, p.ICMPType = 58, 128
		}
	}
	return p
}
