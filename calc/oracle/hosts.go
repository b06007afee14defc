// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// hostEndpoints returns the host endpoints in force on a node, one for each interface.
func (c *Cluster) hostEndpoints(node string) []*desired.HostEndpoint {
	links := map[string]bool{}
	for i := range c.hosts {
		for _, link := range c.linksOf(&c.hosts[i], node) {
			links[link] = true
		}
	}
	first := map[*host]string{} // the first interface of each
	owners := map[string]*host{}
	for link := range links {
		h := c.ownerOf(link, node)
		owners[link] = h
		if have, ok := first[h]; !ok || link < have {
			first[h] = link
		}
	}
	var out []*desired.HostEndpoint
	for link, h := range owners {
		id := desired.EndpointID{Name: h.object.Name}
		if link != first[h] {
			id.Name += "/" + link
		}
		out = append(out, c.hostEndpoint(h, id, link))
	}
	return out
}

// linksOf returns the interfaces that a host endpoint is meant for.
func (c *Cluster) linksOf(h *host, node string) []string {
	switch {
	case h.object.Spec.Node != node:
		return nil
	case h.object.Spec.InterfaceName != "":
		return []string{h.object.Spec.InterfaceName}
	}
	var out []string
	for _, l := range c.Links[node] {
		for _, net := range h.nets {
			if slices.Contains(l.Addrs, net.Addr()) && !slices.Contains(out, l.Name) {
				out = append(out, l.Name)
			}
		}
	}
	return out
}

// ownerOf returns who has an interface: who names it goes before who has its address, then the first by name.
func (c *Cluster) ownerOf(link, node string) *host {
	var best *host
	rank := func(h *host) string {
		if h.object.Spec.InterfaceName != "" {
			return "a" + h.object.Name
		}
		return "b" + h.object.Name
	}
	for i := range c.hosts {
		h := &c.hosts[i]
		if slices.Contains(c.linksOf(h, node), link) && (best == nil || strings.Compare(rank(h), rank(best)) < 0) {
			best = h
		}
	}
	return best
}

func (c *Cluster) hostEndpoint(h *host, id desired.EndpointID, link string) *desired.HostEndpoint {
	e := &desired.HostEndpoint{ID: id, Interface: link, Profiles: c.profilesOf(&h.contributor), Revision: h.version.Revision}
	selecting := slices.DeleteFunc(c.policiesOf(&h.contributor), func(p *rule.Policy) bool { return p.ID.Kind.Staged() })
	untracked := func(p *rule.Policy) bool { return p.DoNotTrack && link != "*" }
	preDNAT := func(p *rule.Policy) bool { return p.PreDNAT }
	normal := func(p *rule.Policy) bool { return !p.DoNotTrack && !p.PreDNAT }
	forward := func(p *rule.Policy) bool { return normal(p) && p.ApplyOnForward }
	for _, d := range []rule.Direction{rule.Ingress, rule.Egress} {
		e.Untracked[d] = c.tiersOf(selecting, d, untracked)
		e.Normal[d] = c.tiersOf(selecting, d, normal)
		e.Forward[d] = c.tiersOf(selecting, d, forward)
	}
	e.PreDNAT = c.tiersOf(selecting, rule.Ingress, preDNAT)
	return e
}
