// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// matrix probes everything until it goes as policy says, or the step's time is over.
func (d *demo) matrix(ctx context.Context) (probe.Matrix, error) {
	crew, err := d.lab.Crew(ctx, nil, nil)
	if err != nil {
		return probe.Matrix{}, err
	}
	defer crew.Close()
	return crew.Settle(ctx, crew.Pairs(), nil)
}

// show prints the table of one service, the others being alike or of less interest.
func (d *demo) show(m probe.Matrix, svc probe.Service) error {
	shown := probe.Matrix{Cells: slices.DeleteFunc(slices.Clone(m.Cells), func(c probe.Cell) bool { return c.Service != svc })}
	d.printf("\n")
	return shown.WriteTable(indent{d.Out}, d.Colour)
}

func (d *demo) showWorkloads() error {
	t := printer.Table{Columns: []printer.Column{{Header: "WORKLOAD"}, {Header: "NODE"}, {Header: "LABEL"}, {Header: "ADDRESSES"}}}
	all, err := d.lab.Workloads()
	if err != nil {
		return err
	}
	for _, w := range all {
		addrs := make([]string, len(w.Addresses))
		for i, a := range w.Addresses {
			addrs[i] = a.String()
		}
		t.Rows = append(t.Rows, []string{w.Key(), w.Node, "app=" + w.Labels["app"], strings.Join(addrs, " ")})
	}
	d.expect(len(all) == len(cast), fmt.Sprintf("%d workloads run", len(cast)), fmt.Sprintf("%d do", len(all)))
	return t.Write(indent{d.Out}, false)
}

func (d *demo) showPeers(b agentapi.BGPStatus) {
	t := printer.Table{Columns: []printer.Column{{Header: "PEER"}, {Header: "TYPE"}, {Header: "AS"}, {Header: "STATE"}, {Header: "RECEIVED"}, {Header: "SENT"}}}
	for _, p := range b.Peers {
		t.Rows = append(t.Rows, []string{p.Address, p.Type, strconv.FormatUint(uint64(p.AS), 10), p.State, strconv.Itoa(p.Received), strconv.Itoa(p.Sent)})
	}
	_ = t.Write(indent{d.Out}, false) // as printf
}

// showRoutes prints the routes of n1 with words for the protocol numbers.
func showRoutes(_ context.Context, d *demo) error {
	routes, err := d.lab.Routes("n1")
	if err != nil {
		return err
	}
	t := printer.Table{Columns: []printer.Column{{Header: "DESTINATION"}, {Header: "VIA"}, {Header: "BECAUSE"}}}
	learned := 0
	for _, r := range routes {
		if r.Protocol == own.RouteProtocolBGP {
			learned++
		}
		t.Rows = append(t.Rows, []string{r.Dst.String(), via(r), because(r)})
	}
	if err := t.Write(indent{d.Out}, false); err != nil {
		return err
	}
	d.expect(learned >= 4, "n1 has learned the blocks of n2 and n3, IPv4 and IPv6", fmt.Sprintf("it has %d learned routes", learned))
	return nil
}

func via(r netlink.Route) string {
	switch {
	case r.Type == netlink.RouteBlackhole:
		return "blackhole"
	case len(r.NextHops) > 0 && r.NextHops[0].Gateway.IsValid():
		return r.NextHops[0].Gateway.String()
	}
	return "its own link"
}

func because(r netlink.Route) string {
	switch {
	case r.Protocol == own.RouteProtocolBGP:
		return "learned over BGP"
	case r.Type == netlink.RouteBlackhole:
		return "this node's block; addresses without a workload"
	}
	return "workload on this node"
}

// reachers returns who reaches dst by svc in all families, sorted.
func reachers(m probe.Matrix, dst string, svc probe.Service) []string {
	denied, all := map[string]bool{}, map[string]bool{}
	for _, c := range m.Cells {
		if c.Dst == dst && c.Service == svc {
			all[c.Src] = true
			denied[c.Src] = denied[c.Src] || c.Got != probe.Allowed
		}
	}
	var out []string
	for src := range all {
		if !denied[src] {
			out = append(out, src)
		}
	}
	slices.Sort(out)
	return out
}

// firstNot describes the first cell with another verdict.
func firstNot(m probe.Matrix, v probe.Verdict) string {
	return firstOf(slices.DeleteFunc(slices.Clone(m.Cells), func(c probe.Cell) bool { return c.Got == v }))
}

func firstOf(cells []probe.Cell) string {
	if len(cells) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (first of %d)", cells[0], len(cells))
}
