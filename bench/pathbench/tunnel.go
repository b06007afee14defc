// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathbench

import (
	"context"
	"errors"
	"fmt"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/lab"
)

// titles are the names of the modes that RunTunnel knows.
var titles = map[lab.Mode]string{lab.VXLAN: "VXLAN", lab.IPIP: "IP-in-IP", lab.WireGuard: "WireGuard"}

// RunTunnel measures between two nodes whose pool has a tunnel, with policy on and without any packet filter, and beside it a tunnel of the
// same kind made by hand between the same nodes for the same workloads, without any packet filter.
func RunTunnel(ctx context.Context, c Config, mode lab.Mode) (_ []measure.Row, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchtunnel", Nodes: 2, Families: lab.IPv4, Bin: c.Bin, Owned: true, StartLimit: c.Patience})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	ends, err := tunnelled(ctx, l, c, lab.Scenario{Mode: mode, Families: lab.IPv4, Driver: "nftables"})
	if err != nil {
		return nil, err
	}
	sw, err := newSwitch(l, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sw.close()) }()
	hand, err := byHand(ctx, l, mode, ends)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hand.close()) }()
	p := &pair{name: titles[mode], ends: traffic.Ends{Client: ends[0].ns, Server: ends[1].ns, Addr: ends[1].addr, Port: port}}
	filtered, open, made := make([]measure.Samples, 2), make([]measure.Samples, 2), make([]measure.Samples, 2)
	for range c.Rounds {
		err := p.inTurn(ctx, c.Each,
			turn{into: filtered, then: sw.off},
			turn{into: open, then: hand.on},
			turn{into: made, then: func(ctx context.Context) error { return errors.Join(hand.off(ctx), sw.on(ctx)) }})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	var rows []measure.Row
	for i, k := range kinds[:2] {
		rows = append(rows, measure.Compare(p.name+": "+k.name+", policy on", filtered[i], "by hand", made[i], k.format, measure.AtLeast(0.97)),
			measure.Compare(p.name+": "+k.name+", no packet filter", open[i], "by hand", made[i], k.format, measure.AtLeast(0.97)))
	}
	return rows, nil
}

// tunnelled has a lab use the tunnel, and returns a client on its first node and a server on the second.
func tunnelled(ctx context.Context, l *lab.Lab, c Config, s lab.Scenario) (ends [2]end, err error) {
	config := &v3.FelixConfiguration{}
	config.APIVersion, config.Kind, config.Name = v3.APIVersion, "FelixConfiguration", "default"
	s.Configure(&config.Spec)
	if err := errors.Join(applyPolicies(ctx, l), l.Apply(ctx, config), l.Apply(ctx, s.Pools([]string{"10.65.0.0/16"})...)); err != nil {
		return ends, err
	}
	for i, role := range []string{"client", "server"} {
		if ends[i], err = workload(ctx, l, l.Nodes()[i], role); err != nil {
			return ends, err
		}
	}
	if s.Encrypts() {
		err = encrypted(ctx, l, c)
	}
	return ends, errors.Join(err, l.Converge(ctx))
}

// encrypted waits until nodes send each other nothing in the clear.
func encrypted(ctx context.Context, l *lab.Lab, c Config) error {
	for _, node := range l.Nodes() {
		err := c.await(func() error {
			status, err := l.Agent(node).Status(ctx)
			switch {
			case err != nil:
				return err
			case status.Encryption == nil:
				return errors.New("it does not encrypt yet")
			case len(status.Encryption.Plain) > 0:
				return fmt.Errorf("in the clear to %v", status.Encryption.Plain)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	return nil
}
