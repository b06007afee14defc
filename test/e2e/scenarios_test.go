// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
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
var shortForm = []string{
	"direct/ipv6/iptables", "ipip/ipv4/nftables", "ipip-cross/dual/iptables", "vxlan-cross/ipv4/iptables", "vxlan/ipv6/nftables",
	"wireguard/dual/nftables", "wireguard-vxlan/ipv4/iptables",
}

// everyCell says whether all scenarios run, matrixAlone whether they end with the first matrix, for CI has a few minutes for the emulated machine, and
// lackedAlone whether only those run that take what other kernels may lack: an emulated machine need not repeat what every kernel shows.
func everyCell() bool   { return long() || os.Getenv("WEFT_SCENARIOS") != "" }
func matrixAlone() bool { return os.Getenv("WEFT_SCENARIOS") == "matrix" }
func lackedAlone() bool { return os.Getenv("WEFT_SCENARIOS") == "lacked" && !long() }

// poolsOf are the CIDRs of a lab's pools.
func poolsOf(f lab.Families) (cidrs []string) {
	for _, cidr := range []string{"10.65.0.0/16", "fd65::/64"} {
		if f.Has(netip.MustParsePrefix(cidr).Addr()) {
			cidrs = append(cidrs, cidr)
		}
	}
	return cidrs
}

