// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package reachbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// device is the tunnel, uplink the link that carries it.
const device, uplink = "vxlan.calico", "eth0"

// The addresses of the cluster; this node has the last of each.
var (
	underlay = netip.MustParsePrefix("172.16.0.0/14")
	pool     = netip.MustParsePrefix("10.0.0.0/8")
	me       = struct{ underlay, tunnel netip.Addr }{netip.MustParseAddr("172.19.255.254"), netip.MustParseAddr("10.255.255.192")}
)

// world is a graph that knows the cluster, and the two nodes that it is programmed into: ours, and the peers'.
type world struct {
	nodes       int
	graph       *calc.Graph
	ours, peers *node
	dir         string // of files for the tools
}

func newWorld(nodes int) (_ *world, err error) {
	w := &world{nodes: nodes, graph: calc.New(calctest.Me)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for _, n := range []**node{&w.ours, &w.peers} {
		if *n, err = newNode(); err != nil {
			return nil, err
		}
	}
	if w.dir, err = os.MkdirTemp("", "weft-bench-reach"); err != nil {
		return nil, err
	}
	w.fill()
	return w, w.write()
}

func (w *world) close() error {
	var err error
	for _, n := range []*node{w.ours, w.peers} {
		if n != nil {
			err = errors.Join(err, n.close())
		}
	}
	if w.dir != "" {
		err = errors.Join(err, os.RemoveAll(w.dir))
	}
	return err
}

// fill tells the graph of the cluster: all addresses in one pool, tunnels alone, so no BGP.
func (w *world) fill() {
	off := false
	tunnelled := calctest.Pool("pool", pool.String())
	tunnelled.Spec.VXLANMode = v3.EncapAlways
	self := calctest.Node(calctest.Me, nil, me.underlay.String()+"/14", "")
	self.Spec.IPv4VXLANTunnelAddr = me.tunnel.String()
	objs := []api.Object{tunnelled, self, calctest.BGPConfig("default", func(s *v3.BGPConfigurationSpec) { s.NodeToNodeMeshEnabled = &off })}
	for i := range w.nodes {
		objs = append(objs, w.node(i), w.affinity(i))
	}
	for _, o := range objs {
		w.graph.Apply([]calc.Change{{Key: api.KeyOf(o), Object: o, Revision: 1}})
	}
	w.graph.Flush()
}

// plus returns an address further on.
func plus(a netip.Addr, n int) netip.Addr {
	raw := a.As4()
	binary.BigEndian.PutUint32(raw[:], binary.BigEndian.Uint32(raw[:])+uint32(n))
	return netip.AddrFrom4(raw)
}

// host, block, gate and mac are the addresses of a node: on the underlay, of its block, on the tunnel, and of its device.
func host(i int) netip.Addr      { return plus(underlay.Addr(), i+1) }
func block(i int) netip.Prefix   { return netip.PrefixFrom(plus(pool.Addr(), 64*i), 26) }
func gate(i int) netip.Addr      { return block(i).Addr() }
func mac(i int) net.HardwareAddr { m := calc.TunnelMAC(name(i), 0); return m[:] }
func name(i int) string          { return fmt.Sprintf("node-%05d", i) }
func (w *world) node(i int) api.Object {
	n := calctest.Node(name(i), nil, host(i).String()+"/14", "")
	n.Spec.IPv4VXLANTunnelAddr = gate(i).String()
	return n
}
func (w *world) affinity(i int) api.Object { return calctest.Affinity(name(i), block(i).String()) }

// route, meetings and partings are the bare messages on the peers' node.
func (w *world) route(i int, op netlink.RouteOp) []netlink.Request {
	r := netlink.Route{Dst: block(i), Type: netlink.RouteUnicast, Protocol: own.RouteProtocol, Metric: routes.Metric(block(i))}
	if op != netlink.RouteDelete {
		r.NextHops = []netlink.NextHop{{Gateway: gate(i), Link: w.peers.tunnel, OnLink: true}}
	}
	return []netlink.Request{netlink.RouteChange{Op: op, Route: r}}
}

func (w *world) meetings(i int) []netlink.Request {
	return []netlink.Request{
		netlink.FDBEntry{Link: w.peers.tunnel, MAC: mac(i), Remote: host(i)}, netlink.Neighbour{Link: w.peers.tunnel, Addr: gate(i), MAC: mac(i)},
	}
}

func (w *world) partings(i int) []netlink.Request {
	return []netlink.Request{
		netlink.FDBDelete{Link: w.peers.tunnel, MAC: mac(i), Remote: host(i)}, netlink.NeighbourDelete{Link: w.peers.tunnel, Addr: gate(i)},
	}
}

// write writes the input of the tools.
func (w *world) write() error {
	var ip, bridge strings.Builder
	fmt.Fprintf(&ip, "link add %s type vxlan id 4096 dstport 4789 local %s nolearning\naddress add %s/32 dev %[1]s\nlink set %[1]s up\n", device, me.underlay, me.tunnel)
	for i := range w.nodes {
		fmt.Fprintf(&ip, "neighbour add %s lladdr %s dev %s nud permanent\n", gate(i), mac(i), device)
		fmt.Fprintf(&ip, "route add %s via %s dev %s onlink proto %d metric %d\n", block(i), gate(i), device, own.RouteProtocol, routes.Metric(block(i)))
		fmt.Fprintf(&bridge, "fdb add %s dev %s dst %s self permanent\n", mac(i), device, host(i))
	}
	return errors.Join(os.WriteFile(filepath.Join(w.dir, "ip"), []byte(ip.String()), 0o600),
		os.WriteFile(filepath.Join(w.dir, "bridge"), []byte(bridge.String()), 0o600))
}

// batch has the tools program everything, and takes it away again.
func (w *world) batch(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	for _, tool := range []string{"ip", "bridge"} {
		if _, err := proc.Output(ctx, proc.Spec{Path: tool, Args: []string{"-batch", filepath.Join(w.dir, tool)}, NS: w.peers.ns}); err != nil {
			return 0, err
		}
	}
	took := time.Since(start)
	link, err := w.peers.links.Link(device)
	if err == nil {
		err = w.peers.links.DeleteLink(link.Index)
	}
	return took, err
}

// settle programs both nodes for single changes. Nobody watches that of the peers.
func (w *world) settle(ctx context.Context) error {
	if err := w.peers.open(); err != nil {
		return err
	}
	if err := errors.Join(w.peers.program(ctx, w.graph.View(), nil), w.peers.closeWriters()); err != nil {
		return err
	}
	link, err := w.peers.links.Link(device)
	if err != nil {
		return err
	}
	w.peers.tunnel = link.Index
	if err := w.ours.open(); err != nil {
		return err
	}
	return w.ours.program(ctx, w.graph.View(), nil)
}

// change takes a change from the store's event to the kernel's answer.
func (w *world) change(ctx context.Context, c calc.Change) error {
	w.graph.Apply([]calc.Change{c})
	delta := w.graph.Flush()
	if delta == nil {
		return fmt.Errorf("the change of %s has no effect", c.Key)
	}
	return w.ours.program(ctx, w.graph.View(), delta)
}
