// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package oracle answers from all objects of a cluster at once: build a [Cluster] with New, ask it for a node's Desired state or to Judge a
// packet.
//
// It is the slow, plain counterpart of package calc: nothing is incremental, every question is answered by loops over everything. Tests hold
// calc against it; offline tools and the lab use it to know what ought to happen.
package oracle

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// Version is one object and how it came in, which only shows as the revision of endpoints and decides between endpoints that claim the same
// thing: local ones, which a node knows from itself, go before others and newer ones before older ones.
type Version struct {
	Object   api.Object
	Revision uint64
	Local    bool
}

// Cluster is everything there is, read and compiled. It does not change and may be asked by several at once.
type Cluster struct {
	workloads []workload
	hosts     []host
	others    []contributor // network sets
	profiles  map[string]profile
	policies  []*rule.Policy         // in force or staged: their tier exists
	replaced  map[rule.PolicyID]bool // by a staged one, would it be put in force
	tiers     map[string]rule.Tier

	affinities []*v3.BlockAffinity
	pools      []*v3.IPPool
	nodes      []*v3.Node
	bgpConfigs map[string]*v3.BGPConfiguration
	bgpPeers   []*v3.BGPPeer
	felix      map[string]*v3.FelixConfiguration
	slices     []*discoveryv1.EndpointSlice
	services   []*corev1.Service

	mu     sync.Mutex
	states map[string]*desired.State // by node, for Judge

	// Links are the interfaces of each node itself. Set them before asking: without, no host endpoint is chosen by its addresses.
	Links map[string][]calc.Link
	// TunnelAddrs are the addresses of nodes on their tunnels that their Nodes do not say yet. Set them before asking.
	TunnelAddrs map[string]desired.TunnelAddrs
	// Met are, by node, the peers with whom it can exchange encrypted packets. Set them before asking.
	Met map[string]map[desired.TunnelPeerID]struct{}

	// Refused holds the objects that are invalid; the cluster is without them.
	Refused map[api.Key]error
}

// profile is labels and rules for whoever lists the profile.
type profile struct {
	labels map[string]string
	rules  *rule.Policy
}

// New reads objects of any kinds. Kinds that nothing is computed from are ignored; invalid objects end up in Refused.
func New(objects []Version) *Cluster {
	c := &Cluster{profiles: map[string]profile{}, tiers: map[string]rule.Tier{}, replaced: map[rule.PolicyID]bool{}, bgpConfigs: map[string]*v3.BGPConfiguration{},
		felix: map[string]*v3.FelixConfiguration{}, states: map[string]*desired.State{}, Refused: map[api.Key]error{}}
	for _, v := range objects {
		c.refuse(v.Object, api.Validate(v.Object, api.Checks{Selector: selector.ValidateSyntax, Stored: true}).Err())
	}
	c.builtIn()
	// What other objects are read against comes first: tiers before policies, derived profiles before those of users, which win.
	for _, phase := range []func(Version) error{c.readTier, c.readDerived, c.readRest} {
		for _, v := range objects {
			if c.Refused[api.KeyOf(v.Object)] == nil {
				c.refuse(v.Object, phase(v))
			}
		}
	}
	slices.SortFunc(c.policies, c.comparePolicies)
	c.dropOverlapping()
	return c
}

// dropOverlapping leaves the pools that overlap none that is older, or as old and before it by name.
func (c *Cluster) dropOverlapping() {
	slices.SortFunc(c.pools, func(a, b *v3.IPPool) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	var kept []netip.Prefix
	c.pools = slices.DeleteFunc(c.pools, func(p *v3.IPPool) bool {
		cidr, err := v3.ParseCIDR(p.Spec.CIDR)
		if err != nil || slices.ContainsFunc(kept, cidr.Overlaps) {
			return true
		}
		kept = append(kept, cidr)
		return false
	})
}

// builtIn adds what exists without an object.
func (c *Cluster) builtIn() {
	for _, t := range v3.FixedTiers() {
		c.refuse(t, c.readTier(Version{Object: t}))
	}
	open := &v3.Profile{ObjectMeta: v3.ObjectMeta{Name: "projectcalico-default-allow"}}
	open.Spec.Ingress, open.Spec.Egress = []v3.Rule{{Action: v3.Allow}}, []v3.Rule{{Action: v3.Allow}}
	c.refuse(open, c.addProfile(open))
}

func (c *Cluster) refuse(obj api.Object, err error) {
	if err != nil {
		c.Refused[api.KeyOf(obj)] = err
	}
}

func (c *Cluster) readTier(v Version) error {
	t, ok := v.Object.(*v3.Tier)
	if !ok {
		return nil
	}
	compiled, err := rule.CompileTier(t)
	if err == nil {
		c.tiers[t.Name] = compiled
	}
	return err
}

func (c *Cluster) readDerived(v Version) error {
	switch obj := v.Object.(type) {
	case *corev1.Namespace:
		return c.addProfile(rule.NamespaceProfile(obj))
	case *corev1.ServiceAccount:
		return c.addProfile(rule.ServiceAccountProfile(obj))
	}
	return nil
}

func (c *Cluster) addProfile(p *v3.Profile) error {
	rules, _, err := rule.CompileProfile(p)
	if err == nil {
		c.profiles[p.Name] = profile{p.Spec.LabelsToApply, rules}
	}
	return err
}

func (c *Cluster) readRest(v Version) error {
	switch obj := v.Object.(type) {
	case *v3.Profile:
		return c.addProfile(obj)
	case *v3.WorkloadEndpoint:
		return c.addWorkload(obj, v)
	case *v3.HostEndpoint:
		return c.addHostEndpoint(obj, v)
	case *v3.NetworkSet:
		return c.addNetworkSet(&obj.Spec, withNamespace(obj.Labels, obj.Namespace), []string{"kns." + obj.Namespace})
	case *v3.GlobalNetworkSet:
		return c.addNetworkSet(&obj.Spec, obj.Labels, nil)
	case *v3.BlockAffinity:
		c.affinities = append(c.affinities, obj)
	case *v3.IPPool:
		c.pools = append(c.pools, obj)
	case *v3.Node:
		c.nodes = append(c.nodes, obj)
	case *v3.BGPConfiguration:
		c.bgpConfigs[obj.Name] = obj
	case *discoveryv1.EndpointSlice:
		c.slices = append(c.slices, obj)
	case *corev1.Service:
		c.services = append(c.services, obj)
	case *v3.FelixConfiguration:
		c.felix[obj.Name] = obj
	case *v3.BGPPeer:
		c.bgpPeers = append(c.bgpPeers, obj)
	default:
		return c.addPolicy(rule.CompilePolicy(obj))
	}
	return nil
}

// addPolicy keeps a policy unless its tier does not exist.
func (c *Cluster) addPolicy(p *rule.Policy, _ v3.FieldErrors, err error) error {
	if p == nil { // refused, or none
		return err
	}
	if p.Replaces {
		c.replaced[p.ID.Enforced()] = true
	}
	if _, ok := c.tiers[p.Tier]; ok {
		c.policies = append(c.policies, p)
	}
	return nil
}

// comparePolicies orders by tier, then within the tier.
func (c *Cluster) comparePolicies(a, b *rule.Policy) int {
	if a.Tier != b.Tier {
		return rule.CompareTiers(c.tiers[a.Tier], c.tiers[b.Tier])
	}
	return rule.ComparePolicies(a, b)
}
