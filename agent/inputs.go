// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/store"
)

// watched are the resources that one node's calculation needs.
var watched = []api.Resource{
	api.IPPools, api.BlockAffinities, api.Nodes, api.BGPConfigurations, api.BGPPeers,
	api.WorkloadEndpoints, api.HostEndpoints, api.Profiles, api.Tiers, api.NetworkPolicies, api.GlobalNetworkPolicies,
	api.NetworkSets, api.GlobalNetworkSets, api.FelixConfigurations, api.KubeNetworkPolicies, api.Namespaces, api.ServiceAccounts, api.Services, api.EndpointSlices,
	api.StagedNetworkPolicies, api.StagedGlobalNetworkPolicies, api.StagedKubernetesNetworkPolicies,
	api.ClusterNetworkPolicies, api.AdminNetworkPolicies, api.BaselineAdminNetworkPolicies,
}

// inputs merges what the datastore says with what this node knows better: its own endpoints. Local facts outrank remote ones.
type inputs struct {
	// local holds the keys owned by local records, those being deleted included, with the revision of the last local change.
	local map[api.Key]uint64
	// buried holds keys given back after a deletion, with the revision of the object that was deleted: the watch may be behind the
	// deletion, and what it still has to say about that object must not bring the endpoint back.
	buried map[api.Key]int64
	serial uint64 // the highest revision seen, of local changes and of the datastore
}

func newInputs() *inputs {
	return &inputs{local: map[api.Key]uint64{}, buried: map[api.Key]int64{}}
}

// fromStore turns a batch into changes, but for what it says of local endpoints: that comes back as echoes.
func (in *inputs) fromStore(b store.Batch) (changes []calc.Change, echoes []store.Event) {
	changes = make([]calc.Change, 0, len(b.Events))
	for _, e := range b.Events {
		in.serial = max(in.serial, uint64(e.Revision))
		_, local := in.local[e.Key]
		last, buried := in.buried[e.Key]
		switch {
		case local:
			echoes = append(echoes, e)
		case buried && e.Object != nil && e.Revision <= last:
		default:
			changes = append(changes, calc.Change{Key: e.Key, Object: e.Object, Err: e.Err, Revision: uint64(e.Revision)})
		}
	}
	maps.DeleteFunc(in.buried, func(_ api.Key, last int64) bool { return last < b.Revision })
	return changes, echoes
}

// putLocal takes an endpoint of this node; the returned change carries the revision to wait for. It is above all that the datastore
// said before: what was programmed for an older object under the same key never counts as this endpoint being programmed.
func (in *inputs) putLocal(key api.Key, endpoint *v3.WorkloadEndpoint) calc.Change {
	return calc.Change{Key: key, Object: endpoint, Revision: in.own(key), Local: true}
}

// dropLocal removes an endpoint of this node. The key stays ours until forget, so that a late echo from the datastore
// cannot bring the endpoint back.
func (in *inputs) dropLocal(key api.Key) calc.Change {
	return calc.Change{Key: key, Revision: in.own(key), Local: true}
}

func (in *inputs) own(key api.Key) uint64 {
	in.serial++
	in.local[key] = in.serial
	delete(in.buried, key)
	return in.serial
}

// forget gives a key back to the datastore, where the object of revision deleted is gone (0: there was none), unless something was
// put there since the local change of that revision.
func (in *inputs) forget(key api.Key, revision uint64, deleted int64) {
	if in.local[key] != revision {
		return
	}
	delete(in.local, key)
	if deleted > 0 {
		in.buried[key] = deleted
	}
}
