// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// services joins EndpointSlices with the IP sets that rules make of services. A service is what its slices say, so one that does not exist
// has empty sets. Endpoints count whether they are ready or not: those that start or end have connections, too.
type services struct {
	sets   *ipSets
	slices map[objectName]*slice
	byName map[rule.Service]*service
}

// slice is a part of a service's endpoints. An endpoint port without a number puts nothing into sets of ports.
type slice struct {
	item
	service rule.Service
}

// service is a name with what has it. It stays while there is anything.
type service struct {
	slices map[*slice]struct{}
	sets   map[*ipSet]struct{}
}

func newServices(sets *ipSets) *services {
	return &services{sets: sets, slices: map[objectName]*slice{}, byName: map[rule.Service]*service{}}
}

func (s *services) get(name rule.Service) *service {
	svc, ok := s.byName[name]
	if !ok {
		svc = &service{slices: map[*slice]struct{}{}, sets: map[*ipSet]struct{}{}}
		s.byName[name] = svc
	}
	return svc
}

func (s *services) forget(name rule.Service) {
	if svc := s.byName[name]; svc != nil && len(svc.slices)+len(svc.sets) == 0 {
		delete(s.byName, name)
	}
}

func (s *services) putSlice(key api.Key, obj *discoveryv1.EndpointSlice) api.FieldErrors {
	now, wrong := newSlice(obj)
	if wrong != nil {
		return wrong
	}
	name := nameOf(key).owned()
	old := s.slices[name]
	s.slices[name] = now
	s.join(now)
	if old != nil {
		s.leave(old)
	}
	return nil
}

func (s *services) removeSlice(key api.Key) {
	name := nameOf(key)
	if old, ok := s.slices[name]; ok {
		delete(s.slices, name)
		s.leave(old)
	}
}

func (s *services) hasSlice(key api.Key) bool { return s.slices[nameOf(key)] != nil }

// join and leave add the members that a slice gives to the sets of its service, and take them away.
func (s *services) join(sl *slice) {
	svc := s.get(sl.service)
	svc.slices[sl] = struct{}{}
	for set := range svc.sets {
		sl.members(set, func(m desired.Member) { s.sets.add(set, m) })
	}
}

func (s *services) leave(sl *slice) {
	svc := s.get(sl.service)
	delete(svc.slices, sl)
	for set := range svc.sets {
		sl.members(set, func(m desired.Member) { s.sets.drop(set, m) })
	}
	s.forget(sl.service)
}

// follow fills a new set from a service and keeps it up to date; unfollow ends that.
func (s *services) follow(set *ipSet) {
	svc := s.get(set.service)
	svc.sets[set] = struct{}{}
	for sl := range svc.slices {
		sl.members(set, func(m desired.Member) { s.sets.add(set, m) })
	}
}

func (s *services) unfollow(set *ipSet) {
	delete(s.get(set.service).sets, set)
	s.forget(set.service)
}

// members calls f with each member that the slice puts into a set of its service.
func (sl *slice) members(set *ipSet, f func(desired.Member)) {
	for _, net := range sl.nets {
		if set.Kind == rule.SetNet {
			f(desired.Member{Prefix: net})
			continue
		}
		for _, p := range sl.ports {
			f(desired.Member{Prefix: net, Protocol: p.protocol, Port: p.port})
		}
	}
}

// newSlice reads what the API's validation has found good; slices of host names have no addresses.
func newSlice(obj *discoveryv1.EndpointSlice) (*slice, api.FieldErrors) {
	out := &slice{service: rule.Service{Namespace: intern(obj.Namespace), Name: intern(obj.Labels[discoveryv1.LabelServiceName])}}
	if obj.AddressType == discoveryv1.AddressTypeFQDN {
		return out, nil
	}
	var wrong faults
	seen := map[netip.Prefix]bool{}
	for i, e := range obj.Endpoints {
		for j, text := range e.Addresses {
			addr, err := v3.ParseIP(text)
			wrong.add(fmt.Sprintf("endpoints[%d].addresses[%d]", i, j), err)
			if net := desired.HostPrefix(addr); !seen[net] {
				seen[net] = true
				out.nets = append(out.nets, net)
			}
		}
	}
	for i, p := range obj.Ports {
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = cmp.Or(*p.Protocol, protocol)
		}
		number, err := v3.ProtocolNumber(intstr.FromString(string(protocol)))
		wrong.add(fmt.Sprintf("ports[%d].protocol", i), err)
		if p.Port != nil {
			out.ports = append(out.ports, namedPort{protocol: number, port: uint16(*p.Port)})
		}
	}
	return out, wrong.list
}
