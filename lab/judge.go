// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"strconv"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
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
	cluster.Links = l.links()
	return func(f probe.Flow) (probe.Verdict, string) {
		j, err := cluster.Judge(packetOf(f))
		switch {
		case err != nil:
			return probe.Unknown, err.Error()
		case j.Allowed():
			return probe.Allowed, j.Why()
		}
		return probe.Denied, j.Why()
	}, nil
}

// links are the interfaces of the nodes, by which host endpoints are found.
func (l *Lab) links() map[string][]calc.Link {
	out := map[string][]calc.Link{}
	for _, n := range l.plan.nodes {
		uplink := calc.Link{Name: Uplink}
		for _, a := range n.addrs {
			uplink.Addrs = append(uplink.Addrs, a.Addr())
		}
		out[n.name] = []calc.Link{uplink}
	}
	return out
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
