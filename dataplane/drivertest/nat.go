// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/sys/proc"
)

// services are addresses that the router translates, as a service proxy would.
var services = map[netip.Addr]netip.Addr{
	netip.MustParseAddr("10.96.0.1"):   WorkloadAddr(1, false),
	netip.MustParseAddr("10.96.0.2"):   WorkloadAddr(2, false),
	netip.MustParseAddr("10.96.0.9"):   hostAddrs[0],
	netip.MustParseAddr("10.96.0.20"):  netip.MustParseAddr("203.0.113.20"),
	netip.MustParseAddr("fd00:96::1"):  WorkloadAddr(1, true),
	netip.MustParseAddr("fd00:96::9"):  hostAddrs[1],
	netip.MustParseAddr("fd00:96::20"): netip.MustParseAddr("2001:db8:1::20"),
}

// translate is the router's destination NAT.
func translate(p eval.Packet) eval.Packet {
	if to, ok := services[p.Dst]; ok {
		p.Dst = to
	}
	return p
}

// hostPriority marks what processes of the router send (SO_PRIORITY). nftables writes it hostPriorityText.
const (
	hostPriority     = 1<<16 | 2
	hostPriorityText = "1:2"
)

// foreign installs rules of someone else: NAT of the services; and with quiet the router's kernel answers nothing, so that there are no
// packets but those of the test.
func (n *Net) foreign(t testing.TB, quiet bool) {
	t.Helper()
	var v4, v6 []string
	for from, to := range services {
		entry := fmt.Sprintf("%s : %s", from, to)
		if from.Is4() {
			v4 = append(v4, entry)
		} else {
			v6 = append(v6, entry)
		}
	}
	dnat := fmt.Sprintf("dnat ip to ip daddr map { %s }\n\t\tdnat ip6 to ip6 daddr map { %s }", strings.Join(v4, ", "), strings.Join(v6, ", "))
	script := fmt.Sprintf("table inet drivertest {\n"+
		"\tchain services-in {\n\t\ttype nat hook prerouting priority dstnat\n\t\t%[1]s\n\t}\n"+
		"\tchain services-out {\n\t\ttype nat hook output priority -100\n\t\t%[1]s\n\t}\n", dnat)
	if quiet {
		script += "\tchain quiet {\n\t\ttype filter hook output priority -500\n\t\tmeta priority != " + hostPriorityText + " drop\n\t}\n"
	}
	_, err := proc.Output(context.Background(), proc.Spec{Path: "nft", Args: []string{script + "}\n"}, NS: n.Router})
	must(t, err)
}