// TestScenarios runs a cluster in each way there is, on an underlay that carries packets between workloads in the form of the mode and in
// no other. What does not run says why.
func TestScenarios(t *testing.T) {
	for _, s := range lab.Scenarios() {
		t.Run(s.String(), func(t *testing.T) {
			why := s.Impossible()
			switch {
			case why != "":
			case !everyCell() && !slices.Contains(shortForm, s.String()):
				why = "in the long form only"
			case lackedAlone() && !s.Encrypts() && !wrapsIPIP(s):
				why = "`make modes` runs it, which any kernel can; CELLS=" + s.String() + " or WEFT_LONG=1 here too"
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
	if !wrapsIPIP(s) {
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

func wrapsIPIP(s lab.Scenario) bool { return s.Mode == lab.IPIP || s.Mode == lab.IPIPCross }

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
	c.configure(s)
	c.drivenBy(name)
	c.populate()
	c.nftIn("tor", underlayFor(s))
	c.promised(s, "on an underlay that carries nothing else")
	if matrixAlone() {
		return
	}
	c.nftIn("tor", mute)
	c.transfers("without ICMP", "shop/frontend", "shop/backend")
	c.nftIn("tor", "delete table bridge weft_lab_mute\ndelete table inet weft_lab_mute\n")
	crash := func() {
		c.crash("n2")
		c.converge()
	}
	if s.Encrypts() && lacksWireGuard(t) {
		crash() // the agent carries the packets itself, and none while it is away
	} else {
		c.during("kill -9 of an agent", crossing, crash)
	}
	c.promised(s, "after kill -9 of an agent")
	c.nftIn("tor", "delete table bridge weft_lab_underlay\ndelete table inet weft_lab_underlay\n")
	for _, o := range c.next(s) {
		c.change(s, o)
		c.change(o, s)
	}
}

// next chooses the modes that a cluster changes to from those that this kernel can carry: all of them, or in the short form and where
// everything takes its time one or two, such that each mode has every other one in some cell.
func (c *cluster) next(s lab.Scenario) (out []lab.Scenario) {
	for _, o := range s.Others() {
		if lacking(c.t, o) == "" {
			out = append(out, o)
		}
	}
	if long() || everyCell() && !slow || len(out) == 0 {
		return out
	}
	column := 0 // of the cell among those of its mode
	for _, o := range lab.Scenarios() {
		if o == s {
			break
		}
		if o.Mode == s.Mode {
			column++
		}
	}
	if lackedAlone() { // what they would change to is left to fewer cells
		return []lab.Scenario{out[column%len(out)], out[(column+2)%len(out)]}
	}
	return []lab.Scenario{out[column%len(out)]}
}

// change goes from one mode to another under traffic.
func (c *cluster) change(from, to lab.Scenario) {
	c.t.Helper()
	flows := crossing
	if (from.Encrypts() || to.Encrypts()) && lacksWireGuard(c.t) {
		flows = crossingAgents
	}
	c.during(fmt.Sprintf("while %s becomes %s", from, to), flows, func() {
		c.configure(to)
		c.converge()
	})
	c.promised(to, "changed from "+from.String())
}

// configure has the cluster run as a scenario says, and waits until it encrypts if that is what it says.
func (c *cluster) configure(s lab.Scenario) {
	c.t.Helper()
	c.choose(s)
	if s.Encrypts() {
		c.encrypted()
	}
}

// choose writes down what a scenario says, and what a FelixConfiguration is to say besides.
func (c *cluster) choose(s lab.Scenario, besides ...func(*v3.FelixConfigurationSpec)) {
	c.t.Helper()
	config := &v3.FelixConfiguration{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "FelixConfiguration"}, ObjectMeta: v3.ObjectMeta{Name: "default"}}
	s.Configure(&config.Spec)
	for _, edit := range besides {
		edit(&config.Spec)
	}
	c.apply(config)
	c.apply(s.Pools(poolsOf(s.Families))...)
}

// encrypted waits until every node has met every other one.
func (c *cluster) encrypted() {
	c.t.Helper()
	for _, n := range c.Nodes() {
		c.eventually("encryption at "+n, func() error {
			status, err := c.status(n)
			if err == nil && status.Encryption == nil {
				err = errors.New("it does not encrypt yet")
			}
			if err == nil && len(status.Encryption.Plain) > 0 {
				err = fmt.Errorf("in the clear to %v", status.Encryption.Plain)
			}
			return err
		})
	}
}

// lacksWireGuard tells whether WireGuard runs in the agents here.
func lacksWireGuard(t *testing.T) bool {
	t.Helper()
	links, err := netlink.Open(netnstest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	_, err = links.AddWireGuard(netlink.LinkSpec{Name: "wg"})
	return errors.Is(err, errors.ErrUnsupported)
}

// crossing is traffic of populate's workloads in both directions of every way: connections that last, new ones and pings. Into the database
// policy lets the backend alone.
func crossing(tr *traffic) {
	tr.stream("shop/backend", "shop/database")
	for _, p := range [][2]string{{"database", "frontend"}, {"frontend", "backend"}, {"backend", "frontend"}, {"database", "backend"}} {
		tr.stream("shop/"+p[0], "shop/"+p[1])
	}
	tr.connects("shop/backend", "shop/database")
	tr.connects("shop/database", "shop/frontend")
	tr.ping("shop/frontend", "shop/backend")
	tr.denied("shop/frontend", "shop/database")
}

// crossingAgents is the same where agents carry the packets themselves, and a busy machine leaves them waiting: how long something takes says nothing of
// loss then, and the pings of every pair, each of which has to be answered, do.
func crossingAgents(tr *traffic) {
	tr.handshake, tr.answer = patience, patience
	crossing(tr)
	for _, p := range [][2]string{{"backend", "frontend"}, {"database", "frontend"}, {"database", "backend"}} {
		tr.ping("shop/"+p[0], "shop/"+p[1])
	}
}

// promised sends every kind of packet, and fails if one goes otherwise than policy says, or travels otherwise than the mode promises.
func (c *cluster) promised(s lab.Scenario, when string) {
	c.t.Helper()
	tap, err := c.Tap()
	if err != nil {
		c.t.Fatal(err)
	}
	c.holds(when)
	seen, err := tap.Stop()
	if err != nil {
		c.t.Fatalf("%s: %v", when, err)
	}
	wrong, err := c.Forms(s, seen)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, w := range wrong {
		if i == 10 {
			c.t.Errorf("%s, %s: and %d more", s, when, len(wrong)-i)
			break
		}
		c.t.Errorf("%s, %s: %s", s, when, w)
	}
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
		if s.Encrypts() {
			mode = v3.EncapAlways
		}
		if mode == v3.EncapAlways {
			near = append(near, plain)
		}
		if mode != v3.EncapNever {
			far = append(far, plain)
		}
	}
	const ipip, vxlan, wireguard = "meta l4proto 4 drop", "udp dport 4789 drop", "udp dport { 51820, 51821 } drop"
	wrapped := map[lab.Mode]string{lab.IPIP: vxlan, lab.IPIPCross: vxlan, lab.VXLAN: ipip, lab.VXLANCross: ipip}[s.Mode]
	switch s.Mode {
	case lab.Direct:
		near, far = append(near, ipip, vxlan), append(far, ipip, vxlan)
	case lab.WireGuard, lab.WireGuardOverVXLAN:
		return table("bridge", append(near, ipip, vxlan)) + table("inet", append(far, ipip, vxlan))
	case lab.IPIPCross, lab.VXLANCross:
		near, far = append(near, ipip, vxlan), append(far, wrapped)
	default:
		near, far = append(near, wrapped), append(far, wrapped)
	}
	return table("bridge", append(near, wireguard)) + table("inet", append(far, wireguard))
}

func table(family string, rules []string) string {
	return fmt.Sprintf("table %s weft_lab_underlay {\n chain forward {\n type filter hook forward priority 0\n %s\n }\n}\n", family, strings.Join(rules, "\n "))
}
