// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"iter"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// View returns the whole desired state as of the last Flush. It reads the graph itself: it holds until the next Apply.
func (g *Graph) View() desired.View { return view{g} }

type view struct{ g *Graph }

func (v view) Revision() uint64                       { return v.g.flushed }
func (v view) Endpoints() iter.Seq[*desired.Endpoint] { return v.g.locals.out.all() }
func (v view) Policies() iter.Seq[*desired.Policy]    { return v.g.active.out.all() }
func (v view) Routes() iter.Seq[desired.Route]        { return v.g.routes.out.all() }
func (v view) BGP() *desired.BGP                      { return v.g.bgp }
func (v view) Endpoint(id desired.EndpointID) (*desired.Endpoint, bool) {
	return v.g.locals.out.get(id)
}
func (v view) Policy(id rule.PolicyID) (*desired.Policy, bool) { return v.g.active.out.get(id) }

func (v view) HostEndpoints() iter.Seq[*desired.HostEndpoint] { return v.g.hosts.out.all() }
func (v view) HostEndpoint(id desired.EndpointID) (*desired.HostEndpoint, bool) {
	return v.g.hosts.out.get(id)
}
func (v view) Settings() *desired.Settings { return v.g.settings.now }

func (v view) Tunnels() iter.Seq[desired.Tunnel]         { return v.g.reach.tunnels.all() }
func (v view) TunnelPeers() iter.Seq[desired.TunnelPeer] { return v.g.reach.peers.all() }

func (v view) IPSets() iter.Seq[*desired.IPSet] {
	return func(yield func(*desired.IPSet) bool) {
		for _, set := range sorted(v.g.sets.byID, cmp.Compare[rule.SetID]) {
			if !yield(&set.IPSet) {
				return
			}
		}
	}
}

func (v view) IPSet(id rule.SetID) (*desired.IPSet, bool) {
	set, ok := v.g.sets.byID[id]
	if !ok {
		return nil, false
	}
	return &set.IPSet, true
}
