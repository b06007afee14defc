// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// DeleteTable deletes weft's nftables table on a node, as somebody with nft(8) and a bad day would.
func (l *Lab) DeleteTable(ctx context.Context, node string) error {
	if _, err := l.node(node); err != nil {
		return err
	}
	return l.nft(ctx, node, fmt.Sprintf("delete table inet %s\n", own.NFTable))
}

// Routes returns the routes of weft in the main table of a node, both families.
func (l *Lab) Routes(node string) ([]netlink.Route, error) {
	if _, err := l.node(node); err != nil {
		return nil, err
	}
	return l.routesOf(node, own.RouteProtocol, own.RouteProtocolBGP)
}

// DeleteRoute deletes the route of weft to dst from the main table of a node, as somebody with ip-route(8) would.
func (l *Lab) DeleteRoute(_ context.Context, node string, dst netip.Prefix) error {
	routes, err := l.Routes(node)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(routes, func(r netlink.Route) bool { return r.Dst == dst })
	if at < 0 {
		return fmt.Errorf("lab %s: node %s: route to %s: %w", l.spec.Name, node, dst, ErrNotFound)
	}
	ns, err := l.Namespace(node)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	conn, err := netlink.OpenRoutes(ns)
	if err != nil {
		return err
	}
	failed, err := conn.Change([]netlink.RouteChange{{Op: netlink.RouteDelete, Route: routes[at]}})
	return errors.Join(err, failed[0], conn.Close())
}

// LinkDown pulls the cable of a node, of External or of the reflector: its uplink loses the carrier.
func (l *Lab) LinkDown(_ context.Context, member string) error { return l.setPort(member, false) }

// LinkUp plugs the cable in again.
func (l *Lab) LinkUp(_ context.Context, member string) error { return l.setPort(member, true) }

func (l *Lab) setPort(member string, up bool) error {
	if _, ok := l.host(member); !ok {
		return fmt.Errorf("lab %s: %q has no cable: %w", l.spec.Name, member, ErrNotFound)
	}
	router, err := netns.Open(namespace(l.spec.Name, roleToR))
	if err != nil {
		return err
	}
	defer func() { _ = router.Close() }()
	nl, err := netlink.Open(router)
	if err != nil {
		return err
	}
	defer nl.Close()
	port, err := nl.Link(portOf(member))
	if err != nil {
		return err
	}
	return nl.SetUp(port.Index, up)
}

// partitionTable is the nftables table that Partition makes in the router's namespace.
const partitionTable = "weft_lab_partition"

// Partition cuts the underlay between groups of nodes: nodes of one group reach each other, the router and the external host, but no
// node of another group. It replaces an earlier partition; Heal removes it.
func (l *Lab) Partition(ctx context.Context, groups ...[]string) error {
	for _, node := range slices.Concat(groups...) {
		if _, err := l.node(node); err != nil {
			return err
		}
	}
	return l.nft(ctx, roleToR, partitionRules(groups))
}

// Heal ends a partition.
func (l *Lab) Heal(ctx context.Context) error {
	return l.nft(ctx, roleToR, fmt.Sprintf("add table bridge %[1]s\ndelete table bridge %[1]s\n", partitionTable))
}

// partitionRules marks each frame with the group it comes from where it enters a port and drops it where it would leave to another
// group. The mark stays with a packet that is routed between subnets.
func partitionRules(groups [][]string) string {
	var in, out strings.Builder
	for i, group := range groups {
		ports := make([]string, len(group))
		for n, node := range group {
			ports[n] = fmt.Sprintf("%q", portOf(node))
		}
		set := strings.Join(ports, ", ")
		fmt.Fprintf(&in, "    iifname { %s } meta mark set %d\n", set, i+1)
		fmt.Fprintf(&out, "    oifname { %s } meta mark != { 0, %d } drop\n", set, i+1)
	}
	return fmt.Sprintf(`add table bridge %[1]s
delete table bridge %[1]s
table bridge %[1]s {
  chain in {
    type filter hook prerouting priority -300
%[2]s  }
  chain out {
    type filter hook postrouting priority 300
%[3]s  }
}
`, partitionTable, in.String(), out.String())
}

// nft gives nft(8) commands in a member's namespace, in one transaction.
func (l *Lab) nft(ctx context.Context, member, commands string) error {
	path, err := program("nft", "nftables")
	if err != nil {
		return err
	}
	ns, err := netns.Open(namespace(l.spec.Name, member))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	var stderr strings.Builder
	err = proc.Run(ctx, proc.Spec{Path: path, Args: []string{"-f", "-"}, NS: ns}, proc.IO{In: strings.NewReader(commands), Err: &stderr})
	if err != nil {
		return fmt.Errorf("lab %s: %s: %w: %s", l.spec.Name, member, err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
