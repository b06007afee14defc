// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"fmt"
	"net"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// kernelDevice is one of the kernel's, configured over generic netlink.
type kernelDevice struct {
	name   string
	client *wgctrl.Client
}

func (d kernelDevice) read() (Device, error) {
	have, err := d.client.Device(d.name)
	if err != nil {
		return Device{}, d.wrap("read", err)
	}
	out := Device{PrivateKey: Key(have.PrivateKey), Port: uint16(have.ListenPort), Mark: uint32(have.FirewallMark), Peers: make(map[Key]Peer, len(have.Peers))}
	for i := range have.Peers {
		p := &have.Peers[i]
		peer := Peer{Keepalive: p.PersistentKeepaliveInterval, Handshake: p.LastHandshakeTime, Received: uint64(p.ReceiveBytes)}
		if p.Endpoint != nil {
			peer.Endpoint = unmapped(p.Endpoint.AddrPort())
		}
		for _, n := range p.AllowedIPs {
			addr, _ := netip.AddrFromSlice(n.IP)
			ones, _ := n.Mask.Size()
			peer.Allowed = append(peer.Allowed, netip.PrefixFrom(addr.Unmap(), ones))
		}
		out.Peers[Key(p.PublicKey)] = peer
	}
	return out, nil
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func (d kernelDevice) configure(private Key, port uint16, mark uint32) error {
	key, number, bits := wgtypes.Key(private), int(port), int(mark)
	return d.wrap("set key, port and mark", d.client.ConfigureDevice(d.name, wgtypes.Config{PrivateKey: &key, ListenPort: &number, FirewallMark: &bits}))
}

func (d kernelDevice) setPeers(changes []Change) error {
	peers := make([]wgtypes.PeerConfig, len(changes))
	for i, c := range changes {
		peers[i] = wgtypes.PeerConfig{PublicKey: wgtypes.Key(c.Key), Remove: c.Remove}
		if c.Remove {
			continue
		}
		peers[i].PersistentKeepaliveInterval = &c.Keepalive
		if c.Endpoint.IsValid() {
			peers[i].Endpoint = net.UDPAddrFromAddrPort(c.Endpoint)
		}
		for _, p := range c.Allowed {
			peers[i].AllowedIPs = append(peers[i].AllowedIPs, net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
		}
	}
	return d.wrap("set peers", d.client.ConfigureDevice(d.name, wgtypes.Config{Peers: peers}))
}

func (d kernelDevice) close() error { return nil }

func (d kernelDevice) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("WireGuard device %s: %s: %w", d.name, what, err)
}
