// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"iter"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// String returns "namespace/name".
func (id EndpointID) String() string { return id.Namespace + "/" + id.Name }

// Compare orders endpoints by namespace, then name.
func (id EndpointID) Compare(other EndpointID) int {
	return cmp.Or(strings.Compare(id.Namespace, other.Namespace), strings.Compare(id.Name, other.Name))
}

// Compare orders members by address, prefix length, protocol and port.
func (m Member) Compare(other Member) int {
	return cmp.Or(ComparePrefixes(m.Prefix, other.Prefix), cmp.Compare(m.Protocol, other.Protocol), cmp.Compare(m.Port, other.Port))
}

// String renders a member: "10.0.0.1", "10.0.0.0/8" or "10.0.0.1 TCP 80".
func (m Member) String() string {
	if m.Protocol == 0 {
		if m.Prefix.IsSingleIP() {
			return m.Prefix.Addr().String()
		}
		return m.Prefix.String()
	}
	return m.Prefix.Addr().String() + " " + v3.ProtocolName(m.Protocol) + " " + strconv.Itoa(int(m.Port))
}

// String returns "local", "blackhole", "node" or "tunnel".
func (k RouteKind) String() string {
	names := [...]string{"local", "blackhole", "node", "tunnel"}
	return names[min(int(k), len(names)-1)]
}

// ComparePrefixes orders prefixes by family, address and length, a shorter prefix first.
func ComparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// ComparePolicies orders policies by kind, namespace and name. It is not the order of evaluation.
func ComparePolicies(a, b rule.PolicyID) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// Uses returns the policies that an endpoint refers to, profiles and staged ones included. One may come several times.
func (e *Endpoint) Uses() iter.Seq[rule.PolicyID] {
	tiers := [][]TierPolicies{e.Tiers[rule.Ingress], e.Tiers[rule.Egress]}
	if e.Staged != nil {
		tiers = append(tiers, e.Staged[rule.Ingress], e.Staged[rule.Egress])
	}
	return policiesOf(e.Profiles, tiers)
}

// Uses returns the policies that a host endpoint refers to, profiles included. One may come several times.
func (e *HostEndpoint) Uses() iter.Seq[rule.PolicyID] {
	return policiesOf(e.Profiles, [][]TierPolicies{
		e.Untracked[rule.Ingress], e.Untracked[rule.Egress], e.PreDNAT,
		e.Normal[rule.Ingress], e.Normal[rule.Egress], e.Forward[rule.Ingress], e.Forward[rule.Egress],
	})
}

func policiesOf(profiles []rule.PolicyID, lists [][]TierPolicies) iter.Seq[rule.PolicyID] {
	return func(yield func(rule.PolicyID) bool) {
		for _, tiers := range lists {
			for _, t := range tiers {
				for _, id := range t.Policies {
					if !yield(id) {
						return
					}
				}
			}
		}
		for _, id := range profiles {
			if !yield(id) {
				return
			}
		}
	}
}

// Equal tells whether two endpoints are the same in every field.
func (e *Endpoint) Equal(other *Endpoint) bool { return reflect.DeepEqual(e, other) }

// Equal tells whether two policies are the same in every field.
func (p *Policy) Equal(other *Policy) bool { return reflect.DeepEqual(p, other) }

// Equal tells whether two speakers are the same in every field; nil equals nil.
func (b *BGP) Equal(other *BGP) bool { return reflect.DeepEqual(b, other) }

// Sets returns the IP sets that p's rules refer to. A set may come several times.
func (p *Policy) Sets() iter.Seq[rule.Set] {
	return func(yield func(rule.Set) bool) {
		for _, rules := range p.Rules {
			for i := range rules {
				if !setsOf(&rules[i].Match.Src, yield) || !setsOf(&rules[i].Match.Dst, yield) {
					return
				}
			}
		}
	}
}

func setsOf(side *rule.Side, yield func(rule.Set) bool) bool {
	for _, list := range [...][]rule.Set{side.Sets, side.NotSets, side.PortSets, side.NotPortSets} {
		for _, set := range list {
			if !yield(set) {
				return false
			}
		}
	}
	return true
}

// HostPrefix returns addr as a prefix of one address, /32 or /128.
func HostPrefix(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }
