// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

// Thing is something that selectors see: an endpoint, a network set or a node.
type Thing struct {
	Key    api.Key
	Labels selector.Map // own and inherited
	Own    map[string]string
	Nets   []netip.Prefix
}

// Covers tells whether an address is the thing's.
func (t *Thing) Covers(addr netip.Addr) bool {
	for _, net := range t.Nets {
		if net.Contains(addr) {
			return true
		}
	}
	return false
}

// Things returns everything with labels and addresses, in the order in which the objects came. It is for explaining: what selectors choose is
// decided by the graph.
func (c *Cluster) Things() []*Thing {
	if c.things != nil {
		return c.things
	}
	inherited := c.inherited()
	c.things = []*Thing{}
	for _, key := range c.order {
		if t := thingOf(key, c.objects[key], inherited); t != nil {
			c.things = append(c.things, t)
		}
	}
	return c.things
}

// SeenBy tells whether the selector of an IP set sees the thing: that of nodes, or that of all others.
func (t *Thing) SeenBy(set rule.Set) bool {
	return set.Selector != nil && set.Nodes == (t.Key.Resource == api.Nodes)
}

// At returns the things that cover an address.
func (c *Cluster) At(addr netip.Addr) []*Thing {
	var out []*Thing
	for _, t := range c.Things() {
		if t.Covers(addr) {
			out = append(out, t)
		}
	}
	return out
}

// inherited returns the labels that each profile hands on.
func (c *Cluster) inherited() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, key := range c.order {
		var derived *v3.Profile
		switch obj := c.objects[key].(type) {
		case *corev1.Namespace:
			derived = rule.NamespaceProfile(obj)
		case *corev1.ServiceAccount:
			derived = rule.ServiceAccountProfile(obj)
		default:
			continue
		}
		out[derived.Name] = derived.Spec.LabelsToApply
	}
	for _, obj := range c.objects {
		if p, ok := obj.(*v3.Profile); ok { // the user's goes before a derived one
			out[p.Name] = p.Spec.LabelsToApply
		}
	}
	return out
}

func thingOf(key api.Key, obj api.Object, inherited map[string]map[string]string) *Thing {
	var texts, profiles []string
	own := map[string]string{}
	maps.Copy(own, obj.GetLabels())
	switch o := obj.(type) {
	case *v3.WorkloadEndpoint:
		texts, profiles = o.Spec.IPNetworks, o.Spec.Profiles
		setLabel(own, rule.OrchestratorLabel, o.Spec.Orchestrator)
		setLabel(own, rule.ServiceAccountLabel, o.Spec.ServiceAccountName)
	case *v3.HostEndpoint:
		texts, profiles = o.Spec.ExpectedIPs, o.Spec.Profiles
	case *v3.NetworkSet:
		texts, profiles = o.Spec.Nets, []string{rule.NamespaceProfileName(o.Namespace)}
	case *v3.GlobalNetworkSet:
		texts = o.Spec.Nets
	case *v3.Node:
		for _, addr := range o.Addrs() {
			texts = append(texts, addr.String())
		}
	default:
		return nil
	}
	if key.Namespace != "" {
		own[selector.NamespaceLabel] = key.Namespace
	}
	all := selector.Map{}
	for i := len(profiles) - 1; i >= 0; i-- { // the first profile goes before the others
		maps.Copy(all, inherited[profiles[i]])
	}
	maps.Copy(all, own)
	t := &Thing{Key: key, Labels: all, Own: obj.GetLabels()}
	for _, text := range texts {
		if net, err := v3.ParseCIDR(text); err == nil {
			t.Nets = append(t.Nets, net)
		}
	}
	return t
}

// maxLabelValue is Kubernetes' limit; a longer name is no label.
const maxLabelValue = 63

// setLabel sets a label that tells the origin of an endpoint, which its own labels cannot claim.
func setLabel(labels map[string]string, name, value string) {
	delete(labels, name)
	if value != "" && len(value) <= maxLabelValue {
		labels[name] = value
	}
}
