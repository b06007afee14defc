// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// pair is two classes and what becomes of flows from one to the other, by version and direction.
type pair struct {
	src, dst *class
	flows    int // how many endpoint pairs it stands for
	outcomes [2][2]*outcome
}

// change is what changes for some services between two classes, and what decides: at the end that denies in one of the versions.
type change struct {
	dir    rule.Direction
	by     [2]*decision
	allows bool // afterwards
}

// groups collects changes, those that differ in nothing but the classes together.
type groups struct {
	*comparison
	byTouched map[touchedKey]*touchedGroup
	order     []touchedKey
}

// touchedKey is a change at one class, for some services.
type touchedKey struct {
	change
	touched  *class // whose policy decides
	services string
}

type touchedGroup struct {
	peers []*class
	flows int
}

func newGroups(c *comparison) *groups {
	return &groups{comparison: c, byTouched: map[touchedKey]*touchedGroup{}}
}

// compare notes how a pair changes.
func (g *groups) compare(p *pair) {
	services := map[change]*serviceList{}
	var order []change
	p.walk(func(piece piece, now [2][2]*decision) {
		ch, changed := changeOf(now)
		if !changed {
			return
		}
		list := services[ch]
		if list == nil {
			list = &serviceList{}
			services[ch] = list
			order = append(order, ch)
		}
		list.add(piece)
	})
	for _, ch := range order {
		touched, peer := p.src, p.dst
		if ch.dir == rule.Ingress {
			touched, peer = p.dst, p.src
		}
		key := touchedKey{ch, touched, services[ch].text(g.protocols)}
		group := g.byTouched[key]
		if group == nil {
			group = &touchedGroup{}
			g.byTouched[key] = group
			g.order = append(g.order, key)
		}
		group.peers = append(group.peers, peer)
		group.flows += p.flows
	}
}

// walk goes through all services in pieces that are of one decision in all outcomes.
func (p *pair) walk(f func(piece, [2][2]*decision)) {
	var at [2][2]int
	first := uint16(0)
	for {
		var now [2][2]*decision
		var out piece
		last, protocol := uint16(0xffff), uint8(0)
		for v := range at {
			for d := range at[v] {
				list := p.outcomes[v][d].pieces
				if at[v][d] == len(list) {
					return // all lists end together: they cover the same protocols
				}
				one := &list[at[v][d]]
				now[v][d], protocol, last = one.decision, one.protocol, min(last, one.last)
			}
		}
		out = piece{protocol: protocol, first: first, last: last}
		f(out, now)
		for v := range at {
			for d := range at[v] {
				if p.outcomes[v][d].pieces[at[v][d]].last == last {
					at[v][d]++
				}
			}
		}
		first = last + 1 // after the last port comes the first of the next protocol
	}
}

// changeOf compares the verdicts of both ends.
func changeOf(now [2][2]*decision) (change, bool) {
	allows := func(v int) bool { return now[v][rule.Ingress].allow && now[v][rule.Egress].allow }
	if allows(before) == allows(after) {
		return change{}, false
	}
	denying := before
	if allows(before) {
		denying = after
	}
	dir := rule.Egress // comes first
	if now[denying][rule.Egress].allow {
		dir = rule.Ingress
	}
	return change{dir, [2]*decision{now[before][dir], now[after][dir]}, allows(after)}, true
}

// rowKey is a change whose peers are the same classes.
type rowKey struct {
	change
	services, peers string
}

// rows merges what differs in nothing but the class that is touched.
func (g *groups) rows() []row {
	merged := map[rowKey]*row{}
	var order []rowKey
	for _, key := range g.order {
		group := g.byTouched[key]
		peers := make([]string, len(group.peers))
		for i, peer := range group.peers {
			peers[i] = fmt.Sprint(peer.index)
		}
		k := rowKey{key.change, key.services, strings.Join(peers, ",")}
		r := merged[k]
		if r == nil {
			r = &row{change: key.change, services: key.services, peers: group.peers}
			merged[k] = r
			order = append(order, k)
		}
		r.touched = append(r.touched, key.touched)
		r.flows += group.flows
	}
	out := make([]row, 0, len(order))
	for _, k := range order {
		out = append(out, *merged[k])
	}
	return out
}

// row is one line of the answer.
type row struct {
	change
	services       string
	touched, peers []*class
	flows          int
}

// sides returns the classes that send and those that receive.
func (r *row) sides() (src, dst []*class) {
	if r.dir == rule.Egress {
		return r.touched, r.peers
	}
	return r.peers, r.touched
}

// serviceList is services in order.
type serviceList struct{ pieces []piece }

func (l *serviceList) add(p piece) {
	if n := len(l.pieces) - 1; n >= 0 && l.pieces[n].protocol == p.protocol && l.pieces[n].last+1 == p.first {
		l.pieces[n].last = p.last
		return
	}
	l.pieces = append(l.pieces, p)
}

// text renders services: "TCP 80, 443; UDP; ICMP type 8", or "all".
func (l *serviceList) text(all []uint8) string {
	whole := func(p piece) bool { return p.first == 0 && p.last == 0xffff }
	if len(l.pieces) == len(all) && !slices.ContainsFunc(l.pieces, func(p piece) bool { return !whole(p) }) {
		return "all"
	}
	var parts []string
	for i, p := range l.pieces {
		text := p.text()
		if i > 0 && l.pieces[i-1].protocol == p.protocol {
			parts[len(parts)-1] += ", " + text
			continue
		}
		name := protocolName(p.protocol)
		if !whole(p) {
			name += " " + text
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, "; ")
}

// text renders the ports, or ICMP types and codes, of a piece.
func (p *piece) text() string {
	if p.protocol != protoICMP && p.protocol != protoICMPv6 {
		return rule.PortRange{Min: max(p.first, 1), Max: p.last}.String()
	}
	from, to := p.first>>8, p.last>>8
	switch {
	case p.first&0xff == 0 && p.last&0xff == 0xff && from == to:
		return fmt.Sprintf("type %d", from)
	case p.first&0xff == 0 && p.last&0xff == 0xff:
		return fmt.Sprintf("types %d-%d", from, to)
	}
	return fmt.Sprintf("type/code %d/%d-%d/%d", from, p.first&0xff, to, p.last&0xff)
}
