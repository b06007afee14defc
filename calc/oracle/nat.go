// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// sourceNAT reads the merged configurations of a node.
func (c *Cluster) sourceNAT(merged map[string]any) desired.SourceNAT {
	if !slices.ContainsFunc(c.pools, outgoing) {
		return desired.SourceNAT{}
	}
	out := desired.SourceNAT{Sources: desired.NATSources, Inside: desired.NATInside}
	if text, ok := merged["natOutgoingAddress"].(string); ok {
		out.Address = netip.MustParseAddr(text)
	}
	out.Interface, _ = merged["iptablesNATOutgoingInterfaceFilter"].(string)
	switch ports := merged["natPortRange"].(type) {
	case float64:
		out.MinPort, out.MaxPort = uint16(ports), uint16(ports)
	case string:
		if _, err := fmt.Sscanf(strings.Replace(ports, ":", " ", 1), "%d %d", &out.MinPort, &out.MaxPort); err != nil {
			out.MaxPort = out.MinPort
		}
	}
	return out
}

func outgoing(p *v3.IPPool) bool { return p.Spec.NATOutgoing != nil && *p.Spec.NATOutgoing }

// natSets are the sets of source translation, none if there is none.
func (c *Cluster) natSets(settings *desired.Settings, merged map[string]any) []desired.IPSetChange {
	if settings.SourceNAT.Sources == "" {
		return nil
	}
	sources, inside := map[desired.Member]bool{}, map[desired.Member]bool{}
	for _, p := range c.pools {
		cidr, err := v3.ParseCIDR(p.Spec.CIDR)
		if err != nil {
			continue
		}
		inside[desired.Member{Prefix: cidr}] = true
		if outgoing(p) {
			sources[desired.Member{Prefix: cidr}] = true
		}
	}
	if merged["natOutgoingExclusions"] == "IPPoolsAndHostIPs" {
		for _, n := range c.nodes {
			for _, k := range kinds {
				if s := c.end(n.Name, k).subnet; s.IsValid() {
					inside[desired.Member{Prefix: desired.HostPrefix(s.Addr())}] = true
				}
			}
		}
	}
	var out []desired.IPSetChange
	for id, set := range map[rule.SetID]map[desired.Member]bool{desired.NATSources: sources, desired.NATInside: inside} {
		out = append(out, desired.IPSetChange{ID: id, Created: true, Added: slices.SortedFunc(maps.Keys(set), desired.Member.Compare)})
	}
	return out
}

// floatingOn tells whether floating IPs are in use on a node.
func (c *Cluster) floatingOn(node string) bool {
	for _, name := range []string{"node." + node, "default"} {
		if f := c.felix[name]; f != nil && f.Spec.FloatingIPs != nil {
			return *f.Spec.FloatingIPs == "Enabled"
		}
	}
	return false
}

// floatingOwners returns which workload of a node each floating address leads to.
func (c *Cluster) floatingOwners(node string) map[netip.Addr]*workload {
	out := map[netip.Addr]*workload{}
	if !c.floatingOn(node) {
		return out
	}
	for _, w := range c.local(node) {
		for _, nat := range w.object.Spec.IPNATs {
			addr := netip.MustParseAddr(nat.ExternalIP)
			if have := out[addr]; have == nil || precedes(w, have) {
				out[addr] = w
			}
		}
	}
	return out
}

// expose fills in what leads to a workload that no other has before it.
func (c *Cluster) expose(node string, w *workload, e *desired.Endpoint) {
	floating := c.floatingOwners(node)
	for _, nat := range w.object.Spec.IPNATs {
		f := desired.FloatingIP{External: netip.MustParseAddr(nat.ExternalIP), Internal: netip.MustParseAddr(nat.InternalIP)}
		known := func(other desired.FloatingIP) bool { return other.External == f.External }
		if floating[f.External] == w && !slices.ContainsFunc(e.FloatingIPs, known) {
			e.FloatingIPs = append(e.FloatingIPs, f)
		}
	}
	slices.SortFunc(e.FloatingIPs, func(a, b desired.FloatingIP) int { return a.External.Compare(b.External) })
	for _, p := range hostPortsOf(w) {
		rival := func(o *workload) bool {
			return o != w && precedes(o, w) && slices.ContainsFunc(hostPortsOf(o), func(q desired.HostPort) bool { return sameClaim(p, q) })
		}
		if !slices.ContainsFunc(c.local(node), rival) && p.Host != netip.IPv6Loopback() {
			e.HostPorts = append(e.HostPorts, p)
		}
	}
}

func sameClaim(p, q desired.HostPort) bool {
	return p.Protocol == q.Protocol && p.Port == q.Port && p.Host == q.Host && p.To.Addr().Is4() == q.To.Addr().Is4()
}

// hostPortsOf returns the ports of the host that a workload claims, in order; of those that are the same the lowest.
func hostPortsOf(w *workload) []desired.HostPort {
	var all, out []desired.HostPort
	for _, p := range w.object.Spec.Ports {
		for _, v4 := range []bool{true, false} {
			host := netip.Addr{}
			if p.HostIP != "" {
				host = netip.MustParseAddr(p.HostIP)
			}
			at := slices.IndexFunc(w.nets, func(n netip.Prefix) bool { return n.Addr().Is4() == v4 })
			if p.HostPort == nil || *p.HostPort == 0 || at < 0 || host.IsValid() && host.Is4() != v4 {
				continue
			}
			if host.IsUnspecified() {
				host = netip.Addr{}
			}
			protocol, _ := v3.ProtocolNumber(p.Protocol)
			all = append(all, desired.HostPort{Protocol: protocol, Host: host, Port: *p.HostPort, To: netip.AddrPortFrom(w.nets[at].Addr(), p.Port)})
		}
	}
	slices.SortFunc(all, desired.HostPort.Compare)
	for _, p := range all {
		if !slices.ContainsFunc(out, func(q desired.HostPort) bool { return sameClaim(p, q) }) {
			out = append(out, p)
		}
	}
	return out
}
