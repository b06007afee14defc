// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/sysctl"
)

// Uplink is the name of the one interface of a node, of the external host and of the reflector.
const Uplink = "eth0"

// underlay makes the namespaces of the lab and wires them: every host has a veth to a bridge in the router's namespace, one bridge
// per subnet, so the router is what a top-of-rack switch is: ports of a subnet are switched, subnets are routed.
type underlay struct {
	lab  string
	plan plan
}

// build makes the router first, then all hosts at once.
func (u underlay) build() error {
	router, err := netns.Create(namespace(u.lab, roleToR))
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	defer func() { _ = router.Close() }()
	if err := u.buildRouter(router); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	var group errgroup.Group
	for _, n := range u.plan.nodes {
		group.Go(func() error { return u.attach(router, n.hostPlan) })
	}
	group.Go(func() error { return u.attach(router, u.plan.external) })
	return group.Wait()
}

// attachLater wires one more host to a running underlay.
func (u underlay) attachLater(h hostPlan) error {
	router, err := netns.Open(namespace(u.lab, roleToR))
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	defer func() { _ = router.Close() }()
	return u.attach(router, h)
}

func (u underlay) buildRouter(ns *netns.NS) error {
	if err := ns.Do(routerSysctls); err != nil {
		return err
	}
	nl, err := netlink.Open(ns)
	if err != nil {
		return err
	}
	defer nl.Close()
	for i, s := range append([]subnetPlan{{bridge: u.plan.external.bridge, gateways: u.plan.external.gateways}}, u.plan.subnets...) {
		bridge, err := nl.AddBridge(netlink.LinkSpec{Name: s.bridge, MAC: gatewayMAC(i), Up: true})
		if err != nil {
			return err
		}
		if err := addAddrs(nl, bridge.Index, s.gateways); err != nil {
			return err
		}
	}
	return nil
}

// routerSysctls make a namespace forward, with addresses that work at once.
func routerSysctls() error {
	for _, p := range []struct{ key, value string }{
		{"net/ipv4/ip_forward", "1"},
		{"net/ipv6/conf/all/forwarding", "1"},
		{"net/ipv6/conf/default/forwarding", "1"},
		{"net/ipv6/conf/default/accept_dad", "0"},
		// Bridged frames are not to pass the IP hooks: a switch has no firewall.
		{"net/bridge/bridge-nf-call-iptables", "0"},
		{"net/bridge/bridge-nf-call-ip6tables", "0"},
		// Probes make many errors at once on purpose; each one must be told.
		{"net/ipv4/icmp_ratelimit", "0"},
		{"net/ipv6/icmp/ratelimit", "0"},
	} {
		if err := sysctl.Set(p.key, p.value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// attach makes a host's namespace with its uplink, addresses and default routes.
func (u underlay) attach(router *netns.NS, h hostPlan) error {
	ns, err := netns.Create(namespace(u.lab, h.name))
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	defer func() { _ = ns.Close() }()
	if err := u.plug(router, ns, h); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return nil
}

func (u underlay) plug(router, ns *netns.NS, h hostPlan) error {
	nl, err := netlink.Open(ns)
	if err != nil {
		return err
	}
	defer nl.Close()
	uplink, err := nl.AddVeth(netlink.VethSpec{
		LinkSpec: netlink.LinkSpec{Name: Uplink},
		Peer:     netlink.LinkSpec{Name: portOf(h.name)},
		PeerNS:   router,
	})
	if err != nil {
		return err
	}
	if err := plugPort(router, h); err != nil {
		return err
	}
	if err := ns.Do(uplinkSysctls); err != nil {
		return err
	}
	if err := nl.SetUp(uplink.Index, true); err != nil {
		return err
	}
	if err := addAddrs(nl, uplink.Index, h.addrs); err != nil {
		return err
	}
	return addGateways(ns, uplink.Index, h.gateways)
}

// protocolStatic marks routes set by an administrator (RTPROT_STATIC, rtnetlink(7)).
const protocolStatic = 4

// addGateways adds a default route through each gateway, one for each family.
func addGateways(ns *netns.NS, link int, gateways []netip.Prefix) error {
	conn, err := netlink.OpenRoutes(ns)
	if err != nil {
		return err
	}
	var adds []netlink.RouteChange
	for _, gw := range gateways {
		adds = append(adds, netlink.RouteChange{Op: netlink.RouteAdd, Route: netlink.Route{
			Dst: netip.PrefixFrom(gw.Addr(), 0).Masked(), Type: netlink.RouteUnicast, Protocol: protocolStatic,
			NextHops: []netlink.NextHop{{Gateway: gw.Addr(), Link: link}},
		}})
	}
	refused, err := conn.Change(adds)
	err = errors.Join(err, conn.Close())
	for _, refusal := range refused {
		err = errors.Join(err, refusal)
	}
	return err
}

// plugPort puts the router's end of a host's cable into the bridge of the host's subnet.
func plugPort(router *netns.NS, h hostPlan) error {
	nl, err := netlink.Open(router)
	if err != nil {
		return err
	}
	defer nl.Close()
	bridge, err := nl.Link(h.bridge)
	if err != nil {
		return err
	}
	port, err := nl.Link(portOf(h.name))
	if err != nil {
		return err
	}
	if err := nl.SetMaster(port.Index, bridge.Index); err != nil {
		return err
	}
	return nl.SetUp(port.Index, true)
}

// uplinkSysctls let the uplink's own IPv6 addresses work at once and keep it to the addresses it is given.
func uplinkSysctls() error {
	for _, key := range []string{"accept_dad", "accept_ra"} {
		if err := sysctl.Set("net/ipv6/conf/"+Uplink+"/"+key, "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func addAddrs(nl *netlink.Conn, link int, addrs []netip.Prefix) error {
	for _, a := range addrs {
		if err := nl.AddAddr(netlink.Addr{Link: link, Prefix: a, NoDAD: true}); err != nil {
			return err
		}
	}
	return nil
}

// portOf names the router's end of a host's cable.
func portOf(host string) string { return "to-" + host }

// gatewayMAC is the fixed, locally administered address of a bridge that hosts use as their gateway. Left to itself a bridge takes the lowest
// address of its ports, so a port added later would change the gateway under its neighbours.
func gatewayMAC(n int) net.HardwareAddr { return net.HardwareAddr{0x02, 0, 0, 0, 0, byte(n + 1)} }
