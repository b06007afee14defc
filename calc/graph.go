// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Graph computes the desired state of one node. The zero value is not usable: call New.
//
//	 NetworkSet,Node Workload-, HostEndpoint        Namespace, ServiceAccount, Profile     NetworkPolicy…   Tier
//	            │                │          │                     │                              │           │
//	            │                │          │ of this node        │ labels, rules                │ compiled  │
//	            ▼                ▼          ▼                     ▼                              ▼           ▼
//	          ┌───────────────────┐     ┌────────┐ lists     ┌──────────┐     selects       ┌───────────────────┐
//	          │ items             │     │ locals │──────────▶│ profiles │   ┌──────────────▶│ policies          │
//	          │                   │     │ hosts  │           │          │   │               │                   │
//	          └───────┬───────────┘     └┬──┬──┬─┘           └────┬─────┘   │ local labels  └────────┬──────────┘
//	                  │ members          │  │  └──────────────────┼─────────┘                        │
//	                  ▼                  │  │ addresses           │ in use                           │ selecting
//	          ┌───────────────────┐      │  │                     ▼                                  │
//	          │ ipSets            │◀─────┼──┼──────────────── ┌────────┐                              │
//	          └───────┬───────────┘ refs │  │                 │ active │◀─────────────────────────────┘
//	                  │                  │  │                 └───┬────┘
//	                  │                  │  │                     │
//	                  │                  │  ▼                     │      BlockAffinity, IPPool     Node, BGPConfiguration, BGPPeer
//	                  │                  │ ┌────────┐  own blocks │             ┌────────┐               ┌─────────┐
//	                  │                  │ │ routes │◀────────────┼─────────────│ blocks │               │ speaker │
//	                  │                  │ └───┬────┘             │             └───┬────┘               └────┬────┘
//	                  ▼                  ▼     ▼                  ▼                 ▼ advertised, exported    ▼ sessions
//	desired:       IPSets   Host-, Endpoints   Routes          Policies             └─────────── BGP ─────────┘
//
// Beside it adverts adds the addresses of Services to what BGP advertises, services tells ipSets of the endpoints in EndpointSlices, settings joins FelixConfigurations to Settings, SetLinks tells hosts of the interfaces of the node,
// and SetTunnelAddrs tells reach, which computes tunnels and the routes to other nodes, of its addresses on them.
//
// Apply leads each change to its source and marks what it may concern; Flush works the marked parts out, upstream first, and collects the
// difference to what it handed out before.
type Graph struct {
	inputs   inputs
	items    *items
	profiles *profiles
	policies *policies
	locals   *locals
	hosts    *hostEndpoints
	active   *active
	sets     *ipSets
	routes   *routes
	blocks   *blocks
	reach    *reach
	nat      *sourceNAT
	speaker  *speaker
	adverts  *adverts
	spoofing *spoofing

	settings   *settings
	checks     sourceChecks
	runtime    goRuntimes
	flushed    uint64       // revision of the last Flush
	bgp        *desired.BGP // handed out by the last Flush
	advertise  []netip.Prefix
	announced  []netip.Prefix // of services
	exportable []netip.Prefix
}

// New returns an empty graph for the node of that name.
func New(node string) *Graph {
	sets, routes := newIPSets(), newRoutes()
	active := newActive(sets)
	g := &Graph{
		settings: newSettings(node), checks: newSourceChecks(node), runtime: newGoRuntimes(node),
		sets: sets, routes: routes, blocks: newBlocks(node, routes), speaker: newSpeaker(node), adverts: newAdverts(node),
		items: newItems(sets), active: active, profiles: newProfiles(active), policies: newPolicies(active),
	}
	nodes := tunnelNodes{}
	g.nat = newSourceNAT(node, nodes, sets)
	g.reach = newReach(node, nodes, g.items, routes, sets, g.nat)
	g.blocks.reach, g.blocks.nat = g.reach, g.nat
	g.locals = newLocals(g.policies, g.profiles, active, routes, g.blocks)
	g.hosts = newHostEndpoints(node, g.items, g.policies, g.profiles, active)
	g.spoofing = newSpoofing(node, g.locals)
	active.content = g.content
	g.profiles.heirs = []heir{sets.index, g.policies.index}
	g.profiles.derive(defaultAllow())
	g.inputs = inputs{refused: problems{}, ignored: problems{}, lost: map[api.Key]struct{}{}, taken: map[api.Key]struct{}{}, sources: g.newSources(node)}
	return g
}

