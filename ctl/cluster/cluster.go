// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster answers questions about all objects of a cluster at once: New takes the objects, Find looks up what people name, Judge tells
// what policy does with a packet between two of them.
//
// It thinks with the graph that agents run (package calc) and the evaluator that data planes are held against (policy/eval); there is no second
// meaning of a policy here. Nothing is asked of a cluster: the objects may come from a datastore or from files.
package cluster

import (
	"maps"
	"slices"
	"strconv"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Cluster is all objects there are. It is for one caller at a time.
type Cluster struct {
	objects map[api.Key]api.Object
	order   []api.Key // in the order in which they came
	hosts   map[string]*Host
	pods    map[podKey]*HostPod
	made    addresses
	notes   []string
	enacted map[rule.PolicyID]rule.PolicyID // by the policy in force, the staged one that it was

	graphs map[string]*calc.Graph // by node, built when asked for
	ifaces map[string][]calc.Link // likewise
	things []*Thing               // what has labels and addresses, built when asked for
}

// New returns a cluster of objects as a datastore holds them. Objects of kinds that nothing is computed from may be among them.
func New(objects []api.Object) *Cluster {
	c := &Cluster{objects: map[api.Key]api.Object{}, hosts: map[string]*Host{}, pods: map[podKey]*HostPod{}, made: addresses{}}
	c.put(objects)
	return c
}

// put adds or replaces objects.
func (c *Cluster) put(objects []api.Object) {
	for _, obj := range objects {
		key := api.KeyOf(obj)
		if _, known := c.objects[key]; !known {
			c.order = append(c.order, key)
		}
		c.objects[key] = obj
		c.addHost(obj)
	}
}

// drop removes an object.
func (c *Cluster) drop(key api.Key) {
	delete(c.objects, key)
	c.order = slices.DeleteFunc(c.order, func(k api.Key) bool { return k == key })
}

// With returns the cluster as it would be with some objects added, or replaced where there is one of that kind and name.
func (c *Cluster) With(objects ...api.Object) *Cluster {
	out := &Cluster{objects: maps.Clone(c.objects), hosts: map[string]*Host{}, pods: c.pods, made: c.made, notes: c.notes, enacted: c.enacted, order: slices.Clone(c.order)}
	for name, h := range c.hosts {
		out.hosts[name] = &Host{slices.Clone(h.Addrs)}
	}
	out.put(objects)
	return out
}

// Object returns a stored object, nil if there is none.
func (c *Cluster) Object(key api.Key) api.Object { return c.objects[key] }

// Notes say what was assumed or left out when the cluster was made of manifests.
func (c *Cluster) Notes() []string { return c.notes }

// View returns what the agent of a node would program.
func (c *Cluster) View(node string) desired.View { return c.graph(node).View() }

// Notices returns what is in force as it is written and still worth knowing, as the agent of a node sees it.
func (c *Cluster) Notices(node string) []calc.Problem { return c.graph(node).Notices() }

// Problems returns what keeps objects from being in force as they are written, as the agent of a node sees it.
func (c *Cluster) Problems(node string) []calc.Problem { return c.graph(node).Problems() }

func (c *Cluster) graph(node string) *calc.Graph {
	if g, ok := c.graphs[node]; ok {
		return g
	}
	g := calc.New(node)
	g.SetLinks(c.links(node))
	changes := make([]calc.Change, 0, len(c.order))
	for _, key := range c.order {
		changes = append(changes, calc.Change{Key: key, Object: c.objects[key], Revision: revision(c.objects[key])})
	}
	g.Apply(changes)
	g.Flush()
	if c.graphs == nil {
		c.graphs = map[string]*calc.Graph{}
	}
	c.graphs[node] = g
	return g
}

// revision returns that of an object. What did not come from a datastore has none; of rivals the first by name then goes before the others.
func revision(obj api.Object) uint64 {
	n, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
