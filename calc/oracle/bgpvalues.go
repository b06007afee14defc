// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

func (c *Cluster) sortedNodes() []*v3.Node {
	return slices.SortedFunc(slices.Values(c.nodes), func(a, b *v3.Node) int { return strings.Compare(a.Name, b.Name) })
}

func (c *Cluster) node(name string) *v3.Node {
	for _, n := range c.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// nodeAt returns the first node by name that has an address.
func (c *Cluster) nodeAt(addr netip.Addr) *v3.Node {
	for _, n := range c.sortedNodes() {
		if addrsOf(n)[index(addr)] == addr {
			return n
		}
	}
	return nil
}

func (c *Cluster) config(name string) *v3.BGPConfigurationSpec {
	if config := c.bgpConfigs[name]; config != nil {
		return &config.Spec
	}
	return &v3.BGPConfigurationSpec{}
}

func (c *Cluster) asOf(n *v3.Node) uint32 {
	if n.Spec.BGP != nil && n.Spec.BGP.ASNumber != nil {
		return n.Spec.BGP.ASNumber.Value
	}
	if as := c.config("default").ASNumber; as != nil {
		return as.Value
	}
	return 64512
}

func (c *Cluster) portOf(n *v3.Node) uint16 {
	for _, config := range []string{"node." + n.Name, "default"} {
		if port := c.config(config).ListenPort; port != nil {
			return uint16(*port)
		}
	}
	return 179
}

func (c *Cluster) bindMode(n *v3.Node) string {
	if mode := c.config("node." + n.Name).BindMode; mode != "" {
		return mode
	}
	return c.config("default").BindMode
}

// addrsOf returns the addresses of a node by family.
func addrsOf(n *v3.Node) [2]netip.Addr {
	var out [2]netip.Addr
	if n.Spec.BGP == nil {
		return out
	}
	for i, text := range []string{n.Spec.BGP.IPv4Address, n.Spec.BGP.IPv6Address} {
		if p, err := v3.ParseInterfaceCIDR(text); err == nil {
			out[i] = p.Addr()
		}
	}
	return out
}

func clusterOf(n *v3.Node) netip.Addr {
	if n.Spec.BGP == nil || n.Spec.BGP.RouteReflectorClusterID == "" {
		return netip.Addr{}
	}
	id, err := v3.ParseClusterID(n.Spec.BGP.RouteReflectorClusterID)
	if err != nil {
		return netip.Addr{}
	}
	return id
}

func index(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}

// settings returns the part of a session that the BGPPeer alone decides.
func settings(p *v3.BGPPeer) desired.Peer {
	s := &p.Spec
	out := desired.Peer{RestartSeconds: restart(s.MaxRestartTime)}
	if s.KeepaliveTime != nil {
		out.KeepaliveSeconds = uint16(min(65535, math.Ceil(s.KeepaliveTime.Seconds())))
	}
	out.NextHop = map[string]desired.NextHopMode{"Self": desired.NextHopSelf, "Keep": desired.NextHopKeep}[s.NextHopMode]
	if s.TTLSecurity != nil {
		out.TTLSecurity = *s.TTLSecurity
	}
	if s.NumAllowedLocalASNumbers != nil {
		out.AllowLocalAS = uint8(*s.NumAllowedLocalASNumbers)
	}
	if s.LocalASNumber != nil {
		out.LocalAS = s.LocalASNumber.Value
	}
	return out
}

func restart(d *metav1.Duration) uint16 {
	if d == nil {
		return 0
	}
	return uint16(min(4095, math.Ceil(d.Seconds())))
}

func name(s *desired.Peer) string {
	out := map[desired.PeerKind]string{desired.PeerMesh: "Mesh_", desired.PeerNode: "Node_", desired.PeerGlobal: "Global_"}[s.Kind]
	out += strings.ReplaceAll(strings.ReplaceAll(s.Addr.String(), ".", "_"), ":", "_")
	if s.Kind != desired.PeerMesh && s.Port != 179 {
		out += fmt.Sprintf("_port_%d", s.Port)
	}
	return out
}
