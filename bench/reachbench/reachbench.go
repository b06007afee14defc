// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package reachbench measures how the ways to other nodes get into the kernel: Run programs 10,000 remote blocks behind VXLAN, each on a node of
// its own, and compares with what the kernel can be asked at the least.
//
// The first programming, from the desired state to the kernel's answers with the device and the comparison that comes before, is beside `ip -batch`
// and `bridge -batch` of the same routes, neighbours and forwarding entries. A block that goes and comes, and a node that does, from the object as the store
// delivers it to the kernel's answer, are beside the bare netlink messages.
package reachbench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/sys/netlink"
)

// firstRounds and rounds are how often an empty kernel is programmed, and a change made, by each side.
const firstRounds, rounds = 5, 500

// Run measures with so many other nodes.
func Run(ctx context.Context, nodes int) (_ []measure.Row, err error) {
	w, err := newWorld(nodes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	first, err := w.first(ctx)
	if err != nil {
		return nil, fmt.Errorf("first programming: %w", err)
	}
	rows := []measure.Row{first}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	i := nodes / 2
	for _, c := range []struct {
		name   string
		object api.Object
		bare   [2][]netlink.Request
	}{
		{"block", w.affinity(i), [2][]netlink.Request{w.route(i, netlink.RouteDelete), w.route(i, netlink.RouteAdd)}},
		{"node", w.node(i), [2][]netlink.Request{append(w.partings(i), w.route(i, netlink.RouteDelete)...), append(w.meetings(i), w.route(i, netlink.RouteAdd)...)}},
	} {
		more, err := w.compare(ctx, fmt.Sprintf("one %s goes and comes back, %d remote blocks", c.name, nodes), c.object, c.bare)
		if err != nil {
			return nil, fmt.Errorf("one %s: %w", c.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// first programs everything into a kernel that holds nothing of it.
func (w *world) first(ctx context.Context) (measure.Row, error) {
	var ours, theirs measure.Samples
	for range firstRounds {
		took, err := w.ours.programFirst(ctx, w.graph.View())
		if err != nil {
			return measure.Row{}, err
		}
		ours.Add(took)
		if took, err = w.batch(ctx); err != nil {
			return measure.Row{}, err
		}
		theirs.Add(took)
	}
	work := fmt.Sprintf("%d remote blocks, first programming", w.nodes)
	return measure.Compare(work, ours, "ip -batch", theirs, measure.Duration, measure.AtMost(0.7)), nil
}

// compare deletes an object and puts it back, and does bare what that makes of the kernel; each side is first every other time. The two changes count
// together: with so many routes to one device the kernel takes 50 times as long for a new one as for the end of one.
func (w *world) compare(ctx context.Context, work string, obj api.Object, bare [2][]netlink.Request) ([]measure.Row, error) {
	var ours, theirs measure.Samples
	sides := []struct {
		samples *measure.Samples
		change  func(version int) error
	}{
		{&ours, func(version int) error {
			change := calc.Change{Key: api.KeyOf(obj), Revision: 1}
			if version == 1 {
				change.Object = obj
			}
			return w.change(ctx, change)
		}},
		{&theirs, func(version int) error { return w.peers.kernel.Batch(bare[version]...) }},
	}
	take := func(side int) error {
		start := time.Now()
		err := errors.Join(sides[side].change(0), sides[side].change(1))
		sides[side].samples.Add(time.Since(start))
		return err
	}
	runtime.GC() // what the set-up has left is not collected at the rounds' expense
	for n := range rounds {
		if err := errors.Join(take(n%2), take(1-n%2)); err != nil {
			return nil, err
		}
	}
	return []measure.Row{
		measure.Compare(work, ours, "bare netlink", theirs, measure.Duration, measure.AtMost(3)),
		measure.Tail(work, ours, "bare netlink", theirs, measure.Duration, measure.AtMost(3)),
	}, nil
}
