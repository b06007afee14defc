// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathbench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/wireguard"
)

// handMade is a tunnel between two nodes that somebody has made by hand. While it is on, the routes of the workloads lead through it.
type handMade struct {
	spaces  [2]*netns.NS
	nodes   [2]netip.Addr
	ends    [2]end
	recipe  recipe
	devices [2]*wireguard.Conn // of WireGuard
}

// recipe is how a tunnel is made, used and left, as commands for the node with index i.
type recipe struct {
	make, on, off func(h *handMade, i int) []string
}

// handDevice is the name of the device.
const handDevice = "byhand"

var recipes = map[lab.Mode]recipe{
	lab.VXLAN: {
		make: func(h *handMade, i int) []string {
			return []string{
				fmt.Sprintf("ip link add byhand address 02:00:00:00:01:%02d mtu 1450 type vxlan id 77 dstport 4790 local %s nolearning", i, h.nodes[i]),
				fmt.Sprintf("ip address add 192.0.2.%d/32 dev byhand", i+1),
				"ip link set byhand up",
				fmt.Sprintf("ip neighbour add 192.0.2.%d lladdr 02:00:00:00:01:%02d dev byhand nud permanent", 2-i, 1-i),
				fmt.Sprintf("bridge fdb add 02:00:00:00:01:%02d dev byhand dst %s self permanent", 1-i, h.nodes[1-i]),
			}
		},
		on: func(h *handMade, i int) []string {
			return []string{fmt.Sprintf("ip route replace %s/32 via 192.0.2.%d dev byhand onlink", h.ends[1-i].addr, 2-i)}
		},
		off: func(h *handMade, i int) []string {
			return []string{fmt.Sprintf("ip route delete %s/32 dev byhand", h.ends[1-i].addr)}
		},
	},
	// While it is up, a device with both addresses takes all IP-in-IP packets of the other node, those for weft's too.
	lab.IPIP: {
		make: func(h *handMade, i int) []string {
			return []string{fmt.Sprintf("ip link add byhand mtu 1480 type ipip local %s remote %s", h.nodes[i], h.nodes[1-i])}
		},
		on: func(h *handMade, i int) []string {
			return []string{"ip link set byhand up", fmt.Sprintf("ip route replace %s/32 dev byhand", h.ends[1-i].addr)}
		},
		off: func(*handMade, int) []string { return []string{"ip link set byhand down"} },
	},
	lab.WireGuard: {
		make: func(*handMade, int) []string {
			return []string{"ip link add byhand mtu 1440 type wireguard", "ip link set byhand up"}
		},
		on: func(h *handMade, i int) []string {
			return []string{fmt.Sprintf("ip route replace %s/32 dev byhand", h.ends[1-i].addr)}
		},
		off: func(h *handMade, i int) []string {
			return []string{fmt.Sprintf("ip route delete %s/32 dev byhand", h.ends[1-i].addr)}
		},
	},
}

// byHand makes the devices; the routes come with on.
func byHand(ctx context.Context, l *lab.Lab, mode lab.Mode, ends [2]end) (*handMade, error) {
	h := &handMade{ends: ends, recipe: recipes[mode]}
	err := h.begin(ctx, l)
	if err == nil {
		err = h.run(ctx, h.recipe.make)
	}
	if err == nil && mode == lab.WireGuard {
		err = h.acquaint()
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// begin opens the nodes' namespaces and finds their addresses.
func (h *handMade) begin(ctx context.Context, l *lab.Lab) (err error) {
	for i, node := range l.Nodes() {
		if h.spaces[i], err = l.Namespace(node); err != nil {
			return err
		}
		out, err := proc.Output(ctx, proc.Spec{Path: "ip", Args: strings.Fields("-4 -o address show dev eth0 scope global"), NS: h.spaces[i]})
		if err != nil {
			return err
		}
		prefix, err := netip.ParsePrefix(strings.Fields(string(out))[3])
		if err != nil {
			return err
		}
		h.nodes[i] = prefix.Addr()
	}
	return nil
}

// run runs the commands of both nodes.
func (h *handMade) run(ctx context.Context, commands func(h *handMade, i int) []string) error {
	for i, ns := range h.spaces {
		for _, c := range commands(h, i) {
			words := strings.Fields(c)
			if _, err := proc.Output(ctx, proc.Spec{Path: words[0], Args: words[1:], NS: ns}); err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
		}
	}
	return nil
}

// acquaint gives WireGuard devices keys, and each the other for its only peer.
func (h *handMade) acquaint() error {
	const port = 51999
	var keys [2]wireguard.Key
	for i := range keys {
		_, _ = rand.Read(keys[i][:]) // it never fails
		keys[i][0] &= 248
		keys[i][31] = keys[i][31]&127 | 64
	}
	for i, ns := range h.spaces {
		public, err := keys[1-i].Public()
		if err != nil {
			return err
		}
		conn, err := wireguard.Open(ns)
		if err != nil {
			return err
		}
		h.devices[i] = conn
		peer := wireguard.Peer{Endpoint: netip.AddrPortFrom(h.nodes[1-i], port), Allowed: []netip.Prefix{netip.PrefixFrom(h.ends[1-i].addr, 32)}}
		if err := errors.Join(h.attach(i), conn.Configure(handDevice, keys[i], port, 0), conn.SetPeers(handDevice, wireguard.Change{Key: public, Peer: peer})); err != nil {
			return err
		}
	}
	return nil
}

// attach takes a device in hand.
func (h *handMade) attach(i int) error {
	links, err := netlink.Open(h.spaces[i])
	if err != nil {
		return err
	}
	defer links.Close()
	link, err := links.Link(handDevice)
	if err == nil {
		_, err = h.devices[i].Attach(link)
	}
	return err
}

func (h *handMade) on(ctx context.Context) error  { return h.run(ctx, h.recipe.on) }
func (h *handMade) off(ctx context.Context) error { return h.run(ctx, h.recipe.off) }

func (h *handMade) close() error {
	var err error
	for i, ns := range h.spaces {
		if conn := h.devices[i]; conn != nil {
			err = errors.Join(err, conn.Close())
		}
		if ns != nil {
			err = errors.Join(err, ns.Close())
		}
	}
	return err
}
