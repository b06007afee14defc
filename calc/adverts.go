// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// adverts works out which addresses of services this node's BGP announces: the ranges of the BGPConfiguration, and of services whose outside traffic is to stay on
// the node that it comes to (externalTrafficPolicy: Local) the single addresses, where the node has a ready endpoint of the family.
type adverts struct {
	self     string
	excluded bool // a label says that outside traffic for services is to be kept from this node
	ranges   serviceRanges
	services map[rule.Service]*serviceAddrs
	slices   map[objectName]localSlice // those with ready endpoints on this node
	local    map[rule.Service][2]int   // how many of them a service has, by family
	dirty    bool
}

// serviceRanges are those of the BGPConfiguration named default, by what the addresses in them are.
type serviceRanges struct {
	cluster, external, balancer []netip.Prefix
	single                      bool // addresses of load balancers are announced one by one
}

// serviceAddrs are the addresses of a service, by what they are.
type serviceAddrs struct {
	cluster, external, balancer []netip.Addr
	local                       bool // externalTrafficPolicy: Local
}

// localSlice is what a slice counts for here.
type localSlice struct {
	service rule.Service
	family  int
}

func newAdverts(self string) *adverts {
	return &adverts{self: self, services: map[rule.Service]*serviceAddrs{}, slices: map[objectName]localSlice{}, local: map[rule.Service][2]int{}}
}

// list returns the prefixes, with duplicates, in no order.
func (a *adverts) list() (out []netip.Prefix) {
	r := &a.ranges
	if a.excluded {
		return nil
	}
	out = slices.Concat(r.cluster, r.external)
	for _, p := range r.balancer {
		if !r.single && !p.IsSingleIP() {
			out = append(out, p)
		}
	}
	for name, s := range a.services {
		out = a.addService(out, s, a.local[name])
	}
	return out
}

// addService adds the single addresses of a service.
func (a *adverts) addService(out []netip.Prefix, s *serviceAddrs, local [2]int) []netip.Prefix {
	r := &a.ranges
	add := func(addrs []netip.Addr, ranges []netip.Prefix, everywhere func(netip.Prefix) bool) {
		for _, addr := range addrs {
			i := slices.IndexFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr) })
			if i >= 0 && (s.local && local[family(addr)] > 0 || !s.local && everywhere(ranges[i])) {
				out = append(out, desired.HostPrefix(addr))
			}
		}
	}
	never := func(netip.Prefix) bool { return false } // the range leads here
	add(s.cluster, r.cluster, never)
	add(s.external, r.external, never)
	add(s.balancer, r.balancer, func(p netip.Prefix) bool { return r.single || p.IsSingleIP() })
	return out
}

// putConfig takes the ranges of the BGPConfiguration for all nodes.
func (a *adverts) putConfig(key api.Key, c *v3.BGPConfiguration) api.FieldErrors {
	if key.Name != "default" {
		return nil
	}
	var wrong faults
	read := func(field string, list []v3.CIDRBlock) (out []netip.Prefix) {
		for i, block := range list {
			cidr, err := v3.ParseCIDR(block.CIDR)
			wrong.add(fmt.Sprintf("spec.%s[%d].cidr", field, i), err)
			out = append(out, cidr)
		}
		return out
	}
	now := serviceRanges{
		cluster: read("serviceClusterIPs", c.Spec.ServiceClusterIPs), external: read("serviceExternalIPs", c.Spec.ServiceExternalIPs),
		balancer: read("serviceLoadBalancerIPs", c.Spec.ServiceLoadBalancerIPs), single: c.Spec.ServiceLoadBalancerAggregation == "Disabled",
	}
	if wrong.list == nil {
		a.setRanges(now)
	}
	return wrong.list
}

func (a *adverts) removeConfig(key api.Key) {
	if key.Name == "default" {
		a.setRanges(serviceRanges{})
	}
}