// newSources says which part of the graph takes the objects of each resource.
func (g *Graph) newSources(node string) map[api.Resource]source {
	workloads := &workloads{self: node, items: g.items, locals: g.locals, reach: g.reach}
	return map[api.Resource]source{
		api.WorkloadEndpoints:     sourceOfChanges(workloads.put, workloads.remove).knowing(workloads.has),
		api.HostEndpoints:         sourceOfChanges(g.hosts.put, g.hosts.remove),
		api.NetworkSets:           sourceOf(g.items.putNetworkSet, g.items.remove),
		api.GlobalNetworkSets:     sourceOf(g.items.putGlobalNetworkSet, g.items.remove),
		api.Tiers:                 sourceOf(g.policies.putTier, g.policies.removeTier),
		api.NetworkPolicies:       sourceOfPolicies[*v3.NetworkPolicy](g.policies),
		api.GlobalNetworkPolicies: sourceOfPolicies[*v3.GlobalNetworkPolicy](g.policies),
		api.KubeNetworkPolicies:   sourceOfPolicies[*networkingv1.NetworkPolicy](g.policies),
		api.Profiles:              sourceOf(g.profiles.putProfile, g.profiles.removeProfile),
		api.Namespaces:            sourceOf(g.profiles.putNamespace, g.profiles.removeNamespace),
		api.ServiceAccounts:       sourceOf(g.profiles.putServiceAccount, g.profiles.removeServiceAccount),
		api.Nodes:                 sourceOf(g.putNode, g.removeNode),
		api.BGPConfigurations:     sourceOf(g.putBGPConfig, g.removeBGPConfig),
		api.BGPPeers:              sourceOf(g.speaker.putPeer, g.speaker.removePeer),
		api.BlockAffinities:       sourceOf(g.blocks.putAffinity, g.blocks.removeAffinity),
		api.IPPools:               sourceOf(g.blocks.putPool, g.blocks.removePool),
		api.Services:              sourceOf(g.adverts.putService, g.adverts.removeService),
		api.EndpointSlices:        sourceOf(g.putSlice, g.removeSlice).knowing(g.sets.services.hasSlice),
		api.FelixConfigurations:   sourceOf(g.putFelix, g.removeFelix),

		api.StagedNetworkPolicies:           sourceOfPolicies[*v3.StagedNetworkPolicy](g.policies),
		api.StagedGlobalNetworkPolicies:     sourceOfPolicies[*v3.StagedGlobalNetworkPolicy](g.policies),
		api.StagedKubernetesNetworkPolicies: sourceOfPolicies[*v3.StagedKubernetesNetworkPolicy](g.policies),

		api.ClusterNetworkPolicies:       sourceOfPolicies[*clusterpolicy.ClusterNetworkPolicy](g.policies),
		api.AdminNetworkPolicies:         sourceOfPolicies[*clusterpolicy.AdminNetworkPolicy](g.policies),
		api.BaselineAdminNetworkPolicies: sourceOfPolicies[*clusterpolicy.BaselineAdminNetworkPolicy](g.policies),
	}
}

// Nodes, EndpointSlices, BGP- and FelixConfigurations concern several parts of the graph each. An object that one of them refuses reaches none of those behind it.

func (g *Graph) putNode(key api.Key, n *v3.Node) api.FieldErrors {
	if wrong := g.reach.putNode(key.Name, n); wrong != nil {
		return wrong
	}
	if wrong := g.speaker.putHost(key, n); wrong != nil {
		return wrong
	}
	g.items.putNode(key, n)
	g.adverts.putNode(key.Name, n.Labels)
	return nil
}

func (g *Graph) removeNode(key api.Key) {
	g.reach.removeNode(key.Name)
	g.speaker.removeHost(key)
	g.items.remove(key)
	g.adverts.putNode(key.Name, nil)
}

func (g *Graph) putBGPConfig(key api.Key, c *v3.BGPConfiguration) api.FieldErrors {
	if wrong := g.speaker.putConfig(key, c); wrong != nil {
		return wrong
	}
	return g.adverts.putConfig(key, c)
}

func (g *Graph) removeBGPConfig(key api.Key) {
	g.speaker.removeConfig(key)
	g.adverts.removeConfig(key)
}

func (g *Graph) putSlice(key api.Key, obj *discoveryv1.EndpointSlice) api.FieldErrors {
	wrong := g.sets.services.putSlice(key, obj)
	if wrong == nil {
		g.adverts.putSlice(key, obj)
	}
	return wrong
}

func (g *Graph) removeSlice(key api.Key) {
	g.sets.services.removeSlice(key)
	g.adverts.removeSlice(key)
}

func (g *Graph) putFelix(key api.Key, obj *v3.FelixConfiguration) api.FieldErrors {
	stated, wrong := newStatedConfig(&obj.Spec)
	if wrong == nil {
		wrong = g.settings.put(key, obj)
	}
	if wrong == nil {
		g.reach.putConfig(key, stated)
		g.spoofing.put(key, obj)
		g.nat.configs.put(key, obj)
		g.checks.put(key, obj)
		g.runtime.put(key, obj)
	}
	return wrong
}

