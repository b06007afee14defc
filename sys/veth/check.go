// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/sys/netlink"
)

// Check compares an interface with what Create and Configure made and names the first difference.
func (l *Links) Check(s Spec, addrs []netip.Addr) error {
	link, err := l.host.Link(s.HostName)
	switch {
	case err != nil:
		return fmt.Errorf("host side: %w", err)
	case !ours(link, s.Owner):
		return fmt.Errorf("host side link %s: %s", s.HostName, describe(link))
	case !link.Up:
		return fmt.Errorf("host side link %s is down", s.HostName)
	}
	if err := s.NS.Do(func() error { return s.check(link.Peer, addrs) }); err != nil {
		return fmt.Errorf("%s in %s: %w", s.IfName, s.NS.Path(), err)
	}
	return nil
}

// check looks at the workload's end from inside.
func (s Spec) check(index int, addrs []netip.Addr) error {
	conn, err := netlink.Open(nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	link, err := conn.Link(s.IfName)
	switch {
	case err != nil:
		return err
	case link.Index != index:
		return fmt.Errorf("it is not the other end of %s", s.HostName)
	case !link.Up:
		return errors.New("it is down")
	}
	if err := checkAddrs(conn, index, addrs); err != nil {
		return err
	}
	return checkDefaults(index, addrs)
}

func checkAddrs(conn *netlink.Conn, index int, addrs []netip.Addr) error {
	found, err := conn.Addrs(index)
	if err != nil {
		return err
	}
	for _, want := range addrs {
		if !slices.ContainsFunc(found, func(a netlink.Addr) bool { return a.Prefix.Addr() == want }) {
			return fmt.Errorf("it has lost its address %s", want)
		}
	}
	return nil
}

// checkDefaults looks for the default route of every family.
func checkDefaults(index int, addrs []netip.Addr) error {
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return err
	}
	found, err := conn.List(0)
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	for _, addr := range addrs {
		hop := netlink.NextHop{Gateway: Gateway(addr), Link: index}
		if !slices.ContainsFunc(found, func(r netlink.Route) bool { return r.Dst.Bits() == 0 && slices.Contains(r.NextHops, hop) }) {
			return fmt.Errorf("it has lost its default route via %s", hop.Gateway)
		}
	}
	return nil
}
