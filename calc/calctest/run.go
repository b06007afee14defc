// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/desired"
)

// Step is some changes that come in together, and whether the graph is flushed after them.
type Step struct {
	Changes []calc.Change
	Links   []calc.Link          // the interfaces of the host from now on; nil: as before
	Tunnels *desired.TunnelAddrs // the addresses of Me on its tunnels from now on; nil: as before
	// Met are the peers that Me can exchange encrypted packets with from now on; nil: as before.
	Met   map[desired.TunnelPeerID]struct{}
	Flush bool
}

// Run feeds steps into a new graph for Me and holds everything it puts out against the oracle. After each flush these must be true:
//
//   - the delta fits on what the deltas before it built, with all references good after each part of it;
//   - it is the least delta that leads from there to the graph's View;
//   - View is what the oracle makes of the current objects, where of an invalid object the last good version counts;
//   - packets have the fate at Me that the oracle's judgement of the cluster says.
//
// At the end the problems that the graph has found must be those that a new graph finds in the current objects.
func Run(steps []Step) error {
	r := newRun()
	for i, s := range steps {
		for _, c := range s.Changes {
			r.track(c)
		}
		r.graph.Apply(s.Changes)
		if s.Links != nil {
			r.setLinks(s.Links)
		}
		if s.Tunnels != nil {
			r.tunnels = *s.Tunnels
			r.graph.SetTunnelAddrs(r.tunnels)
		}
		if s.Met != nil {
			r.setMet(s.Met)
		}
		if !s.Flush {
			continue
		}
		if err := r.flush(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	if err := r.flush(); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	return r.checkProblems()
}

// run is a graph under test and what is known of its inputs.
type run struct {
	graph   *calc.Graph
	links   []calc.Link
	tunnels desired.TunnelAddrs
	judged  int // packets
	met     map[desired.TunnelPeerID]struct{}
	mirror  *desired.State
	good    map[api.Key]calc.Change // last valid version of each object
	bad     map[api.Key]calc.Change // invalid version that came after it
}

// newRun starts out with the interfaces of Links, and n2 alone met.
func newRun() *run {
	r := &run{graph: calc.New(Me), mirror: desired.NewState(), good: map[api.Key]calc.Change{}, bad: map[api.Key]calc.Change{}}
	r.setLinks(Links())
	r.setMet(met("n2"))
	return r
}

// met are the nodes on both WireGuard devices.
func met(nodes ...string) map[desired.TunnelPeerID]struct{} {
	out := map[desired.TunnelPeerID]struct{}{}
	for _, n := range nodes {
		out[desired.TunnelPeerID{Tunnel: "wireguard.cali", Node: n}] = struct{}{}
		out[desired.TunnelPeerID{Tunnel: "wg-v6.cali", Node: n}] = struct{}{}
	}
	return out
}

func (r *run) setMet(peers map[desired.TunnelPeerID]struct{}) {
	r.met = peers
	r.graph.SetMet(peers)
}

func (r *run) setLinks(links []calc.Link) {
	r.links = links
	r.graph.SetLinks(links)
}

// track keeps account of which version of an object counts.
func (r *run) track(c calc.Change) {
	switch {
	case c.Err == nil && c.Object == nil:
		delete(r.good, c.Key)
		delete(r.bad, c.Key)
	case c.Err != nil || !valid(c.Object):
		r.bad[c.Key] = c
	default:
		r.good[c.Key] = c
		delete(r.bad, c.Key)
	}
}

// valid judges an object by itself, as the oracle does.
func valid(obj api.Object) bool {
	return len(oracle.New([]oracle.Version{{Object: obj}}).Refused) == 0
}

func (r *run) flush() error {
	before := desired.Snapshot(r.mirror)
	delta := r.graph.Flush()
	if err := r.mirror.Apply(delta); err != nil {
		return fmt.Errorf("the delta does not fit: %w", err)
	}
	view := r.graph.View()
	if want := desired.Diff(before, view); !equalDeltas(delta, want) {
		return fmt.Errorf("the delta is not the least one\n got %s\nwant %s", Describe(delta), Describe(want))
	}
	all := r.oracle()
	want, err := all.Desired(Me)
	if err != nil {
		return fmt.Errorf("oracle: %w", err)
	}
	if d := desired.Diff(view, want); d != nil {
		return fmt.Errorf("the view is not what the oracle says; missing: %s", Describe(d))
	}
	return r.judge(all)
}

func (r *run) oracle() *oracle.Cluster {
	var objects []oracle.Version
	for _, c := range r.good {
		objects = append(objects, oracle.Version{Object: c.Object, Revision: c.Revision, Local: c.Local})
	}
	c := oracle.New(objects)
	c.Links = map[string][]calc.Link{Me: r.links}
	c.TunnelAddrs = map[string]desired.TunnelAddrs{Me: r.tunnels}
	c.Met = map[string]map[desired.TunnelPeerID]struct{}{Me: r.met}
	return c
}

// equalDeltas compares all but revisions.
func equalDeltas(a, b *desired.Delta) bool {
	if a == nil || b == nil {
		return a == b
	}
	c := *b
	c.Revision = a.Revision
	return reflect.DeepEqual(a, &c)
}

// checkProblems compares with a graph that is told the last good versions and then the invalid ones.
func (r *run) checkProblems() error {
	fresh := calc.New(Me)
	fresh.SetLinks(r.links)
	fresh.SetTunnelAddrs(r.tunnels)
	for _, versions := range []map[api.Key]calc.Change{r.good, r.bad} {
		fresh.Apply(slices.Collect(maps.Values(versions)))
	}
	fresh.Flush()
	if got, want := r.graph.Problems(), fresh.Problems(); !slices.Equal(got, want) {
		return errors.New("the problems depend on the path\n got " + describeProblems(got) + "\nwant " + describeProblems(want))
	}
	return nil
}

func describeProblems(list []calc.Problem) string {
	var lines []string
	for _, p := range list {
		lines = append(lines, fmt.Sprintf("%s %s: %s", p.Key, p.Field, p.Reason))
	}
	return strings.Join(lines, "\n     ")
}

// Describe renders a delta for people, a line a thing.
func Describe(d *desired.Delta) string {
	if d == nil {
		return "nothing"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\n     "+format, args...) }
	for _, c := range d.IPSets {
		line("set %s created=%t +%v -%v", c.ID, c.Created, c.Added, c.Removed)
	}
	for _, p := range d.Policies {
		line("policy %v %+v", p.ID, p.Rules)
	}
	for _, e := range d.Endpoints {
		line("endpoint %+v", *e)
	}
	for _, e := range d.HostEndpoints {
		line("host endpoint %+v", *e)
	}
	if d.Settings != nil {
		line("settings %+v", *d.Settings)
	}
	for _, t := range d.Tunnels {
		line("tunnel %+v", t)
	}
	for _, p := range d.TunnelPeers {
		line("tunnel peer %+v", p)
	}
	for _, r := range d.Routes {
		line("route %+v", r)
	}
	if d.BGP != nil {
		line("BGP %+v", *d.BGP)
	}
	line("removed: tunnels %v, peers %v", d.TunnelsRemoved, d.TunnelPeersRemoved)
	line("removed: BGP %t, routes %v, endpoints %v, host endpoints %v, policies %v, sets %v",
		d.BGPRemoved, d.RoutesRemoved, d.EndpointsRemoved, d.HostEndpointsRemoved, d.PoliciesRemoved, d.IPSetsRemoved)
	return b.String()
}
