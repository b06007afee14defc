// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package reachbench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
)

// node is a network namespace with the uplink of this node.
type node struct {
	ns      *netns.NS
	links   *netlink.Conn
	kernel  *netlink.RouteConn
	tunnel  int             // index of the device
	tunnels *tunnel.Manager // with routes, while open
	routes  *routes.Manager
}

// made counts nodes, to name them.
var made int

func newNode() (_ *node, err error) {
	made++
	n := &node{}
	if n.ns, err = netns.Create(fmt.Sprintf("weft-bench%d-%d", os.Getpid(), made)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.links, err = netlink.Open(n.ns); err != nil {
		return nil, err
	}
	if n.kernel, err = netlink.OpenRoutes(n.ns); err != nil {
		return nil, err
	}
	link, err := n.links.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: uplink, Up: true}, Peer: netlink.LinkSpec{Name: "switch"}})
	if err == nil {
		err = n.links.SetUp(link.Peer, true)
	}
	if err == nil {
		err = n.links.AddAddr(netlink.Addr{Link: link.Index, Prefix: netip.PrefixFrom(me.underlay, underlay.Bits())})
	}
	return n, err
}

func (n *node) close() error {
	err := n.closeWriters()
	if n.kernel != nil {
		err = errors.Join(err, n.kernel.Close())
	}
	if n.links != nil {
		n.links.Close()
	}
	return errors.Join(err, n.ns.Close(), netns.Delete(n.ns.Name()))
}

// open opens the agent's writers.
func (n *node) open() (err error) {
	log := slog.New(slog.DiscardHandler)
	conn, err := netlink.OpenRoutes(n.ns)
	if err != nil {
		return err
	}
	if n.routes, err = routes.Over(conn, n.ns, log); err != nil {
		return err
	}
	n.tunnels, err = tunnel.Open(tunnel.Options{NS: n.ns, Kernel: conn, Log: log})
	return err
}

func (n *node) closeWriters() error {
	var err error
	if n.tunnels != nil {
		err = n.tunnels.Close()
	}
	if n.routes != nil {
		err = errors.Join(err, n.routes.Close())
	}
	n.tunnels, n.routes = nil, nil
	return err
}

// program does what the agent does with a change; delta nil is all.
func (n *node) program(ctx context.Context, view desired.View, delta *desired.Delta) error {
	_, _, begun := n.tunnels.Begin(ctx, view, delta)
	_, routed := n.routes.Apply(ctx, view, delta)
	_, settled := n.tunnels.Settle()
	return errors.Join(begun, routed, settled)
}

// programFirst programs an empty kernel as an agent that has just started does, and takes everything away again.
func (n *node) programFirst(ctx context.Context, view desired.View) (took time.Duration, err error) {
	if err := n.open(); err != nil {
		return 0, err
	}
	runtime.GC()
	start := time.Now()
	err = n.program(ctx, view, nil)
	took = time.Since(start)
	return took, errors.Join(err, n.routes.Remove(ctx), n.tunnels.Remove(ctx), n.closeWriters())
}
