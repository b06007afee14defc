// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"net/netip"

	"github.com/weftnet/weft/agent/connections"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/netlink"
)

// tracking is the kernel's table of connections, and where their ends are.
type tracking interface {
	connections.Table
	// Links is that of connections.Config.
	Links([]netip.Addr) ([]string, error)
	Close() error
}

// kernelTracking is the real one.
type kernelTracking struct {
	*conntrack.Conn
	routes *netlink.RouteConn
	links  *netlink.Conn
}

// openTracking opens the table of this network namespace.
func openTracking() (t *kernelTracking, err error) {
	t = &kernelTracking{}
	if t.Conn, err = conntrack.Open(nil); err != nil {
		return nil, err
	}
	if t.routes, err = netlink.OpenRoutes(nil); err != nil {
		return nil, errors.Join(err, t.Conn.Close())
	}
	if t.links, err = netlink.Open(nil); err != nil {
		return nil, errors.Join(err, t.routes.Close(), t.Conn.Close())
	}
	return t, nil
}

// Close closes all sockets.
func (t *kernelTracking) Close() error {
	t.links.Close()
	return errors.Join(t.routes.Close(), t.Conn.Close())
}

// noLink stands for the link to an address that cannot be reached; no link has this name.
const noLink = "/"

// Links implements tracking.
func (t *kernelTracking) Links(addrs []netip.Addr) ([]string, error) {
	found, err := t.routes.Lookup(addrs)
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	out := make([]string, len(addrs))
	for i, f := range found {
		switch {
		case f.Err != nil || f.Route.Type != netlink.RouteHost && len(f.Route.NextHops) == 0:
			out[i] = noLink
		case f.Route.Type == netlink.RouteHost:
		default:
			if out[i], err = t.nameOf(names, f.Route.NextHops[0].Link); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// nameOf returns the name of a link, remembered in names.
func (t *kernelTracking) nameOf(names map[int]string, index int) (string, error) {
	name, known := names[index]
	if !known {
		link, err := t.links.LinkByIndex(index)
		if err != nil {
			return "", err
		}
		name = link.Name
		names[index] = name
	}
	return name, nil
}
