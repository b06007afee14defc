// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
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

// masqueraded is the source of a packet when it has left its node.
func (c *Cluster) masqueraded(at place, p eval.Packet) netip.Addr {
	nat := at.state.Settings().SourceNAT
	in := func(id rule.SetID, addr netip.Addr) bool {
		set, ok := at.state.IPSet(id)
		return ok && slices.ContainsFunc(slices.Collect(maps.Keys(set.Members)), func(m desired.Member) bool { return m.Prefix.Contains(addr) })
	}
	link := c.linkAway(at, p.Dst)
	start, open := strings.CutSuffix(nat.Interface, "+")
	meant := nat.Interface == "" || nat.Interface == link || link == unknownLink || open && strings.HasPrefix(link, start)
	if nat.Sources == "" || !in(nat.Sources, p.Src) || in(nat.Inside, p.Dst) || !meant {
		return p.Src
	}
	var addrs []netip.Addr
	if p.Dst.Is4() {
		addrs = append(addrs, nat.Address)
	}
	for t := range at.state.Tunnels() {
		if t.Name == link {
			addrs = append(addrs, t.Addr)
		}
	}
	if i := slices.IndexFunc(c.Links[at.node], func(l calc.Link) bool { return l.Name == link }); i >= 0 {
		addrs = append(addrs, c.Links[at.node][i].Addrs...)
	}
	if n := c.node(at.node); n != nil {
		known := addrsOf(n)
		addrs = append(append(addrs, known[:]...), n.Addrs()...)
	}
	if i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.IsValid() && a.Is4() == p.Dst.Is4() }); i >= 0 {
		return addrs[i]
	}
	return p.Src
}
