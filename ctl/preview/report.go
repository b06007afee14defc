// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"slices"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
)

// Report is what changes between two versions of a cluster.
type Report struct {
	// Changes are grouped: what differs only in the endpoints is one.
	Changes []Change `json:"changes"`
	// Endpoints that were compared; Added and Removed are in one version alone.
	Endpoints int `json:"endpoints"`
	Added     int `json:"added,omitempty"`
	Removed   int `json:"removed,omitempty"`

	// Nodes that have host endpoints, in one of the versions.
	Nodes int `json:"nodes,omitempty"`

	// Flows that were seen were judged, too; FlowChanges are those that change their verdict.
	Flows       int          `json:"flows,omitempty"`
	FlowChanges []FlowChange `json:"flowChanges,omitempty"`

	// BothVersions: there are endpoints of IPv4 and of IPv6.
	BothVersions bool `json:"-"`

	versions int
	merged   map[changeKey]int
}

// Notes say what was not compared.
func (r *Report) Notes() []string {
	var out []string
	if r.Added > 0 {
		out = append(out, fmt.Sprintf("%d endpoints are new: there is nothing to compare them with", r.Added))
	}
	if r.Removed > 0 {
		out = append(out, fmt.Sprintf("%d endpoints are only in what there is now", r.Removed))
	}
	if r.Nodes > 0 && len(r.Changes) > 0 {
		out = append(out, "nodes with host endpoints are compared as they talk to others: a node always reaches the workloads that it runs, and defaultEndpointToHostAction decides the other way")
	}
	return out
}

// Pairwise returns the report with a change for each pair of endpoints.
func (r *Report) Pairwise() *Report {
	out := *r
	out.Changes = []Change{}
	for _, c := range r.Changes {
		for _, src := range c.From.Members {
			for _, dst := range c.To.Members {
				if src == dst {
					continue
				}
				one := c
				one.From, one.To, one.Pairs = Group{src, []string{src}}, Group{dst, []string{dst}}, 1
				out.Changes = append(out.Changes, one)
			}
		}
	}
	return &out
}

// Change is a change of verdict for flows from any of From to any of To.
type Change struct {
	From    Group  `json:"from"`
	To      Group  `json:"to"`
	Service string `json:"service"` // "TCP 80, 443; UDP 53", "all"
	// IPVersion is 0 if the change is the same for both.
	IPVersion int     `json:"ipVersion,omitempty"`
	Before    Verdict `json:"before"`
	After     Verdict `json:"after"`
	// Pairs of endpoints that the change concerns, in one IP version.
	Pairs int `json:"pairs"`
}

// Verdict is "allow" or "deny" and what decided it, at the end that makes the difference.
type Verdict struct {
	Verdict   string `json:"verdict"`
	Direction string `json:"direction"` // "egress": at the source, "ingress": at the destination
	By        string `json:"by"`
}

// Group is endpoints, or addresses outside.
type Group struct {
	Text    string   `json:"text"` // for people: "shop app=web (3)"
	Members []string `json:"members"`
}

// changeKey finds the same change of the other IP version.
type changeKey struct{ from, to, service, before, after string }

func newReport() *Report {
	return &Report{Changes: []Change{}, merged: map[changeKey]int{}}
}

// count notes how many endpoints there are. It comes after add, whose texts are made by finish.
func (r *Report) count(wholes [2]*cluster.Whole) {
	in := [2]map[string]bool{{}, {}}
	for v, w := range wholes {
		for _, end := range w.Ends() {
			in[v][end.ID().String()] = true
		}
	}
	for id := range in[before] {
		if in[after][id] {
			r.Endpoints++
		} else {
			r.Removed++
		}
	}
	r.Added = len(in[after]) - r.Endpoints
	nodes := map[string]bool{}
	for _, w := range wholes {
		for _, h := range w.Hosts() {
			nodes[h.Node] = true
		}
	}
	r.Nodes = len(nodes)
}

