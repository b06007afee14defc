// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/weftnet/weft/policy/selector"
)

// NetSet returns the set of addresses and CIDRs of what sel selects.
func NetSet(sel *selector.Selector) Set {
	return Set{ID: SetID("n" + sel.ID()), Kind: SetNet, Selector: sel}
}

// NodeSet returns the set of all addresses of the nodes that sel selects.
func NodeSet(sel *selector.Selector) Set {
	return Set{ID: SetID("h" + sel.ID()), Kind: SetNet, Selector: sel, Nodes: true}
}

// PortSet returns the set of (address, protocol, port) of the endpoints that sel selects and that declare a port with
// this name and IP protocol number.
func PortSet(sel *selector.Selector, port string, protocol uint8) Set {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", sel, port, protocol))
	return Set{ID: SetID("p" + hex.EncodeToString(sum[:8])), Kind: SetPort, Selector: sel, Port: port, Protocol: protocol}
}

// ServiceNets returns the set of addresses of a service's endpoints.
func ServiceNets(s Service) Set { return serviceSet(s, SetNet) }

// ServicePorts returns the set of (address, protocol, port) of a service's endpoints.
func ServicePorts(s Service) Set { return serviceSet(s, SetPort) }

func serviceSet(s Service, kind SetKind) Set {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", s.Namespace, s.Name, kind))
	return Set{ID: SetID("s" + hex.EncodeToString(sum[:8])), Kind: kind, Service: s}
}

// finish names and renders a rule. Rules of equal content are told apart by counting them, so that a rule inserted
// above changes no other rule's ID.
func (c *compiler) finish(action Action, m Match, dir Direction, index int) Rule {
	what := content(action, &m)
	c.seen[dir][what]++
	return Rule{
		ID:     ruleID(c.id, dir, what, c.seen[dir][what]),
		Action: action,
		Match:  m,
		Index:  index,
		Text:   text(action, &m),
	}
}

// named gives a rule a name.
func (r Rule) named(name string) Rule {
	if name != "" {
		r.Name, r.Text = name, oneLine(name)+": "+r.Text
	}
	return r
}

func ruleID(p PolicyID, dir Direction, content string, occurrence int) ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%d\x00%s\x00%d", p.Kind, p.Namespace, p.Name, dir, content, occurrence))
	return ID(hex.EncodeToString(sum[:8]))
}

// content encodes everything a rule does. It must not change between releases: IDs are hashed from it.
func content(action Action, m *Match) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a%d v%d p%d !p%d", action, m.IPVersion, m.Protocol, m.NotProtocol)
	contentICMP(&b, " i", m.ICMP)
	contentICMP(&b, " !i", m.NotICMP)
	contentSide(&b, " s", &m.Src)
	contentSide(&b, " d", &m.Dst)
	return b.String()
}

func contentICMP(b *strings.Builder, name string, i *ICMP) {
	if i != nil {
		fmt.Fprintf(b, "%s%d/%t/%d", name, i.Type, i.HasCode, i.Code)
	}
}

func contentSide(b *strings.Builder, name string, s *Side) {
	fmt.Fprintf(b, "%s{n%v !n%v p%v !p%v", name, s.Nets, s.NotNets, s.Ports, s.NotPorts)
	for _, l := range []struct {
		name string
		sets []Set
	}{{"s", s.Sets}, {"!s", s.NotSets}, {"ps", s.PortSets}, {"!ps", s.NotPortSets}} {
		for _, set := range l.sets {
			fmt.Fprintf(b, " %s%s", l.name, set.ID)
		}
	}
	b.WriteByte('}')
}
