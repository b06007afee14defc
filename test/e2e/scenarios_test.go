// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/driver"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// shortForm are the scenarios that run without WEFT_LONG: those whose like no other test has.
var shortForm = []string{"direct/ipv6/iptables", "ipip/ipv4/nftables", "ipip-cross/dual/iptables", "vxlan-cross/ipv4/iptables", "vxlan/ipv6/nftables"}

// poolsOf are the CIDRs of a lab's pools.
func poolsOf(f lab.Families) (cidrs []string) {
	for _, cidr := range []string{"10.65.0.0/16", "fd65::/64"} {
		if f.Has(netip.MustParsePrefix(cidr).Addr()) {
			cidrs = append(cidrs, cidr)
		}
	}
	return cidrs
}

// TestScenarios runs a cluster in each way there is, on an underlay that carries packets between workloads in the form of the mode and in no
// other. What does not run says why.
func TestScenarios(t *testing.T) {
	for _, s := range lab.Scenarios() {
		t.Run(s.String(), func(t *testing.T) {
			why := s.Impossible()
			switch {
			case why != "":
			case s.Open() != "":
				why = "open: " + s.Open()
			case !long() && os.Getenv("WEFT_SCENARIOS") == "" && !slices.Contains(shortForm, s.String()):
				why = "in the long form only"
			default:
				why = lacking(t, s)
			}
			if why != "" {
				t.Skip(why)
			}
			scenario(t, s)
		})
	}
}

// lacking says what this kernel has not got that the scenario needs.
func lacking(t *testing.T, s lab.Scenario) string {
	if s.Mode != lab.IPIP && s.Mode != lab.IPIPCross {
		return ""
	}
	links, err := netlink.Open(netnstest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	if _, err := links.IPIP(netlink.FallbackIPIP); err != nil {
		return fmt.Sprintf("this kernel has no IP-in-IP (%v); `make test-vm` runs it on one that has", err)
	}
	return ""
}

func scenario(t *testing.T, s lab.Scenario) {
	nodes := 3
	if slow && !long() { // one in each subnet
		nodes = 2
	}
	c := upAs(t, lab.Spec{Name: "cell", Nodes: nodes, Subnets: 2, Families: s.Families})
	name := driver.NFTables
	if s.Driver == "iptables" {
		name = driver.IPTablesNFT
	}
	c.apply(useDriver(name))
	c.drivenBy(name)
	c.apply(s.Pools(poolsOf(s.Families))...)
	c.populate()
	c.nftIn("tor", underlayFor(s))
	c.holds("on an underlay that carries nothing else")
	c.crash("n2")
	c.converge()
	c.holds("after kill -9 of an agent")
}

// underlayFor returns nft commands that make the underlay drop what the mode does not promise: between neighbours, and between subnets.
func underlayFor(s lab.Scenario) string {
	var near, far []string
	for _, cidr := range poolsOf(s.Families) {
		p := netip.MustParsePrefix(cidr)
		plain := fmt.Sprintf("ip saddr %s ip daddr %[1]s drop", p)
		if p.Addr().Is6() {
			plain = fmt.Sprintf("ip6 saddr %s ip6 daddr %[1]s drop", p)
		}
		mode := s.Wraps(p.Addr())
		if mode == v3.EncapAlways {
			near = append(near, plain)
		}
		if mode != v3.EncapNever {
			far = append(far, plain)
		}
	}
	const ipip, vxlan = "meta l4proto 4 drop", "udp dport 4789 drop"
	wrapped := map[lab.Mode]string{lab.IPIP: vxlan, lab.IPIPCross: vxlan, lab.VXLAN: ipip, lab.VXLANCross: ipip}[s.Mode]
	switch s.Mode {
	case lab.Direct:
		near, far = append(near, ipip, vxlan), append(far, ipip, vxlan)
	case lab.IPIPCross, lab.VXLANCross:
		near, far = append(near, ipip, vxlan), append(far, wrapped)
	default:
		near, far = append(near, wrapped), append(far, wrapped)
	}
	table := func(family string, rules []string) string {
		return fmt.Sprintf("table %s weft_lab_underlay {\n chain forward {\n type filter hook forward priority 0\n %s\n }\n}\n", family, strings.Join(rules, "\n "))
	}
	return table("bridge", near) + table("inet", far)
}
