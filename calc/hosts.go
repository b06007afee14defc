// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"net/netip"
	"reflect"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// host is what the calculation needs of a Node.
type host struct {
	name    string
	labels  selector.Map
	as      uint32        // 0: the cluster's
	addrs   [2]netip.Addr // by family; both invalid when the node takes no part in BGP
	cluster netip.Addr    // valid on a route reflector
}

// family is the index of an address's family in pairs such as host.addrs: 0 for IPv4, 1 for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (h *host) reflects() bool { return h.cluster.IsValid() }

func (h *host) speaks() bool { return h.addrs[0].IsValid() || h.addrs[1].IsValid() }

// nodeAddressFields are the fields of a Node that hold its addresses, by family.
var nodeAddressFields = [2]string{"spec.bgp.ipv4Address", "spec.bgp.ipv6Address"}

func newHost(n *v3.Node) (*host, api.FieldErrors) {
	h := &host{name: intern(n.Name), labels: internLabels(n.Labels)}
	bgp := n.Spec.BGP
	if bgp == nil {
		return h, nil
	}
	var wrong faults
	if bgp.ASNumber != nil {
		h.as = bgp.ASNumber.Value
	}
	for i, text := range [2]string{bgp.IPv4Address, bgp.IPv6Address} {
		if text == "" {
			continue
		}
		p, err := v3.ParseInterfaceCIDR(text)
		if err == nil && family(p.Addr()) != i {
			err = fmt.Errorf("%s is an address of the other family; move it to %s", text, nodeAddressFields[1-i])
		}
		wrong.add(nodeAddressFields[i], err)
		h.addrs[i] = p.Addr()
	}
	if id := bgp.RouteReflectorClusterID; id != "" {
		var err error
		h.cluster, err = v3.ParseClusterID(id)
		wrong.add("spec.bgp.routeReflectorClusterID", err)
	}
	return h, wrong.list
}

func (s *speaker) putHost(key api.Key, n *v3.Node) api.FieldErrors {
	h, wrong := newHost(n)
	if wrong == nil && !reflect.DeepEqual(h, s.hosts[key.Name]) {
		s.setHost(key.Name, h)
	}
	return wrong
}

func (s *speaker) removeHost(key api.Key) { s.setHost(key.Name, nil) }

// setHost replaces a host; nil removes it.
func (s *speaker) setHost(name string, now *host) {
	for _, a := range s.hosts[name].valid() {
		s.owners.remove(a, name)
	}
	for _, a := range now.valid() {
		s.owners.add(a, name)
	}
	if now == nil {
		delete(s.hosts, name)
	} else {
		s.hosts[name] = now
	}
	s.order, s.dirty = nil, true
}

// valid returns the addresses that a host has; a nil host has none.
func (h *host) valid() (out []netip.Addr) {
	if h == nil {
		return nil
	}
	for _, a := range h.addrs {
		if a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}
