// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// overhead is how many bytes a packet has around the workload's own: the outer IP header and, with VXLAN, UDP, VXLAN and inner Ethernet
// headers, with WireGuard UDP and its own.
func overhead(t desired.Tunnel) int {
	const ipv4, ipv6, vxlan, wireguard = 20, 40, 8 + 8 + 14, 8 + 32
	switch {
	case t.Kind == desired.WireGuard4:
		return ipv4 + wireguard
	case t.Kind == desired.WireGuard6:
		return ipv6 + wireguard
	case t.Kind == desired.IPIP:
		return ipv4
	case t.Local.Is4():
		return ipv4 + vxlan
	}
	return ipv6 + vxlan
}

// reconcile compares with what the kernel holds.
func (m *Manager) reconcile(view desired.View) (Report, error) {
	present, err := m.ours()
	if err != nil {
		return Report{}, err
	}
	wanted := map[string]desired.Tunnel{}
	for t := range view.Tunnels() {
		wanted[t.Name] = t
	}
	peers := map[string]map[string]desired.TunnelPeer{}
	for p := range view.TunnelPeers() {
		if peers[p.ID.Tunnel] == nil {
			peers[p.ID.Tunnel] = map[string]desired.TunnelPeer{}
		}
		peers[p.ID.Tunnel][p.ID.Node] = p
	}
	repaired := 0
	for name, t := range wanted {
		m.stay(name)
		repaired += m.bring(t, peers[name])
	}
	for name, link := range present {
		if _, ok := wanted[name]; !ok && m.leave(name) {
			if err := m.delete(name, link.Index); err != nil {
				return Report{}, err
			}
		}
	}
	for name := range m.devices {
		if _, ok := wanted[name]; !ok {
			delete(m.devices, name)
		}
	}
	m.settled = true
	maps.DeleteFunc(m.met, func(id desired.TunnelPeerID, _ meeting) bool { return m.devices[id.Tunnel] == nil })
	n, err := m.compareHosts()
	return m.report(repaired+n, err)
}

// leave tells whether it is time for an unwanted device to go.
func (m *Manager) leave(name string) bool {
	if d, ok := m.leaving[name]; ok {
		return !time.Now().Before(d.at)
	}
	m.leaving[name] = departure{time.Now().Add(m.linger), time.AfterFunc(m.linger, m.signal)}
	return false
}

// stay lets a device live that was to go.
func (m *Manager) stay(name string) {
	if d, ok := m.leaving[name]; ok {
		d.timer.Stop()
		delete(m.leaving, name)
	}
}

// bring makes a device and its peers as wanted and returns how many differences there were that an earlier Apply had not left.
func (m *Manager) bring(t desired.Tunnel, peers map[string]desired.TunnelPeer) (repaired int) {
	before := m.devices[t.Name]
	d := &device{want: t, peers: map[string]desired.TunnelPeer{}, macs: map[desired.MAC]string{}, addrs: map[netip.Addr]string{}}
	m.devices[t.Name] = d
	differences, err := m.compareDevice(d)
	if err == nil {
		var n int
		n, err = m.comparePeers(d, peers)
		differences += n
	}
	d.fail(err)
	if before == nil || before.want != t || before.err != nil || !maps.EqualFunc(before.peers, peers, desired.TunnelPeer.Equal) {
		return 0
	}
	return differences
}

