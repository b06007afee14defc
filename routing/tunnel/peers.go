// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"io/fs"
	"net"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
)

// meet makes a peer known, in place of what was known of it.
func (m *Manager) meet(d *device, p desired.TunnelPeer) error {
	old, known := d.peers[p.ID.Node]
	d.note(p)
	if d.want.Kind == desired.IPIP {
		return nil // it wraps packets for their next hop, whoever that is
	}
	err := m.kernel.Batch(forwarding(d.index, p), neighbour(d.index, p))
	if known {
		err = errors.Join(err, m.clean(d, old))
	}
	return err
}

// note takes a peer down. Peers share no address, but one may take over within a Delta what another has had.
func (d *device) note(p desired.TunnelPeer) {
	d.peers[p.ID.Node], d.macs[p.MAC], d.addrs[p.Addr] = p, p.ID.Node, p.ID.Node
}

// forget makes a peer unknown.
func (m *Manager) forget(d *device, node string) error {
	old, known := d.peers[node]
	delete(d.peers, node)
	if !known || d.want.Kind == desired.IPIP {
		return nil
	}
	return m.clean(d, old)
}

// clean removes the entries of a former peer, but not those that its successor or another peer has.
func (m *Manager) clean(d *device, old desired.TunnelPeer) error {
	node := old.ID.Node
	now, known := d.peers[node]
	var errs []error
	if d.addrs[old.Addr] == node && (!known || now.Addr != old.Addr) {
		delete(d.addrs, old.Addr)
		errs = append(errs, m.drop(netlink.NeighbourDelete{Link: d.index, Addr: old.Addr}))
	}
	if d.macs[old.MAC] == node && (!known || now.MAC != old.MAC) {
		delete(d.macs, old.MAC)
		errs = append(errs, m.drop(netlink.FDBDelete(forwarding(d.index, old))))
	}
	return errors.Join(errs...)
}

// drop sends a deletion; what is gone already is as good.
func (m *Manager) drop(r netlink.Request) error {
	if err := m.kernel.Batch(r); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func forwarding(link int, p desired.TunnelPeer) netlink.FDBEntry {
	return netlink.FDBEntry{Link: link, MAC: net.HardwareAddr(p.MAC[:]), Remote: p.Remote}
}

func neighbour(link int, p desired.TunnelPeer) netlink.Neighbour {
	return netlink.Neighbour{Link: link, Addr: p.Addr, MAC: net.HardwareAddr(p.MAC[:])}
}

// comparePeers brings the entries of a device to the wanted peers and returns how many differed. Entries of nobody are removed.
func (m *Manager) comparePeers(d *device, wanted map[string]desired.TunnelPeer) (differences int, err error) {
	for _, p := range wanted {
		d.note(p)
	}
	if d.want.Kind == desired.IPIP {
		return 0, nil
	}
	neighbours, err := m.kernel.Neighbours(d.index)
	if err != nil {
		return 0, err
	}
	entries, err := m.kernel.FDB(d.index)
	if err != nil {
		return 0, err
	}
	stale := map[string]netlink.Request{} // what the kernel holds, by its text, with the request that removes it
	for _, n := range neighbours {
		stale[n.String()] = netlink.NeighbourDelete{Link: n.Link, Addr: n.Addr}
	}
	for _, e := range entries {
		stale[e.String()] = netlink.FDBDelete(e)
	}
	var missing []netlink.Request
	for _, p := range wanted {
		for _, r := range []netlink.Request{forwarding(d.index, p), neighbour(d.index, p)} {
			if _, there := stale[r.String()]; !there {
				missing = append(missing, r)
			}
			delete(stale, r.String())
		}
	}
	differences = len(missing) + len(stale)
	// Deletions first: a stale entry may stand where a missing one belongs, and go away with it.
	var errs []error
	for _, r := range stale {
		errs = append(errs, m.drop(r))
	}
	for _, r := range missing {
		errs = append(errs, m.kernel.Batch(r))
	}
	return differences, errors.Join(errs...)
}
