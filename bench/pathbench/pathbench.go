// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package pathbench measures what policy costs the packets: Run compares the same namespaces, links and routes with weft's policy and without
// any packet filter, in turn.
//
// A hundred policies select the server; one of them lets the client in. For the bare side the agents are halted and their table is deleted, so
// that not even connection tracking is left; the routes stay. When the agents go on they find the damage and put the policy back.
package pathbench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns"
)

// Config says how long to measure.
type Config struct {
	Bin    string
	Rounds int
	Each   time.Duration // of one measurement
	// Patience is how long an agent may take to start, or to put policy back.
	Patience time.Duration
}

// kinds are the measurements with their targets: a rate with policy beside the rates of bare routing and of connection tracking alone.
var kinds = []struct {
	name              string
	measure           traffic.Measure
	format            func(float64) string
	ofBare, ofTracked measure.Target
}{
	{"TCP stream", traffic.Stream, measure.Rate("B"), measure.AtLeast(0.9), measure.AtLeast(0.95)},
	{"request/response", traffic.RequestResponse, measure.Rate("req"), measure.AtLeast(0.93), measure.AtLeast(0.95)},
	{"connect+request+close", traffic.Connect, measure.Rate("conn"), measure.AtLeast(0.8), measure.AtLeast(0.9)},
	{"64-byte UDP", traffic.Datagrams, measure.Rate("pkt"), measure.AtLeast(0.68), measure.AtLeast(0.75)},
}

// pair are two ends and what has been measured between them.
type pair struct {
	name   string
	ends   traffic.Ends
	policy []measure.Samples // by kind
	bare   []measure.Samples
	// tracked is bare routing with connection tracking.
	tracked []measure.Samples
}

func newPair(name string, ends traffic.Ends) *pair {
	samples := func() []measure.Samples { return make([]measure.Samples, len(kinds)) }
	return &pair{name: name, ends: ends, policy: samples(), bare: samples(), tracked: samples()}
}

// Run measures same-host and cross-host.
func Run(ctx context.Context, c Config) (_ []measure.Row, err error) {
	l, err := lab.Up(ctx, lab.Spec{Name: "benchpath", Nodes: 2, Families: lab.IPv4, Bin: c.Bin, Owned: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close(), l.Down(context.WithoutCancel(ctx))) }()
	if err := applyPolicies(ctx, l); err != nil {
		return nil, err
	}
	near, err := workload(ctx, l, "n1", "client")
	if err != nil {
		return nil, err
	}
	var pairs []*pair
	for _, p := range []struct{ name, node, server string }{{"same host", "n1", "near"}, {"cross host", "n2", "far"}} {
		server, err := workload(ctx, l, p.node, p.server)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, newPair(p.name, traffic.Ends{Client: near.ns, Server: server.ns, Addr: server.addr, Port: port}))
	}
	if err := l.Converge(ctx); err != nil {
		return nil, err
	}
	sw, err := newSwitch(l, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sw.close()) }()
	for range c.Rounds {
		for _, p := range pairs {
			err := p.inTurn(ctx, c.Each,
				turn{into: p.policy, then: sw.off},
				turn{into: p.bare, then: sw.track},
				turn{into: p.tracked, then: func(ctx context.Context) error { return errors.Join(sw.untrack(ctx), sw.on(ctx)) }})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return rows(pairs), nil
}

func rows(pairs []*pair) []measure.Row {
	var rows []measure.Row
	for _, p := range pairs {
		for i, k := range kinds {
			work := p.name + ": " + k.name + ", policy on"
			rows = append(rows, measure.Compare(work, p.policy[i], "bare routing", p.bare[i], k.format, k.ofBare),
				measure.Compare(work, p.policy[i], "connection tracking alone", p.tracked[i], k.format, k.ofTracked))
		}
	}
	return rows
}

// turn is one side of a comparison: where its measurements go, and what changes to the next side.
type turn struct {
	into []measure.Samples // by kind
	then func(context.Context) error
}

// inTurn takes every measurement once on each side, right after one another.
func (p *pair) inTurn(ctx context.Context, each time.Duration, turns ...turn) error {
	for _, t := range turns {
		if err := p.measure(ctx, t.into, each); err != nil {
			return err
		}
		if err := t.then(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) measure(ctx context.Context, into []measure.Samples, each time.Duration) error {
	for i, k := range kinds[:len(into)] {
		rate, err := k.measure(ctx, p.ends, each)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		into[i] = append(into[i], rate)
	}
	return nil
}

// end is an attached workload.
type end struct {
	ns   *netns.NS
	addr netip.Addr
}

func workload(ctx context.Context, l *lab.Lab, node, name string) (end, error) {
	role := map[bool]string{true: "client", false: "server"}[name == "client"]
	w, err := l.AddWorkload(ctx, lab.Workload{Node: node, Namespace: namespace, Name: name, Labels: map[string]string{"role": role}})
	if err != nil {
		return end{}, err
	}
	ns, err := l.Namespace(w.Key())
	return end{ns, w.Addresses[0]}, err
}

const (
	namespace = "bench"
	port      = 9000
	policies  = 100
)

// policy is number i of those that select the servers; the last one lets the client in.
func policy(i int) string {
	source, ports := fmt.Sprintf("app == 'client-%d'", i), 8000+i
	if i == policies-1 {
		source, ports = "role == 'client'", port
	}
	text := fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p%d, namespace: %s}\nspec:\n  selector: role == 'server'\n  ingress:\n", i, namespace)
	for _, protocol := range []string{"TCP", "UDP"} {
		text += fmt.Sprintf("  - {action: Allow, protocol: %s, source: {selector: \"%s\"}, destination: {ports: [%d]}}\n", protocol, source, ports)
	}
	return text
}

func applyPolicies(ctx context.Context, l *lab.Lab) error {
	texts := []string{"apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"}
	for i := range policies {
		texts = append(texts, policy(i))
	}
	docs, err := api.ReadDocuments(strings.NewReader(strings.Join(texts, "---\n")), "policies")
	if err != nil {
		return err
	}
	var objs []api.Object
	for _, d := range docs {
		if bad := d.Check(api.Checks{}); len(bad) > 0 {
			return fmt.Errorf("%s: %w", d.Where(), bad)
		}
		objs = append(objs, d.Object)
	}
	return l.Apply(ctx, objs...)
}
