// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathbench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// RunVXLAN measures between two nodes whose pool has a tunnel, with policy on, and beside it a VXLAN made by hand with `ip` between the same
// nodes for the same workloads, without any packet filter.
func RunVXLAN(ctx context.Context, c Config) (_ []measure.Row, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchvxlan", Nodes: 2, Families: lab.IPv4, Bin: c.Bin, Owned: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	scenario := lab.Scenario{Mode: lab.VXLAN, Families: lab.IPv4}
	if err := errors.Join(applyPolicies(ctx, l), l.Apply(ctx, scenario.Pools([]string{"10.65.0.0/16"})...)); err != nil {
		return nil, err
	}
	var ends [2]end
	for i, role := range []string{"client", "server"} {
		if ends[i], err = workload(ctx, l, l.Nodes()[i], role); err != nil {
			return nil, err
		}
	}
	if err := l.Converge(ctx); err != nil {
		return nil, err
	}
	sw, err := newSwitch(l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sw.close()) }()
	hand, err := byHand(ctx, l, ends)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hand.close()) }()
	p := &pair{name: "VXLAN", ends: traffic.Ends{Client: ends[0].ns, Server: ends[1].ns, Addr: ends[1].addr, Port: port}}
	filtered, open, made := make([]measure.Samples, 2), make([]measure.Samples, 2), make([]measure.Samples, 2)
	for range c.Rounds {
		err := p.inTurn(ctx, c.Each,
			turn{into: filtered, then: sw.off},
			turn{into: open, then: hand.on},
			turn{into: made, then: func(ctx context.Context) error { return errors.Join(hand.off(ctx), sw.on(ctx)) }})
		if err != nil {
			return nil, err
		}
	}
	var rows []measure.Row
	for i, k := range kinds[:2] {
		rows = append(rows, measure.Compare("VXLAN: "+k.name+", policy on", filtered[i], "by hand", made[i], k.format, measure.AtLeast(0.97)),
			measure.Compare("VXLAN: "+k.name+", no packet filter", open[i], "by hand", made[i], k.format, measure.AtLeast(0.97)))
	}
	return rows, nil
}

// handMade is a VXLAN between two nodes that `ip` has made. While it is on, the routes of the workloads lead through it.
type handMade struct {
	nodes   [2]*netns.NS
	on, off func(ctx context.Context) error
}

func (h *handMade) close() error {
	var err error
	for _, ns := range h.nodes {
		if ns != nil {
			err = errors.Join(err, ns.Close())
		}
	}
	return err
}

// byHand makes the devices; the routes come with on.
func byHand(ctx context.Context, l *lab.Lab, ends [2]end) (_ *handMade, err error) {
	h := &handMade{}
	addrs := [2]netip.Addr{}
	for i, node := range l.Nodes() {
		if h.nodes[i], err = l.Namespace(node); err != nil {
			return nil, errors.Join(err, h.close())
		}
		out, err := proc.Output(ctx, proc.Spec{Path: "ip", Args: strings.Fields("-4 -o address show dev eth0 scope global"), NS: h.nodes[i]})
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		prefix, err := netip.ParsePrefix(strings.Fields(string(out))[3])
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		addrs[i] = prefix.Addr()
	}
	const mtu = 1500 - 50
	both := func(ctx context.Context, tool string, commands func(i int) []string) error {
		for i := range h.nodes {
			for _, c := range commands(i) {
				if _, err := proc.Output(ctx, proc.Spec{Path: tool, Args: strings.Fields(c), NS: h.nodes[i]}); err != nil {
					return fmt.Errorf("%s %s: %w", tool, c, err)
				}
			}
		}
		return nil
	}
	err = errors.Join(both(ctx, "ip", func(i int) []string {
		return []string{
			fmt.Sprintf("link add byhand address 02:00:00:00:01:%02d mtu %d type vxlan id 77 dstport 4790 local %s nolearning", i, mtu, addrs[i]),
			fmt.Sprintf("address add 192.0.2.%d/32 dev byhand", i+1),
			"link set byhand up",
			fmt.Sprintf("neighbour add 192.0.2.%d lladdr 02:00:00:00:01:%02d dev byhand nud permanent", 2-i, 1-i),
		}
	}), both(ctx, "bridge", func(i int) []string {
		return []string{fmt.Sprintf("fdb add 02:00:00:00:01:%02d dev byhand dst %s self permanent", 1-i, addrs[1-i])}
	}))
	h.on = func(ctx context.Context) error {
		return both(ctx, "ip", func(i int) []string {
			return []string{fmt.Sprintf("route replace %s/32 via 192.0.2.%d dev byhand onlink", ends[1-i].addr, 2-i)}
		})
	}
	h.off = func(ctx context.Context) error {
		return both(ctx, "ip", func(i int) []string { return []string{fmt.Sprintf("route delete %s/32 dev byhand", ends[1-i].addr)} })
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}
