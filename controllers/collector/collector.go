// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package collector frees what owners that are gone have left: addresses whose workload or node does not exist any more, and the blocks and workload
// endpoints of deleted nodes. [New], then Reconcile now and then.
//
// Nothing is freed at first sight. What is gone must be gone at an earlier look, a grace time ago, and at this one, each of which reads all
// endpoints and nodes anew; and an address is only freed for the handle and at the sequence number that it was seen with.
package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/store"
)

// NodeGrace is how long a Node must be gone before what it had is given up: a Node that is made anew within it keeps everything.
const NodeGrace = time.Minute

// Collector remembers since when things are gone.
type Collector struct {
	store store.Store
	ipam  *ipam.Allocator
	now   func() time.Time
	since map[string]time.Time
}

// New returns a collector that has seen nothing yet. Close ends it.
func New(s store.Store) *Collector {
	return &Collector{store: s, ipam: ipam.New(s, ipam.Options{Node: "weft-controllers"}), now: time.Now, since: map[string]time.Time{}}
}

// Close ends the watch of the settings of address management.
func (c *Collector) Close() { c.ipam.Close() }

// Report is what a look found and did.
type Report struct {
	// Freed are the handles whose addresses were freed.
	Freed []ipam.Leak
	// Nodes are the deleted nodes whose endpoints and blocks were given up.
	Nodes []string
	// Next is how long until something that is gone now has been so for long enough; 0: nothing is.
	Next time.Duration
}

// Reconcile takes a look. Addresses of workloads on nodes that exist are freed after leakGrace, or never if it is 0. The error joins what could not be
// done; the rest is done. An endpoint or a node that cannot be read is an error, and nothing is judged then.
func (c *Collector) Reconcile(ctx context.Context, leakGrace time.Duration) (Report, error) {
	w, err := c.look(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("leaked addresses: %w", err)
	}
	p := pass{Collector: c, ctx: ctx, seen: map[string]time.Time{}}
	for _, node := range w.gone {
		if p.due("node "+node, NodeGrace) {
			p.giveUp(node, w.left[node])
		}
	}
	if len(p.report.Nodes) > 0 { // their addresses have lost their owners just now
		if w, err = c.look(ctx); err != nil {
			return p.report, errors.Join(append(p.errs, fmt.Errorf("leaked addresses: %w", err))...)
		}
	}
	for _, leak := range w.leaks {
		if p.leaked(leak, leakGrace) {
			p.free(leak)
		}
	}
	c.since = p.seen
	return p.report, errors.Join(p.errs...)
}

// world is what one look saw.
type world struct {
	left  map[string][]*v3.WorkloadEndpoint // endpoints of nodes that do not exist, as little of them as deletes them
	gone  []string                          // nodes that endpoints and blocks name and that do not exist, sorted
	leaks []ipam.Leak
}

// look reads everything: what may have an owner before the owners, and the nodes last. Of what there is very much of it keeps little.
func (c *Collector) look(ctx context.Context) (world, error) {
	known, err := c.nodes(ctx)
	if err != nil {
		return world{}, err
	}
	w, census := world{left: map[string][]*v3.WorkloadEndpoint{}}, ipam.NewCensus()
	named := map[string]bool{}
	if err := c.scan(ctx, api.IPAMBlocks, census.Add); err != nil {
		return w, err
	}
	affinities, err := c.store.List(ctx, api.BlockAffinities, "")
	if err != nil {
		return w, err
	}
	for _, obj := range affinities.Items {
		if a, ok := obj.(*v3.BlockAffinity); ok && a.Spec.Type != "virtual" {
			named[a.Spec.Node] = true
		}
	}
	err = c.scan(ctx, api.WorkloadEndpoints, func(obj api.Object) {
		census.Add(obj)
		if e, ok := obj.(*v3.WorkloadEndpoint); ok && known[e.Spec.Node] == nil {
			slim := &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Namespace: e.Namespace, Name: e.Name, ResourceVersion: e.ResourceVersion}}
			w.left[e.Spec.Node] = append(w.left[e.Spec.Node], slim)
			named[e.Spec.Node] = true
		}
	})
	if err != nil {
		return w, err
	}
	now, err := c.nodes(ctx)
	if err != nil {
		return w, err
	}
	for _, node := range now {
		census.Add(node)
	}
	for node := range named {
		if node != "" && known[node] == nil && now[node] == nil {
			w.gone = append(w.gone, node)
		}
	}
	slices.Sort(w.gone)
	w.leaks = census.Leaks()
	return w, nil
}

// nodes returns those that there are.
func (c *Collector) nodes(ctx context.Context) (map[string]*v3.Node, error) {
	list, err := c.store.List(ctx, api.Nodes, "")
	if err != nil {
		return nil, err
	}
	if len(list.Invalid) > 0 {
		return nil, unreadable(list.Invalid[0].Key, list.Invalid[0].Err)
	}
	out := map[string]*v3.Node{}
	for _, obj := range list.Items {
		if n, ok := obj.(*v3.Node); ok {
			out[n.Name] = &v3.Node{ObjectMeta: v3.ObjectMeta{Name: n.Name, Annotations: map[string]string{v3.AgentInstanceAnnotation: n.Annotations[v3.AgentInstanceAnnotation]}}}
		}
	}
	return out, nil
}