// add takes the changes of one IP version.
func (r *Report) add(g *groups, bits int) {
	totals := totalsOf(g.classes)
	if totals.all > 0 {
		r.versions++
		r.BothVersions = r.versions > 1
	}
	version := 4
	if bits == 128 {
		version = 6
	}
	for _, row := range g.rows() {
		src, dst := row.sides()
		c := Change{From: totals.group(src), To: totals.group(dst), Service: row.services, IPVersion: version, Pairs: row.flows}
		for v, into := range []*Verdict{&c.Before, &c.After} {
			*into = Verdict{Verdict: "deny", Direction: row.dir.String(), By: row.by[v].text}
			if row.allows == (v == after) {
				into.Verdict = "allow"
			}
		}
		key := changeKey{c.From.Text, c.To.Text, strings.ReplaceAll(c.Service, "ICMPv6", "ICMP"), c.Before.By, c.After.By}
		if at, ok := r.merged[key]; ok && r.Changes[at].IPVersion != version && slices.Equal(r.Changes[at].From.Members, c.From.Members) {
			r.Changes[at].IPVersion = 0
			continue
		}
		r.merged[key] = len(r.Changes)
		r.Changes = append(r.Changes, c)
	}
}

// finish puts what is opened before what is closed, each by size.
func (r *Report) finish() *Report {
	slices.SortStableFunc(r.Changes, func(a, b Change) int {
		if a.After.Verdict != b.After.Verdict {
			return strings.Compare(a.After.Verdict, b.After.Verdict)
		}
		return b.Pairs - a.Pairs
	})
	return r
}

func protocolName(number uint8) string {
	switch name := v3.ProtocolName(number); {
	case number == protoOther:
		return "other protocols"
	case name[0] <= '9':
		return "protocol " + name
	default:
		return name
	}
}

// totals are the endpoints there are, to say "all".
type totals struct {
	all     int
	byPlace map[string][]member // namespace
}

func totalsOf(classes []*class) totals {
	t := totals{byPlace: map[string][]member{}}
	for _, cl := range classes {
		if !cl.outside {
			t.all += len(cl.ends)
			for _, m := range cl.ends {
				t.byPlace[m.namespace] = append(t.byPlace[m.namespace], m)
			}
		}
	}
	return t
}

// group describes the members of classes in few words.
func (t totals) group(classes []*class) Group {
	byPlace := map[string][]member{}
	var outside []string
	inside := 0
	var g Group
	for _, cl := range classes {
		for _, m := range cl.ends {
			g.Members = append(g.Members, m.name)
			if cl.outside {
				outside = append(outside, m.name)
				continue
			}
			inside++
			byPlace[m.namespace] = append(byPlace[m.namespace], m)
		}
	}
	slices.Sort(g.Members)
	var parts []string
	if inside == t.all && inside > 1 {
		parts = append(parts, fmt.Sprintf("all %d endpoints", inside))
	} else {
		parts = t.places(byPlace)
	}
	slices.Sort(outside)
	g.Text = strings.Join(shorten(append(parts, outside...)), ", ")
	return g
}

// maxParts is how many groups are listed before the rest is counted.
const maxParts = 4

func shorten(parts []string) []string {
	if len(parts) <= maxParts+1 {
		return parts
	}
	return append(parts[:maxParts:maxParts], fmt.Sprintf("%d more", len(parts)-maxParts))
}

// places describes the members in each namespace.
func (t totals) places(byPlace map[string][]member) []string {
	var names []string
	for ns := range byPlace {
		names = append(names, ns)
	}
	slices.Sort(names)
	var out []string
	for _, ns := range names {
		members, all := byPlace[ns], t.byPlace[ns]
		switch {
		case len(members) == 1:
			out = append(out, members[0].name)
		case len(members) == len(all):
			out = append(out, fmt.Sprintf("all of %s (%d)", ns, len(members)))
		default:
			out = append(out, labelled(ns, members, all)...)
		}
	}
	return out
}

// labelled describes some members of a namespace by a label that all of them have and no other, else by name.
func labelled(ns string, members, all []member) []string {
	var names []string
	for name := range members[0].labels {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := members[0].labels[name]
		has := func(m member) bool { return m.labels[name] == value }
		count := 0
		for _, m := range all {
			if has(m) {
				count++
			}
		}
		if count == len(members) && !slices.ContainsFunc(members, func(m member) bool { return !has(m) }) {
			return []string{fmt.Sprintf("%s %s=%s (%d)", ns, name, value, count)}
		}
	}
	var out []string
	for _, m := range members {
		out = append(out, m.name)
	}
	slices.Sort(out)
	return out
}
