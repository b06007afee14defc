// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/scratch"
	"github.com/weftnet/weft/policy/labelindex"
	"github.com/weftnet/weft/policy/rule"
)

// Link is an interface of the host itself, not one of a workload, with its addresses as the kernel has them.
type Link struct {
	Name  string
	Addrs []netip.Addr
}

// SetLinks replaces what is known of the interfaces of the host. Host endpoints without an interfaceName are matched with them.
func (g *Graph) SetLinks(links []Link) { g.hosts.setLinks(links) }

// hostEndpoints works out the host endpoints of this node with the policy in front of them. There are few, so who has which interface is
// worked out from scratch when any of them or of the interfaces changed.
type hostEndpoints struct {
	self      string
	items     *items
	byName    map[string]*hostEndpoint
	links     []Link // sorted by name
	unsettled bool
	dirty     map[string]struct{} // names
	out       *table[desired.EndpointID, *desired.HostEndpoint]
	policies  *policies
	profiles  *profiles
	active    *active
}

// hostEndpoint is a host endpoint of this node.
type hostEndpoint struct {
	target
	name     string
	link     string       // the interface it names, if any
	addrs    []netip.Addr // else those that its interfaces have
	revision uint64
	has      []string // interfaces, sorted
}

func newHostEndpoints(self string, items *items, policies *policies, profiles *profiles, active *active) *hostEndpoints {
	return &hostEndpoints{
		self: self, items: items, byName: map[string]*hostEndpoint{}, dirty: map[string]struct{}{},
		out:      newTable(desired.EndpointID.Compare, (*desired.HostEndpoint).Equal),
		policies: policies, profiles: profiles, active: active,
	}
}

func (s *hostEndpoints) put(c *Change, obj *v3.HostEndpoint) api.FieldErrors {
	it, wrong := newHostItem(&obj.Spec)
	if wrong != nil {
		return wrong
	}
	labels := hostLabels(obj.Labels)
	s.items.put(c.Key, it, labels, obj.Spec.Profiles)
	if obj.Spec.Node != s.self {
		s.drop(c.Key.Name)
		return nil
	}
	ep, ok := s.byName[c.Key.Name]
	if !ok {
		ep = &hostEndpoint{name: intern(c.Key.Name)}
		ep.target = newTarget(func() { s.dirty[ep.name] = struct{}{} })
		s.byName[ep.name] = ep
	}
	s.profiles.unlist(&ep.target)
	ep.labels, ep.profiles = labels, slices.Clone(obj.Spec.Profiles)
	s.profiles.list(&ep.target)
	ep.link, ep.addrs, ep.revision = cloned(obj.Spec.InterfaceName), addresses(it.nets), c.Revision
	s.unsettled = true
	ep.touch()
	return nil
}

func (s *hostEndpoints) remove(key api.Key) {
	s.items.remove(key)
	s.drop(key.Name)
}

// drop forgets a host endpoint, which may have moved to another node.
func (s *hostEndpoints) drop(name string) {
	if ep, ok := s.byName[name]; ok {
		delete(s.byName, name)
		s.profiles.unlist(&ep.target)
		s.policies.index.DeleteItem(&ep.target)
		s.unsettled = true
		ep.touch()
	}
}

