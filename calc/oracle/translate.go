// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/weftnet/weft/policy/eval"
)

// translation is what the node of a workload makes of the destination of packets that are led to it.
type translation struct {
	node string
	to   netip.AddrPort // port 0: that of the packet
}

func (t *translation) apply(p eval.Packet) eval.Packet {
	if p.Dst = t.to.Addr(); t.to.Port() != 0 {
		p.DstPort = t.to.Port()
	}
	return p
}

// translation finds the workload that a packet is led to by a floating IP, or by a port of the node that has its destination; nil: none. Of several the newest
// counts.
func (c *Cluster) translation(node string, p eval.Packet) (*translation, error) {
	var found *translation
	var newest *workload
	for i := range c.workloads {
		w := &c.workloads[i]
		state, err := c.state(w.object.Spec.Node)
		if err != nil {
			return nil, err
		}
		ep, ok := state.Endpoint(w.id())
		if !ok || newest != nil && !precedes(w, newest) {
			continue
		}
		for _, f := range ep.FloatingIPs {
			if f.External == p.Dst {
				found, newest = &translation{node: w.object.Spec.Node, to: netip.AddrPortFrom(f.Internal, 0)}, w
			}
		}
		for _, h := range ep.HostPorts {
			own := w.object.Spec.Node == node && h.To.Addr().Is4() == p.Dst.Is4()
			if own && (!h.Host.IsValid() || h.Host == p.Dst) && h.Protocol == p.Protocol && h.Port == p.DstPort {
				found, newest = &translation{node: w.object.Spec.Node, to: h.To}, w
			}
		}
	}
	return found, nil
}
