// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
)

// sourceNAT keeps the IP sets of source translation: the pools with natOutgoing, and what their workloads talk to under their own addresses. The sets
// are there while a pool asks for translation.
type sourceNAT struct {
	nodes   tunnelNodes
	sets    *ipSets
	configs natConfigs
	pools   map[string]natPool
	asking  int // pools, for translation

	sources, inside *ipSet // nil: not needed
	withHosts       bool   // hosts are in inside
}

// natPool is what sourceNAT needs of an IP pool.
type natPool struct {
	cidr     netip.Prefix
	outgoing bool
}

func newSourceNAT(self string, nodes tunnelNodes, sets *ipSets) *sourceNAT {
	return &sourceNAT{nodes: nodes, sets: sets, configs: newNATConfigs(self), pools: map[string]natPool{}}
}

func (n *sourceNAT) putPool(name string, cidr netip.Prefix, obj *v3.IPPool) {
	now := natPool{cidr, obj.Spec.NATOutgoing != nil && *obj.Spec.NATOutgoing}
	if n.pools[name] == now {
		return
	}
	n.removePool(name)
	n.pools[name] = now
	if now.outgoing {
		n.asking++
	}
	n.change(now, n.sets.add)
}

func (n *sourceNAT) removePool(name string) {
	if old, ok := n.pools[name]; ok {
		delete(n.pools, name)
		if old.outgoing {
			n.asking--
		}
		n.change(old, n.sets.drop)
	}
}

// change adds a pool to the sets, or drops it from them.
func (n *sourceNAT) change(p natPool, do func(*ipSet, desired.Member)) {
	m := desired.Member{Prefix: p.cidr}
	if n.sources != nil && p.outgoing {
		do(n.sources, m)
	}
	if n.inside != nil {
		do(n.inside, m)
	}
}

// setHost replaces a node by another version of itself; nil is none.
func (n *sourceNAT) setHost(old, now *tunnelNode) {
	if n.inside == nil || !n.withHosts {
		return
	}
	for m := range now.members() {
		n.sets.add(n.inside, m)
	}
	for m := range old.members() {
		n.sets.drop(n.inside, m)
	}
}

// flush makes or ends the sets, and tells the settings what to translate and how.
func (n *sourceNAT) flush(settings *settings) {
	config := n.configs.now
	now, needed := config.source, n.asking > 0
	if needed {
		now.Sources, now.Inside = desired.NATSources, desired.NATInside
	} else {
		now = desired.SourceNAT{}
	}
	settings.setSourceNAT(now)
	switch made := n.sources != nil; {
	case needed && !made:
		n.sources, n.inside = n.sets.keep(desired.NATSources), n.sets.keep(desired.NATInside)
		n.withHosts = false
		for _, p := range n.pools {
			n.change(p, n.sets.add)
		}
	case !needed && made:
		n.sets.release(desired.NATSources)
		n.sets.release(desired.NATInside)
		n.sources, n.inside = nil, nil
	}
	if n.inside != nil && n.withHosts != config.hostsInside {
		n.setWithHosts(config.hostsInside)
	}
}

func (n *sourceNAT) setWithHosts(with bool) {
	do := n.sets.drop
	if with {
		do = n.sets.add
	}
	n.withHosts = with
	for m := range n.nodes.members() {
		do(n.inside, m)
	}
}

// natConfig is how addresses are translated.
type natConfig struct {
	source      desired.SourceNAT // without sets
	hostsInside bool
	floatingIPs bool
}

// natConfigs joins what the FelixConfigurations say of translation for this node. Of what both state, the node's own wins over the one named
// default.
type natConfigs struct {
	own    string
	byName map[string]v3.FelixNAT
	now    natConfig // what all of them come to
}

func newNATConfigs(self string) natConfigs {
	return natConfigs{own: "node." + self, byName: map[string]v3.FelixNAT{}}
}

// joined is what the configurations come to; only a change of one makes it worth asking.
func (c *natConfigs) joined() (out natConfig) {
	own, all := c.byName[c.own], c.byName["default"]
	out.floatingIPs = c.floatingIn(c.own)
	out.hostsInside = stated(own.NATOutgoingExclusions, all.NATOutgoingExclusions) == "IPPoolsAndHostIPs"
	out.source.Interface = stated(own.IPTablesNATOutgoingInterfaceFilter, all.IPTablesNATOutgoingInterfaceFilter)
	if addr, err := v3.ParseIP(stated(own.NATOutgoingAddress, all.NATOutgoingAddress)); err == nil { // validation has let none other through
		out.source.Address = addr
	}
	if ports := cmp.Or(own.NATPortRange, all.NATPortRange); ports != nil {
		out.source.MinPort, out.source.MaxPort, _, _ = v3.ParsePort(*ports) // as before; 0 is no port
	}
	return out
}

// stated is the first of two values that is stated, "" where none is.
func stated(own, all *string) string {
	if p := cmp.Or(own, all); p != nil {
		return *p
	}
	return ""
}

// floatingOn tells whether a node, this or another, has floating addresses in use.
func (c *natConfigs) floatingOn(node string) bool { return c.floatingIn("node." + node) }

func (c *natConfigs) floatingIn(config string) bool {
	return stated(c.byName[config].FloatingIPs, c.byName["default"].FloatingIPs) == "Enabled"
}

func (c *natConfigs) put(key api.Key, obj *v3.FelixConfiguration) {
	c.byName[key.Name] = obj.Spec.FelixNAT
	c.now = c.joined()
}

func (c *natConfigs) remove(key api.Key) {
	delete(c.byName, key.Name)
	c.now = c.joined()
}