func (s *hostEndpoints) setLinks(links []Link) {
	s.links = slices.SortedFunc(slices.Values(links), func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	s.unsettled = true
}

// settle works out who has each interface: host endpoints that name it go before those that it was chosen for by its addresses, and then
// names decide in alphabetical order.
func (s *hostEndpoints) settle() {
	s.unsettled = false
	taken := map[string]bool{}
	for _, ep := range s.inOrder() {
		has := slices.DeleteFunc(s.wanted(ep), func(link string) bool { return taken[link] })
		for _, link := range has {
			taken[link] = true
		}
		if !slices.Equal(has, ep.has) {
			ep.has = has
			ep.touch()
		}
		if len(has) > 0 {
			s.policies.index.UpdateItem(&ep.target, ep.labels, ep.profiles)
		} else {
			s.policies.index.DeleteItem(&ep.target)
		}
	}
}

func (s *hostEndpoints) inOrder() []*hostEndpoint {
	out := make([]*hostEndpoint, 0, len(s.byName))
	for _, ep := range s.byName {
		out = append(out, ep)
	}
	slices.SortFunc(out, func(a, b *hostEndpoint) int {
		return cmp.Or(compareBool(a.link == "", b.link == ""), strings.Compare(a.name, b.name))
	})
	return out
}

// wanted returns the interfaces that a host endpoint is for: the one it names, or those with one of its addresses.
func (s *hostEndpoints) wanted(ep *hostEndpoint) []string {
	if ep.link != "" {
		return []string{ep.link}
	}
	var out []string
	for _, l := range s.links {
		if slices.ContainsFunc(l.Addrs, func(a netip.Addr) bool { return slices.Contains(ep.addrs, a) }) {
			out = append(out, l.Name)
		}
	}
	return slices.Compact(out)
}

// flush hands out the host endpoints that were touched.
func (s *hostEndpoints) flush() {
	if s.unsettled {
		s.settle()
	}
	for name := range s.dirty {
		had := s.rows(name)
		if ep := s.byName[name]; ep != nil {
			for i, link := range ep.has {
				now := s.build(ep, hostID(name, i, link), link)
				s.active.use(now.Uses(), 1)
				s.out.put(now.ID, now)
			}
		}
		for _, old := range had {
			s.active.use(old.Uses(), -1)
			if now, _ := s.out.get(old.ID); now == old {
				s.out.remove(old.ID)
			}
		}
	}
	scratch.Empty(&s.dirty)
}

// hostID names the row of a host endpoint for the i-th of its interfaces.
func hostID(name string, i int, link string) desired.EndpointID {
	if i > 0 {
		name += "/" + link
	}
	return desired.EndpointID{Name: name}
}

// rows returns what was handed out of one host endpoint.
func (s *hostEndpoints) rows(name string) []*desired.HostEndpoint {
	var out []*desired.HostEndpoint
	for id, row := range s.out.rows {
		if own, _, _ := strings.Cut(id.Name, "/"); own == name {
			out = append(out, row)
		}
	}
	return out
}

// build puts policy in front of an interface.
func (s *hostEndpoints) build(ep *hostEndpoint, id desired.EndpointID, link string) *desired.HostEndpoint {
	out := &desired.HostEndpoint{ID: id, Interface: link, Profiles: s.profiles.inForce(&ep.target), Revision: ep.revision}
	ordered := enforced(s.policies.ordered(&ep.target))
	for d := range out.Normal {
		dir := rule.Direction(d)
		if link != desired.AnyInterface {
			out.Untracked[d] = s.policies.arrange(ordered, dir, func(p *policy) bool { return p.DoNotTrack })
		}
		out.Normal[d] = s.policies.arrange(ordered, dir, func(p *policy) bool { return !p.HostOnly() })
		out.Forward[d] = s.policies.arrange(ordered, dir, func(p *policy) bool { return !p.HostOnly() && p.ApplyOnForward })
	}
	out.PreDNAT = s.policies.arrange(ordered, rule.Ingress, func(p *policy) bool { return p.PreDNAT })
	return out
}

// problems reports host endpoints that have not the interfaces that they ask for, or name a missing profile, and policies that cannot apply.
func (s *hostEndpoints) problems() problems {
	out := problems{}
	owners := map[string]string{}
	for _, ep := range s.byName {
		for _, link := range ep.has {
			owners[link] = ep.name
		}
	}
	for name, ep := range s.byName {
		key := api.Key{Resource: api.HostEndpoints, Name: name}
		s.profiles.missing(&ep.target, key, out)
		wanted, field := s.wanted(ep), "spec.interfaceName"
		if ep.link == "" {
			field = "spec.expectedIPs"
		}
		if len(wanted) == 0 {
			out.add(key, field, "no interface of the node has one of these addresses, so it is not in force; correct them or name an interface")
		}
		for _, link := range wanted {
			if owners[link] != name {
				out.add(key, field, "host endpoint "+owners[link]+", which goes before it, is for interface "+link+" too, so this one is not in force there; delete one of them")
			}
		}
		s.untracked(ep, out)
	}
	return out
}

// untracked reports doNotTrack policies that select a host endpoint for all interfaces, which they are not applied to.
func (s *hostEndpoints) untracked(ep *hostEndpoint, out problems) {
	if !slices.Contains(ep.has, desired.AnyInterface) {
		return
	}
	for p := range ep.policies {
		if p.DoNotTrack && !p.ID.Kind.Staged() {
			out.add(policyKey(p.ID), "spec.doNotTrack", "selects host endpoint "+ep.name+
				", which is for all interfaces (*), and does not apply there; make host endpoints for single interfaces")
		}
	}
}

// hostLabels returns the labels of a host endpoint, which cannot claim to belong to a namespace.
func hostLabels(labels map[string]string) []labelindex.Label {
	return slices.DeleteFunc(labelindex.Labels(labels), func(l labelindex.Label) bool { return l.Name == v3.NamespaceLabel })
}