func (g *Graph) removeFelix(key api.Key) {
	g.settings.remove(key)
	g.reach.removeConfig(key)
	g.spoofing.remove(key)
	g.nat.configs.remove(key)
	g.checks.remove(key)
	g.runtime.remove(key)
}

// NeedsTunnelAddress tells by kind of tunnel whether an IP pool makes this node need an address on it.
func (g *Graph) NeedsTunnelAddress() [desired.TunnelKinds]bool { return g.reach.needs() }

// SetTunnelAddrs says which addresses this node has on its tunnels, before its Node says so to the others. Where there is none, that in the
// Node counts.
func (g *Graph) SetTunnelAddrs(addrs desired.TunnelAddrs) { g.reach.setOwn(addrs) }

// SourceCheck returns what is wanted of the cloud's check of this node's addresses.
func (g *Graph) SourceCheck() SourceCheck { return g.checks.now() }

// GoRuntime returns how the Go runtime of this node's agent is to be tuned.
func (g *Graph) GoRuntime() GoRuntime { return g.runtime.last }

// UnderlayRevision grows with each change of what Underlay returns.
func (g *Graph) UnderlayRevision() uint64 { return g.reach.underlay }

// Underlay returns what the sizes of packets depend on besides the host's links.
func (g *Graph) Underlay() Underlay { return g.reach.underlayNow() }

// SetMet says with which peers of its WireGuard devices this node can exchange packets. Until then they go as they would without WireGuard.
func (g *Graph) SetMet(peers map[desired.TunnelPeerID]struct{}) { g.reach.setMet(peers) }

// Apply takes changes in, in order. Their effects come out of the next Flush.
func (g *Graph) Apply(changes []Change) {
	for i := range changes {
		g.inputs.apply(&changes[i])
	}
}

// Flush returns what changed in the desired state since the last Flush; nil means nothing.
func (g *Graph) Flush() *desired.Delta {
	g.locals.setFloating(g.nat.configs.now.floatingIPs)
	g.locals.flush()
	g.hosts.flush()
	g.active.flush()
	g.reach.guard.flush(g.reach.needs(), g.reach.configs.now, g.settings)
	g.nat.flush(g.settings)
	g.flushed = g.inputs.revision
	d := &desired.Delta{Revision: g.flushed}
	g.sets.flush(d)
	d.Policies, d.PoliciesRemoved = g.active.out.drain()
	d.Endpoints, d.EndpointsRemoved = g.locals.out.drain()
	d.HostEndpoints, d.HostEndpointsRemoved = g.hosts.out.drain()
	g.reach.flush()
	d.Tunnels, d.TunnelsRemoved = g.reach.tunnels.drain()
	d.TunnelPeers, d.TunnelPeersRemoved = g.reach.peers.drain()
	d.Routes, d.RoutesRemoved = g.routes.out.drain()
	g.settings.flush(d)
	g.flushBGP(d)
	if d.IsEmpty() {
		return nil
	}
	return d
}

// content returns a policy or profile that is in use.
func (g *Graph) content(id rule.PolicyID) *desired.Policy {
	if id.Kind == rule.KindProfile {
		return g.profiles.byName[id.Name].now().compile()
	}
	return g.policies.byID[id].out
}

// flushBGP puts the speaker together from its sessions, the blocks and the services.
func (g *Graph) flushBGP(d *desired.Delta) {
	if !g.blocks.dirty && !g.adverts.dirty && !g.speaker.dirty {
		return
	}
	if g.blocks.dirty {
		g.blocks.dirty = false
		g.advertise, g.exportable = g.blocks.advertised(), g.blocks.exportable()
	}
	if g.adverts.dirty {
		g.adverts.dirty = false
		g.announced = g.adverts.list()
	}
	g.speaker.settle()
	var now *desired.BGP
	if g.speaker.now != nil {
		whole := *g.speaker.now
		whole.Advertise, whole.ExportOnly = g.advertise, g.exportable
		if len(g.announced) > 0 {
			whole.Advertise = sortedPrefixes(slices.Concat(g.advertise, withNextHop(&whole, g.announced)))
		}
		now = &whole
	}
	if !now.Equal(g.bgp) {
		d.BGP, d.BGPRemoved = now, now == nil
		g.bgp = now
	}
}

// withNextHop returns the prefixes of families that the node has an address of: a service may have more.
func withNextHop(b *desired.BGP, list []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(list), func(p netip.Prefix) bool { return !b.NextHops[family(p.Addr())].IsValid() })
}

// complaints returns the problems that each node has with objects that are valid by themselves.
func (g *Graph) complaints() []problems {
	return []problems{g.speaker.problems(), g.blocks.problems(), g.reach.problems(), g.policies.notes, g.policies.problems(), g.profiles.notes, g.locals.problems(), g.hosts.problems()}
}
