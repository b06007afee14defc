// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
)

// errand is requests that go to the kernel together, each for a device.
type errand struct {
	requests []netlink.Request
	of       []*device
}

// newErrand makes room for what one peer takes.
func newErrand() errand { return errand{make([]netlink.Request, 0, 4), make([]*device, 0, 4)} }

func (e *errand) add(d *device, r netlink.Request) {
	e.requests, e.of = append(e.requests, r), append(e.of, d)
}

// run sends an errand.
func (m *Manager) run(e errand) {
	refused, err := m.kernel.Try(e.requests)
	m.judge(e, refused, err)
}

// judge takes in what came of an errand. What the kernel refuses is noted with the device; a deletion of what is gone already is as good as done.
func (m *Manager) judge(e errand, refused map[int]error, err error) {
	for i, why := range refused {
		switch e.requests[i].(type) {
		case netlink.NeighbourDelete, netlink.FDBDelete:
			if errors.Is(why, fs.ErrNotExist) {
				continue
			}
		}
		e.of[i].fail(why)
	}
	if err != nil {
		for _, d := range m.devices {
			d.fail(err)
		}
	}
}

// meet makes a peer known, in place of what was known of it.
func (d *device) meet(e *errand, p desired.TunnelPeer) {
	old, known := d.peers[p.ID.Node]
	d.note(p)
	if d.want.Kind == desired.IPIP {
		return // it wraps packets for their next hop, whoever that is
	}
	if now := forwardingOf(p); !known || forwardingOf(old) != now {
		e.add(d, now.set(d.index))
	}
	if now := neighbourOf(p); !known || neighbourOf(old) != now {
		e.add(d, now.set(d.index))
	}
	if known {
		d.clean(e, old)
	}
}

// note takes a peer down. Peers share no address, but one may take over within a Delta what another has had.
func (d *device) note(p desired.TunnelPeer) {
	d.peers[p.ID.Node], d.macs[p.MAC], d.addrs[p.Addr] = p, p.ID.Node, p.ID.Node
}

// forget makes a peer unknown.
func (d *device) forget(e *errand, node string) {
	old, known := d.peers[node]
	delete(d.peers, node)
	if known && d.want.Kind != desired.IPIP {
		d.clean(e, old)
	}
}

// clean removes the entries of a former peer, but not those that its successor or another peer has.
func (d *device) clean(e *errand, old desired.TunnelPeer) {
	node := old.ID.Node
	now, known := d.peers[node]
	if d.addrs[old.Addr] == node && (!known || now.Addr != old.Addr) {
		delete(d.addrs, old.Addr)
		e.add(d, neighbourOf(old).remove(d.index))
	}
	if d.macs[old.MAC] == node && (!known || now.MAC != old.MAC) {
		delete(d.macs, old.MAC)
		e.add(d, forwardingOf(old).remove(d.index))
	}
}

// entry is what the kernel holds of a peer: one of the neighbour table, that says which MAC address an address has, or of the forwarding
// database, that says behind which host a MAC address is.
type entry struct {
	addr, remote netip.Addr // one of them
	mac          desired.MAC
}

func neighbourOf(p desired.TunnelPeer) entry  { return entry{addr: p.Addr, mac: p.MAC} }
func forwardingOf(p desired.TunnelPeer) entry { return entry{remote: p.Remote, mac: p.MAC} }

// set returns the request that makes the entry, and remove the one that ends it.
func (n entry) set(link int) netlink.Request {
	if n.addr.IsValid() {
		return netlink.Neighbour{Link: link, Addr: n.addr, MAC: net.HardwareAddr(n.mac[:])}
	}
	return netlink.FDBEntry{Link: link, MAC: net.HardwareAddr(n.mac[:]), Remote: n.remote}
}

func (n entry) remove(link int) netlink.Request {
	if n.addr.IsValid() {
		return netlink.NeighbourDelete{Link: link, Addr: n.addr}
	}
	return netlink.FDBDelete{Link: link, MAC: net.HardwareAddr(n.mac[:]), Remote: n.remote}
}

// comparePeers brings the entries of a device to the wanted peers and returns how many differed. Entries of nobody are removed.
func (m *Manager) comparePeers(d *device, wanted map[string]desired.TunnelPeer) (differences int, err error) {
	if d.want.Kind.Encrypts() {
		return m.compareEncrypted(d, wanted)
	}
	for _, p := range wanted {
		d.note(p)
	}
	if d.want.Kind == desired.IPIP {
		return 0, nil
	}
	stale, err := m.entries(d.index)
	if err != nil {
		return 0, err
	}
	var missing, e errand
	for _, p := range wanted {
		for _, n := range []entry{forwardingOf(p), neighbourOf(p)} {
			if _, there := stale[n]; there {
				delete(stale, n)
			} else {
				missing.add(d, n.set(d.index))
			}
		}
	}
	differences = len(missing.requests) + len(stale)
	// Deletions first: a stale entry may stand where a missing one belongs, and go away with it.
	for n := range stale {
		e.add(d, n.remove(d.index))
	}
	m.run(e)
	m.run(missing)
	return differences, nil
}

// entries reads what the kernel holds for a link.
func (m *Manager) entries(link int) (map[entry]struct{}, error) {
	neighbours, err := m.kernel.Neighbours(link)
	if err != nil {
		return nil, err
	}
	forwarding, err := m.kernel.FDB(link)
	if err != nil {
		return nil, err
	}
	out := make(map[entry]struct{}, len(neighbours)+len(forwarding))
	for _, n := range neighbours {
		out[entry{addr: n.Addr, mac: macOf(n.MAC)}] = struct{}{}
	}
	for _, n := range forwarding {
		out[entry{remote: n.Remote, mac: macOf(n.MAC)}] = struct{}{}
	}
	return out, nil
}
