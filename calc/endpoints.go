// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/scratch"
	"github.com/weftnet/weft/policy/rule"
)

// flush hands out the endpoints that were touched.
func (s *locals) flush() {
	for ep := range s.dirty {
		old, had := s.out.get(ep.ID)
		switch {
		case ep.inForce:
			now := s.build(ep)
			s.active.use(now.Uses(), 1)
			s.out.put(ep.ID, now)
		case s.byID[ep.ID] == nil || s.byID[ep.ID] == ep:
			s.out.remove(ep.ID)
		default:
			continue // another endpoint has its name now
		}
		if had {
			s.active.use(old.Uses(), -1)
		}
	}
	scratch.Empty(&s.dirty)
}

// build puts policy in front of an endpoint.
func (s *locals) build(ep *localEndpoint) *desired.Endpoint {
	out := ep.Endpoint
	if !s.spoofing {
		out.SpoofPrefixes = nil
	}
	ordered := s.policies.ordered(&ep.target)
	for d := range out.Tiers {
		out.Tiers[d] = s.policies.arrange(ordered, rule.Direction(d), forWorkloads)
	}
	out.Staged = s.policies.preview(ordered, &out.Tiers)
	out.Profiles = s.profiles.inForce(&ep.target)
	s.expose(&out, ep)
	return &out
}

func forWorkloads(p *policy) bool { return !p.HostOnly() && !p.ID.Kind.Staged() }

// problems reports local endpoints that name a missing profile, or share an interface or address with one that goes before.
func (s *locals) problems() problems {
	out := problems{}
	for id, ep := range s.byID {
		key := api.Key{Resource: api.WorkloadEndpoints, Namespace: id.Namespace, Name: id.Name}
		s.profiles.missing(&ep.target, key, out)
		if len(ep.SpoofPrefixes) > 0 && !s.spoofing {
			out.add(key, "spec.allowSpoofedSourcePrefixes", "is not in force: workloadSourceSpoofing of the FelixConfiguration is Disabled; set it to Any")
		}
		if ep.Interface == "" {
			out.add(key, "spec.interfaceName", "required on the endpoint's own node, so it is not in force; write the host side name of its link")
		} else if winner := s.links.of(ep.Interface)[0]; winner != ep {
			out.add(key, "spec.interfaceName", "endpoint "+winner.ID.String()+", which goes before it, has interface "+ep.Interface+
				" too, so this one is not in force; delete it or give it an interface of its own")
		}
		if ep.inForce {
			s.unexposed(ep, key, out)
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

// missing reports the profiles that a target names and that do not exist.
func (s *profiles) missing(t *target, key api.Key, out problems) {
	for i, name := range t.profiles {
		if !s.exists(name) {
			out.add(key, fmt.Sprintf("spec.profiles[%d]", i),
				"profile "+name+" does not exist, so it and all after it let nothing pass; create "+profileOrigin(name)+" or leave it out")
		}
	}
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
