// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/sysctl"
)

// Address gives the workload its addresses. When it returns, packets to and from them pass, and the first one waits for nothing: no ARP, no
// neighbour discovery, no duplicate address detection.
func (i *Interface) Address(addrs []netip.Addr) error {
	if err := i.address(addrs); err != nil {
		return fmt.Errorf("%s in %s: %w", i.spec.IfName, i.spec.NS.Path(), err)
	}
	return i.introduce(addrs)
}

func (i *Interface) address(addrs []netip.Addr) error {
	requests := make([]netlink.Request, len(addrs))
	for n, addr := range addrs {
		requests[n] = netlink.AddrChange{Link: i.inside, Prefix: host(addr), NoDAD: true}
	}
	if err := i.conn.Batch(requests...); err != nil {
		return err
	}
	return awaitAddrs(i.conn, addrs)
}

// furnish sets up the workload's end: kernel parameters, the state of the link, and the way out.
func (i *Interface) furnish() error {
	err := i.spec.NS.Do(func() (err error) {
		if err := i.spec.tune(); err != nil {
			return err
		}
		i.conn, err = netlink.OpenRoutes(nil)
		return err
	})
	if err != nil {
		return err
	}
	requests := []netlink.Request{netlink.LinkUp(i.inside)}
	for _, gateway := range i.spec.gateways() {
		requests = append(requests, netlink.Neighbour{Link: i.inside, Addr: gateway, MAC: HostMAC})
		if gateway.Is4() { // an IPv6 link-local gateway is on the link by nature
			requests = append(requests, route(host(gateway), netlink.NextHop{Link: i.inside}))
		}
		everything := netip.PrefixFrom(gateway, 0).Masked()
		requests = append(requests, route(everything, netlink.NextHop{Gateway: gateway, Link: i.inside}))
	}
	return i.conn.Batch(requests...)
}

func host(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

func route(dst netip.Prefix, hop netlink.NextHop) netlink.RouteChange {
	return netlink.RouteChange{Op: netlink.RouteReplace, Route: netlink.Route{
		Dst: dst, Type: netlink.RouteUnicast, Protocol: unix.RTPROT_BOOT, NextHops: []netlink.NextHop{hop},
	}}
}

// The kernel does some of the work some time after the request. It takes microseconds, and milliseconds where many workloads start at once;
// the bound is for a machine that is stuck.
const (
	settleTimeout = 5 * time.Second
	settlePoll    = 50 * time.Microsecond // doubles up to settleMost: looking on takes time from the kernel's work
	settleMost    = time.Millisecond
)

// rest sleeps and returns for how long the next time.
func rest(pause time.Duration) time.Duration {
	time.Sleep(pause)
	return min(2*pause, settleMost)
}

// awaitAddrs waits until packets to the addresses are taken in. The kernel adds the local route of an IPv6 address from a work queue, even
// when there is no duplicate to detect (addrconf_dad_work in net/ipv6/addrconf.c).
func awaitAddrs(conn *netlink.RouteConn, addrs []netip.Addr) error {
	for pause, deadline := settlePoll, time.Now().Add(settleTimeout); ; pause = rest(pause) {
		found, err := conn.Lookup(addrs)
		if err != nil {
			return err
		}
		missing := slices.IndexFunc(found, func(f netlink.Found) bool { return f.Route.Type != netlink.RouteHost })
		switch {
		case missing < 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("address %s does not come into use within %v", addrs[missing], settleTimeout)
		}
	}
}

// awaitCarrier waits until the host side may send. It has had no carrier until the workload's end came up, and the kernel attaches its queue
// from a work queue some time later (net/core/link_watch.c); what is sent before is dropped. Since Linux 6.8 asking for the link makes the
// kernel do that work first, so that there is nothing to wait for.
func (i *Interface) awaitCarrier() error {
	for pause, deadline := settlePoll, time.Now().Add(settleTimeout); ; pause = rest(pause) {
		link, err := i.links.host.LinkByIndex(i.host)
		switch {
		case err != nil || link.Running:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("link %s has no carrier after %v: is the workload's end up?", i.spec.HostName, settleTimeout)
		}
	}
}

// introduce tells the host where the workload's addresses are, as if it had just asked. Asking would cost the first packet a round trip, and
// with IPv6 a second, because the workload joins the multicast group that is asked some time after it got the address
// (addrconf_dad_work). A workload that changes its MAC address later is found in the usual way.
func (i *Interface) introduce(addrs []netip.Addr) error {
	requests := make([]netlink.Request, len(addrs))
	for n, addr := range addrs {
		requests[n] = netlink.Neighbour{Link: i.host, Addr: addr, MAC: i.spec.MAC, Verify: true}
	}
	return i.links.batch.Batch(requests...)
}

// tune sets the kernel parameters of the workload's namespace. Container runtimes may have switched IPv6 off there.
func (s Spec) tune() error {
	var settings [][2]string
	if s.IPv6 {
		settings = append(settings,
			[2]string{"net/ipv6/conf/all/disable_ipv6", "0"}, [2]string{"net/ipv6/conf/lo/disable_ipv6", "0"},
			[2]string{"net/ipv6/conf/" + s.IfName + "/disable_ipv6", "0"}, [2]string{"net/ipv6/conf/" + s.IfName + "/accept_dad", "0"})
	}
	for _, gateway := range s.gateways() {
		if s.Forward {
			settings = append(settings, [2]string{forwarding(gateway), "1"})
		}
	}
	for _, kv := range settings {
		if err := sysctl.Set(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func forwarding(addr netip.Addr) string {
	if addr.Is4() {
		return "net/ipv4/ip_forward"
	}
	return "net/ipv6/conf/all/forwarding"
}
