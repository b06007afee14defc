// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// everywhere is the node that has all workloads in a [Whole].
const everywhere = "everywhere"

// Whole is the desired state of a cluster as if one node ran every workload: policy does not depend on where a workload runs, and one graph is
// cheaper than one for each node.
type Whole struct {
	View  desired.View
	ids   map[desired.EndpointID]desired.EndpointID
	links map[link]string
	ends  []*End
	made  addresses
	hosts []HostEnd
	nodes map[string]*Node // with host endpoints

	moved   int // host endpoints
	cluster *Cluster
}

// Written is that of the cluster.
func (w *Whole) Written(id rule.PolicyID) rule.PolicyID { return w.cluster.Written(id) }

// link is an interface of a node.
type link struct{ node, name string }

// Whole computes the desired state of all workloads at once.
func (c *Cluster) Whole() *Whole {
	w := &Whole{ids: map[desired.EndpointID]desired.EndpointID{}, links: map[link]string{}, made: c.made, cluster: c}
	var changes []calc.Change
	for _, key := range c.order {
		obj := c.objects[key]
		switch own := obj.(type) {
		case *v3.WorkloadEndpoint:
			moved := w.move(own)
			obj, key = moved, api.KeyOf(moved)
			w.ends = append(w.ends, c.workloadEnd(own))
		case *v3.HostEndpoint:
			obj = w.moveHost(own)
		}
		changes = append(changes, calc.Change{Key: key, Object: obj, Revision: revision(obj)})
	}
	g := calc.New(everywhere)
	g.Apply(changes)
	g.Flush()
	w.View = g.View()
	w.findNodes(c)
	w.findHosts(c)
	return w
}

// move gives an endpoint a place on the one node. Where several claim one link they still do.
func (w *Whole) move(own *v3.WorkloadEndpoint) *v3.WorkloadEndpoint {
	moved, n := *own, len(w.ids)
	moved.Spec.Node, moved.Spec.Endpoint = everywhere, fmt.Sprintf("e%08d", n)
	if own.Spec.InterfaceName != "" {
		l := link{own.Spec.Node, own.Spec.InterfaceName}
		if w.links[l] == "" {
			w.links[l] = fmt.Sprintf("w%d", n)
		}
		moved.Spec.InterfaceName = w.links[l]
	}
	moved.Name = v3.WorkloadEndpointName(&moved.Spec)
	w.ids[desired.EndpointID{Namespace: own.Namespace, Name: own.Name}] = desired.EndpointID{Namespace: moved.Namespace, Name: moved.Name}
	return &moved
}

// Ends returns all workloads, in the order in which they came.
func (w *Whole) Ends() []*End { return w.ends }

// Made tells whether an address was made up for a workload whose own is not known.
func (w *Whole) Made(addr netip.Addr) bool { return w.made[addr] }

// Endpoint returns a workload with the policy in front of it; not ok if it is not in force.
func (w *Whole) Endpoint(end *End) (*desired.Endpoint, bool) {
	id, ok := w.ids[end.ID()]
	if !ok {
		return nil, false
	}
	return w.View.Endpoint(id)
}
