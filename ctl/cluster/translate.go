// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"net/netip"
	"slices"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
)

// Translation is how packets to a floating IP or a port of a host come to a workload: its node translates their destination before it asks policy, except
// untracked policy and pre-DNAT policy.
type Translation struct {
	// End is the workload, with the address that packets get.
	End *End
	// From is translated to To. The ports are 0 with a floating IP.
	From, To netip.AddrPort
	// HostPort tells a port of a host from a floating IP.
	HostPort bool
}

// Apply returns a packet as it is after the translation.
func (t *Translation) Apply(p eval.Packet) eval.Packet {
	if p.Dst = t.To.Addr(); t.HostPort {
		p.DstPort = t.To.Port()
	}
	return p
}

// Undo returns a translated packet as it was before.
func (t *Translation) Undo(p eval.Packet) eval.Packet {
	if p.Dst = t.From.Addr(); t.HostPort {
		p.DstPort = t.From.Port()
	}
	return p
}

// Translation returns that of a packet to an end, nil if there is none. Of several workloads with one floating IP the newest gets the packets.
func (c *Cluster) Translation(dst *End, p eval.Packet) *Translation {
	if dst.Workload != nil {
		return nil
	}
	var found []*Translation
	for w := range c.workloads() {
		if len(w.Spec.IPNATs) == 0 && !(dst.Node == w.Spec.Node && leadsHostPort(w)) {
			continue
		}
		end := c.workloadEnd(w)
		if ep, inForce := c.View(end.Node).Endpoint(end.ID()); inForce {
			if t := translationTo(ep, dst.Node == end.Node, p); t != nil {
				t.End = end
				found = append(found, t)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	best := slices.MinFunc(found, func(a, b *Translation) int {
		return cmp.Or(cmp.Compare(revision(b.End.Workload), revision(a.End.Workload)), a.End.ID().Compare(b.End.ID()))
	})
	if w := c.owner(best.To.Addr()); w != nil && w.Spec.Node == best.End.Node {
		best.End = c.workloadEnd(w) // of two with that address on the node
	}
	best.End.Addrs = []netip.Addr{best.To.Addr()}
	return best
}

func leadsHostPort(w *v3.WorkloadEndpoint) bool {
	return slices.ContainsFunc(w.Spec.Ports, func(p v3.WorkloadEndpointPort) bool { return p.HostPort != nil })
}

// translationTo returns what leads a packet to an endpoint; own tells that it is sent to an address of the endpoint's node.
func translationTo(ep *desired.Endpoint, own bool, p eval.Packet) *Translation {
	for _, f := range ep.FloatingIPs {
		if f.External == p.Dst {
			return &Translation{From: netip.AddrPortFrom(f.External, 0), To: netip.AddrPortFrom(f.Internal, 0)}
		}
	}
	for _, h := range ep.HostPorts {
		meant := h.Host == p.Dst || !h.Host.IsValid() && !p.Dst.IsLoopback() && h.To.Addr().Is4() == p.Dst.Is4()
		if own && meant && h.Protocol == p.Protocol && h.Port == p.DstPort {
			return &Translation{From: netip.AddrPortFrom(p.Dst, h.Port), To: h.To, HostPort: true}
		}
	}
	return nil
}