func (a *adverts) setRanges(now serviceRanges) {
	a.dirty = a.dirty || !reflect.DeepEqual(a.ranges, now)
	a.ranges = now
}

// putNode hears whether this node is kept from outside traffic for services.
func (a *adverts) putNode(name string, labels map[string]string) {
	if _, excluded := labels[corev1.LabelNodeExcludeBalancers]; name == a.self && excluded != a.excluded {
		a.excluded, a.dirty = excluded, true
	}
}

func (a *adverts) putService(key api.Key, obj *corev1.Service) api.FieldErrors {
	now, wrong := newServiceAddrs(obj)
	if wrong != nil {
		return wrong
	}
	if name := serviceOf(key); !reflect.DeepEqual(a.services[name], now) {
		a.services[rule.Service{Namespace: intern(name.Namespace), Name: intern(name.Name)}] = now
		a.dirty = true
	}
	return nil
}

func (a *adverts) removeService(key api.Key) {
	if name := serviceOf(key); a.services[name] != nil {
		delete(a.services, name)
		a.dirty = true
	}
}

func serviceOf(key api.Key) rule.Service {
	return rule.Service{Namespace: key.Namespace, Name: key.Name}
}

// newServiceAddrs reads the addresses of a service; one without any, such as a headless one, has none.
func newServiceAddrs(obj *corev1.Service) (*serviceAddrs, api.FieldErrors) {
	out := &serviceAddrs{local: obj.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal}
	var wrong faults
	read := func(path string, texts []string) (list []netip.Addr) {
		for i, text := range texts {
			if text == "" || text == corev1.ClusterIPNone {
				continue
			}
			addr, err := v3.ParseIP(text)
			wrong.add(fmt.Sprintf("%s[%d]", path, i), err)
			list = append(list, addr)
		}
		return list
	}
	var ingress []string
	for _, i := range obj.Status.LoadBalancer.Ingress {
		ingress = append(ingress, i.IP)
	}
	if obj.Spec.Type == corev1.ServiceTypeExternalName {
		return out, nil
	}
	clusterIPs := obj.Spec.ClusterIPs
	if len(clusterIPs) == 0 {
		clusterIPs = []string{obj.Spec.ClusterIP}
	}
	out.cluster, out.external = read("spec.clusterIPs", clusterIPs), read("spec.externalIPs", obj.Spec.ExternalIPs)
	if obj.Spec.Type == corev1.ServiceTypeLoadBalancer {
		out.balancer = read("status.loadBalancer.ingress", ingress)
	}
	return out, wrong.list
}

func (a *adverts) putSlice(key api.Key, obj *discoveryv1.EndpointSlice) {
	now := localSlice{service: rule.Service{Namespace: obj.Namespace, Name: obj.Labels[discoveryv1.LabelServiceName]}}
	if obj.AddressType == discoveryv1.AddressTypeIPv6 {
		now.family = 1
	}
	here := obj.AddressType != discoveryv1.AddressTypeFQDN && slices.ContainsFunc(obj.Endpoints, func(e discoveryv1.Endpoint) bool {
		return e.NodeName != nil && *e.NodeName == a.self && (e.Conditions.Ready == nil || *e.Conditions.Ready)
	})
	old, was := a.slices[nameOf(key)]
	if was == here && (!here || old == now) {
		return
	}
	a.removeSlice(key)
	if here {
		now.service = rule.Service{Namespace: intern(now.service.Namespace), Name: intern(now.service.Name)}
		a.slices[nameOf(key).owned()] = now
		a.count(now, 1)
	}
}

func (a *adverts) removeSlice(key api.Key) {
	if old, ok := a.slices[nameOf(key)]; ok {
		delete(a.slices, nameOf(key))
		a.count(old, -1)
	}
}

func (a *adverts) count(s localSlice, n int) {
	counts := a.local[s.service]
	counts[s.family] += n
	if a.local[s.service] = counts; counts == [2]int{} {
		delete(a.local, s.service)
	}
	a.dirty = true
}