// scan hands all objects of a resource to use, as they come: not all of them have to be in memory at a time. One that changes meanwhile comes again, one that goes has
// come. A block that cannot be read holds nothing; an endpoint that cannot is an error.
func (c *Collector) scan(ctx context.Context, resource api.Resource, use func(api.Object)) error {
	w, err := c.store.Watch(ctx, resource)
	if err != nil {
		return err
	}
	defer w.Close()
	for {
		b, err := w.Next(ctx)
		if err == nil {
			err = b.Err
		}
		if err != nil {
			return err
		}
		for _, e := range b.Events {
			switch {
			case e.Object != nil:
				use(e.Object)
			case e.Err != nil && resource == api.WorkloadEndpoints:
				return unreadable(e.Key, e.Err)
			}
		}
		if b.InSync {
			return nil
		}
	}
}

func unreadable(key api.Key, why error) error {
	return fmt.Errorf("%s cannot be read (%w), so it is not known what is in use; replace or delete it", key, why)
}

// identity tells a leak from one that the same handle has later.
func identity(l ipam.Leak) string {
	text := "handle " + l.Handle
	for _, r := range l.Addrs {
		text += fmt.Sprintf(" %s/%d", r.Addr, *r.Sequence)
	}
	return text
}

// pass is one Reconcile.
type pass struct {
	*Collector
	ctx    context.Context
	seen   map[string]time.Time
	report Report
	errs   []error
}

// due notes that something is gone, and tells whether it was at an earlier look, a grace time ago.
func (p *pass) due(what string, grace time.Duration) bool {
	first, known := p.since[what]
	if !known {
		first = p.now()
	}
	p.seen[what] = first
	left := grace - p.now().Sub(first)
	if known && left <= 0 {
		return true
	}
	if p.report.Next == 0 || left < p.report.Next {
		p.report.Next = max(left, time.Millisecond)
	}
	return false
}

// leaked tells whether a leak has been one for long enough, or is of a node that was given up after it was gone for that long.
func (p *pass) leaked(leak ipam.Leak, grace time.Duration) bool {
	if leak.NodeGone {
		grace = NodeGrace
	}
	return grace > 0 && (p.due(identity(leak), grace) || leak.NodeGone && slices.Contains(p.report.Nodes, leak.Node))
}

// giveUp deletes the endpoints of a node and gives its blocks back, unless it has come again just now.
func (p *pass) giveUp(node string, endpoints []*v3.WorkloadEndpoint) {
	_, err := p.store.Get(p.ctx, api.Key{Resource: api.Nodes, Name: node})
	if !errors.Is(err, store.ErrNotFound) {
		p.note("node "+node, err)
		return
	}
	before := len(p.errs)
	for _, e := range endpoints {
		p.note("workload endpoint of node "+node, p.remove(e))
	}
	p.note("blocks of node "+node, p.ipam.ReleaseNode(p.ctx, node))
	if len(p.errs) == before {
		p.report.Nodes = append(p.report.Nodes, node)
	}
}

// remove deletes what was read, unless it has changed since.
func (p *pass) remove(e *v3.WorkloadEndpoint) error {
	revision, err := store.RevisionOf(e)
	if err == nil {
		err = p.store.Delete(p.ctx, api.KeyOf(e), revision)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// free frees the addresses of a leak, unless Kubernetes has a pod with one of them.
func (p *pass) free(leak ipam.Leak) {
	if err := p.lives(leak); err != nil {
		p.note("addresses of "+leak.Handle, err)
		return
	}
	if err := p.ipam.ReleaseAddrs(p.ctx, leak.Addrs...); err != nil {
		p.note("addresses of "+leak.Handle, err)
		return
	}
	p.report.Freed = append(p.report.Freed, leak)
}

// lives returns an error if the pod of a leak has one of its addresses, or if that cannot be told. On a node that is gone no pod runs.
func (p *pass) lives(leak ipam.Leak) error {
	source, ok := p.store.(store.PodSource)
	if !ok || leak.Pod == "" || leak.NodeGone {
		return nil
	}
	pod, err := source.Pod(p.ctx, leak.Namespace, leak.Pod)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return nil // its network is gone
	}
	for _, r := range leak.Addrs {
		if slices.ContainsFunc(pod.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == r.Addr.String() }) {
			return fmt.Errorf("pod %s/%s has %s, but no WorkloadEndpoint says so; the log of the agent on node %s tells why it is not written", leak.Namespace, leak.Pod, r.Addr, leak.Node)
		}
	}
	return nil
}

func (p *pass) note(what string, err error) {
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s: %w", what, err))
	}
}