// compareDevice finds or makes the link and settles what can be changed in place. An error means that there is no link; what else is wrong
// is noted with the device.
func (m *Manager) compareDevice(d *device) (differences int, err error) {
	mtu, err := m.mtu(d)
	if err != nil {
		return 0, err
	}
	link, made, err := m.link(d, mtu)
	if errors.Is(err, errors.ErrUnsupported) {
		err = fmt.Errorf("this kernel has no %s: %w", features[d.want.Kind], err)
	}
	if link.Index == 0 {
		return 0, err
	}
	d.index = link.Index
	errs := []error{err} // one that is made otherwise is kept, with its peers, when another cannot be made
	count := func(differs bool, mend func() error) {
		if differs {
			differences++
			errs = append(errs, mend())
		}
	}
	count(made, func() error { return nil })
	count(link.MTU != mtu, func() error { return m.links.SetMTU(link.Index, mtu) })
	if mac := net.HardwareAddr(d.want.MAC[:]); d.want.MAC != (desired.MAC{}) {
		count(link.MAC.String() != mac.String(), func() error { return m.links.SetMAC(link.Index, mac) })
	}
	count(!link.Up, func() error { return m.links.SetUp(link.Index, true) })
	n, err := m.compareAddrs(d)
	d.fail(errors.Join(append(errs, err)...))
	return differences + n, nil
}

// features say what a kernel lacks that cannot make a device, which module has it, and what to do without.
var features = [desired.TunnelKinds]string{
	desired.VXLAN4: "VXLAN (module vxlan, CONFIG_VXLAN); load the module, or use ipipMode for the pool",
	desired.VXLAN6: "VXLAN (module vxlan, CONFIG_VXLAN); load the module, or set vxlanMode of the pool to Never",
	desired.IPIP:   "IP-in-IP (module ipip, CONFIG_NET_IPIP); load the module, or use vxlanMode for the pool",
}

// link returns the link of a tunnel, and whether it was made, taken in hand or given a key.
func (m *Manager) link(d *device, mtu int) (link netlink.Link, made bool, err error) {
	t := d.want
	switch {
	case t.Kind == desired.IPIP:
		return m.ipip(t.Name)
	case t.Kind.Encrypts():
		return m.encryptingLink(d, mtu)
	}
	return m.vxlan(netlink.VXLANSpec{
		LinkSpec: netlink.LinkSpec{Name: t.Name, MTU: mtu, MAC: net.HardwareAddr(t.MAC[:]), Up: true, Group: own.TunnelGroup},
		VNI:      t.VNI, Port: t.Port, Local: t.Local,
	})
}

func notOurs(name string) error {
	return fmt.Errorf("a device of that name is there and not weft's; remove it with `ip link delete %s`, or rename it", name)
}

// compareAddrs gives the device its address and no other; link-local ones are the kernel's.
func (m *Manager) compareAddrs(d *device) (differences int, err error) {
	addrs, err := m.links.Addrs(d.index)
	if err != nil {
		return 0, err
	}
	want := desired.HostPrefix(d.want.Addr)
	found := false
	var errs []error
	for _, a := range addrs {
		switch {
		case a.Prefix == want:
			found = true
		case !a.Prefix.Addr().IsLinkLocalUnicast():
			differences++
			errs = append(errs, m.links.DeleteAddr(a))
		}
	}
	if !found {
		differences++
		errs = append(errs, m.kernel.Batch(netlink.AddrChange{Link: d.index, Prefix: want, NoDAD: true}))
	}
	return differences, errors.Join(errs...)
}

// mtu returns how large a packet of a workload may be in the tunnel, in bytes.
func (m *Manager) mtu(d *device) (int, error) {
	if d.want.MTU > 0 {
		return d.want.MTU, nil
	}
	underlay, err := m.underlay(d.want.Local)
	if err != nil {
		return 0, err
	}
	d.underlay = underlay.Index
	return underlay.MTU - overhead(d.want), nil
}

// underlay returns the link that has an address of this node.
func (m *Manager) underlay(local netip.Addr) (netlink.Link, error) {
	addrs, err := m.links.Addrs(0)
	if err != nil {
		return netlink.Link{}, err
	}
	for _, a := range addrs {
		if a.Prefix.Addr() == local {
			return m.links.LinkByIndex(a.Link)
		}
	}
	return netlink.Link{}, fmt.Errorf("no link has this node's address %s; is the address in the Node object the host's?", local)
}
