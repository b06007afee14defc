// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// flush hands out the endpoints that were touched.
func (s *locals) flush() {
	for ep := range s.dirty {
		old, had := s.out.get(ep.ID)
		switch {
		case ep.inForce:
			now := s.build(ep)
			s.profiles.use(now.Profiles, 1)
			s.out.put(ep.ID, now)
		case s.byID[ep.ID] == nil || s.byID[ep.ID] == ep:
			s.out.remove(ep.ID)
		default:
			continue // another endpoint has its name now
		}
		if had {
			s.profiles.use(old.Profiles, -1)
		}
	}
	clear(s.dirty)
}

// build puts policy in front of an endpoint.
func (s *locals) build(ep *localEndpoint) *desired.Endpoint {
	out := ep.Endpoint
	ordered := make([]*policy, 0, len(ep.policies))
	for p := range ep.policies {
		ordered = append(ordered, p)
	}
	slices.SortFunc(ordered, s.policies.compare)
	for d := range out.Tiers {
		out.Tiers[d] = s.policies.arrange(ordered, rule.Direction(d))
	}
	for _, name := range ep.profiles {
		if !s.profiles.exists(name) {
			break // it may hold a Deny: what it would decide is dropped, which is what no match in profiles does
		}
		out.Profiles = append(out.Profiles, profileID(name))
	}
	return &out
}

// arrange groups the policies that govern a direction by tier. They come in order of evaluation.
func (s *policies) arrange(ordered []*policy, d rule.Direction) []desired.TierPolicies {
	var out []desired.TierPolicies
	for _, p := range ordered {
		if !p.Types[d] {
			continue
		}
		if last := len(out) - 1; last < 0 || out[last].Tier != p.Tier {
			out = append(out, desired.TierPolicies{Tier: p.Tier, DefaultAction: s.tiers[p.Tier].DefaultAction})
		}
		t := &out[len(out)-1]
		t.Policies = append(t.Policies, p.ID)
	}
	return out
}

// compare orders policies by evaluation, the tier first.
func (s *policies) compare(a, b *policy) int {
	if a.Tier != b.Tier {
		return rule.CompareTiers(s.tiers[a.Tier].Tier, s.tiers[b.Tier].Tier)
	}
	return rule.ComparePolicies(&a.Policy, &b.Policy)
}

// problems reports local endpoints that name a missing profile, or share an interface or address with one that goes before.
func (s *locals) problems() problems {
	out := problems{}
	for id, ep := range s.byID {
		key := api.Key{Resource: api.WorkloadEndpoints, Namespace: id.Namespace, Name: id.Name}
		for i, name := range ep.profiles {
			if !s.profiles.exists(name) {
				out.add(key, fmt.Sprintf("spec.profiles[%d]", i),
					"profile "+name+" does not exist, so it and all after it let nothing pass; create "+profileOrigin(name)+" or leave it out")
			}
		}
		if ep.Interface == "" {
			out.add(key, "spec.interfaceName", "required on the endpoint's own node, so it is not in force; write the host side name of its link")
		} else if winner := s.links.of(ep.Interface)[0]; winner != ep {
			out.add(key, "spec.interfaceName", "endpoint "+winner.ID.String()+", which goes before it, has interface "+ep.Interface+
				" too, so this one is not in force; delete it or give it an interface of its own")
		}
		for _, addr := range ep.Addrs {
			if owners := s.addrs.of(addr); ep.inForce && owners[0] != ep {
				out.add(key, "spec.ipNetworks", "endpoint "+owners[0].ID.String()+", which goes before it, has address "+addr.String()+
					" too and gets its packets; delete this one or give it an address of its own")
			}
		}
	}
	return out
}

// profileOrigin says what a profile of that name is made from.
func profileOrigin(name string) string {
	if ns, ok := strings.CutPrefix(name, rule.NamespaceProfilePrefix); ok {
		return "Namespace " + ns
	}
	if sa, ok := strings.CutPrefix(name, rule.ServiceAccountProfilePrefix); ok {
		return "ServiceAccount " + strings.Replace(sa, ".", "/", 1)
	}
	return "Profile " + name
}
