// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/wireguard"
)

// keyFiles are where the private keys are, in Options.KeyDir; portFields say where their ports come from.
var (
	keyFiles   = [desired.TunnelKinds]string{desired.WireGuard4: "wireguard.key", desired.WireGuard6: "wireguard-v6.key"}
	portFields = [desired.TunnelKinds]string{desired.WireGuard4: "wireguardListeningPort", desired.WireGuard6: "wireguardListeningPortV6"}
)

// encryptingLink finds or makes a WireGuard device and gives it its key and port.
func (m *Manager) encryptingLink(d *device, mtu int) (link netlink.Link, changed bool, err error) {
	private, err := m.loadKeys(d)
	if err != nil {
		return link, false, err
	}
	link, made, err := m.wireguardLink(d, mtu)
	if err != nil {
		return link, made, err
	}
	have, err := m.wg.Read(d.want.Name)
	if err == nil && have.PrivateKey != private {
		m.callAgain(d.want.Name, have.Peers)
	}
	if err != nil || have.PrivateKey == private && have.Port == d.want.Port && have.Mark == own.UnderlayMark {
		return link, made, err
	}
	if err := m.wg.Configure(d.want.Name, private, d.want.Port, own.UnderlayMark); err != nil {
		return link, made, fmt.Errorf("%w; if UDP port %d is in use, choose another with %s of FelixConfiguration", err, d.want.Port, portFields[d.want.Kind])
	}
	return link, true, nil
}

// loadKeys reads this node's keys, and has the next one take its place when other nodes can know of it.
func (m *Manager) loadKeys(d *device) (private wireguard.Key, err error) {
	file := m.keyFile(d.want.Kind)
	if d.next, err = wireguard.NextKey(file); err != nil {
		return private, err
	}
	if d.next != (wireguard.Key{}) && d.next == wireguard.Key(d.want.Key) {
		if err := wireguard.AdoptKey(file); err != nil {
			return private, err
		}
		d.next = wireguard.Key{}
		m.log.Info("WireGuard goes over to the next key, which the Node states", "device", d.want.Name)
	}
	if private, err = wireguard.LoadKey(file); err == nil {
		d.public, err = private.Public()
	}
	return private, err
}

func (m *Manager) keyFile(k desired.TunnelKind) string { return filepath.Join(m.keyDir, keyFiles[k]) }

func (m *Manager) wireguardLink(d *device, mtu int) (link netlink.Link, made bool, err error) {
	name := d.want.Name
	link, err = m.links.Link(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return link, false, err
	case link.Group != own.TunnelGroup:
		return link, false, notOurs(name)
	case link.Kind == wireguard.Kind || link.Kind == wireguard.TunKind:
		d.inherited, err = m.wg.Attach(link)
		return link, false, err
	default:
		if err := m.links.DeleteLink(link.Index); err != nil {
			return link, false, err
		}
	}
	if err := m.wg.Forget(name); err != nil { // it is gone
		return link, false, err
	}
	link, err = m.wg.Add(netlink.LinkSpec{Name: name, MTU: mtu, Group: own.TunnelGroup})
	return link, true, err
}

// changes are what a device is told of a peer. A keepalive is a call, too, and left to the other end for as long as that is to call. While a peer answers
// to its former key alone, packets go on being for that.
func (m *Manager) changes(d *device, p desired.TunnelPeer) []wireguard.Change {
	now := m.met[p.ID]
	change := wireguard.Change{Key: wireguard.Key(p.Key), Peer: wireguard.Peer{Endpoint: netip.AddrPortFrom(p.Remote, d.want.Port), Allowed: p.Nets}}
	switch {
	case now.answered:
		change.Keepalive = d.keepalive()
	case now.called:
		change.Keepalive = calling
	}
	if now.former == (desired.Key{}) {
		return []wireguard.Change{change}
	}
	former := change
	former.Key, former.Keepalive, change.Allowed = wireguard.Key(now.former), d.keepalive(), nil
	return []wireguard.Change{former, change}
}

// meetEncrypted makes a peer known, in place of what was known of it. What it may send no more is left for withdraw.
func (m *Manager) meetEncrypted(d *device, p desired.TunnelPeer) error {
	old, known := d.peers[p.ID.Node]
	d.note(p)
	delete(m.parting, parting{d.want.Name, wireguard.Key(p.Key)})
	var changes []wireguard.Change
	var there wireguard.Peer
	switch {
	case !known:
		have, err := m.wg.Read(d.want.Name)
		if err != nil {
			return err
		}
		there = have.Peers[wireguard.Key(p.Key)]
		m.begin(d, p, false, there)
	case old.Key != p.Key:
		changes = m.rekey(d, p, old.Key)
	}
	d.lost = append(append(d.lost, gone(old.Nets, p.Nets)...), gone(there.Allowed, p.Nets)...)
	changes = append(changes, m.changes(d, p)...)
	if err := m.wg.SetPeers(d.want.Name, changes...); err != nil || known || !d.want.Threaded {
		return err
	}
	return m.spread(d)
}

// rekey begins with a peer that has another key now. What it has answered to is kept until it does to the new one: it takes that in hand when it
// knows that others have heard of it, which it may do through this node.
func (m *Manager) rekey(d *device, p desired.TunnelPeer, old desired.Key) (changes []wireguard.Change) {
	before := m.met[p.ID]
	m.begin(d, p, before.met, wireguard.Peer{})
	now := m.met[p.ID]
	now.former = before.former
	if before.answered {
		now.former = old
	} else {
		changes = append(changes, wireguard.Change{Key: wireguard.Key(old), Remove: true})
	}
	m.met[p.ID] = now
	return changes
}

// gone returns what of old is not in now.
func gone(old, now []netip.Prefix) (out []netip.Prefix) {
	for _, n := range old {
		if !slices.Contains(now, n) {
			out = append(out, n)
		}
	}
	return out
}

// withdraw takes away what no peer of a device is allowed any more.
func (m *Manager) withdraw(d *device) error {
	if len(d.lost) == 0 {
		return nil
	}
	lost := map[netip.Prefix]struct{}{}
	for _, n := range d.lost {
		lost[n] = struct{}{}
	}
	d.lost = nil
	for _, p := range d.peers {
		for _, n := range p.Nets {
			delete(lost, n)
		}
	}
	return m.wg.SetPeers(d.want.Name, wireguard.Withdraw(slices.Collect(maps.Keys(lost)))...)
}

// parting is a peer that is wanted no more and still heard for a while, because it may still send encrypted packets, and because it may
// come back and use what both share.
type parting struct {
	device string
	key    wireguard.Key
}

// forgetEncrypted lets a peer go.
func (m *Manager) forgetEncrypted(d *device, id desired.TunnelPeerID) {
	p, known := d.peers[id.Node]
	delete(d.peers, id.Node)
	delete(m.met, id)
	if known {
		m.part(parting{d.want.Name, wireguard.Key(p.Key)})
	}
}

// part tells whether it is time for a peer to go.
func (m *Manager) part(p parting) bool {
	if at, ok := m.parting[p]; ok {
		return !time.Now().Before(at)
	}
	m.parting[p] = time.Now().Add(m.linger)
	time.AfterFunc(m.linger, m.signal)
	return false
}

// compareEncrypted brings the peers of a device to the wanted ones and returns how many differed.
func (m *Manager) compareEncrypted(d *device, wanted map[string]desired.TunnelPeer) (differences int, err error) {
	have, err := m.wg.Read(d.want.Name)
	if err != nil {
		return 0, err
	}
	var changes []wireguard.Change
	stale := have.Peers
	for _, p := range wanted {
		d.note(p)
		switch before, met := m.met[p.ID]; {
		case !met:
			m.acquaint(d, p, stale[wireguard.Key(p.Key)])
		case before.key != p.Key:
			for _, removal := range m.rekey(d, p, before.key) {
				delete(stale, removal.Key)
				changes = append(changes, removal)
			}
		}
		for _, change := range m.changes(d, p) {
			there, known := stale[change.Key]
			delete(stale, change.Key)
			d.lost = append(d.lost, gone(there.Allowed, change.Allowed)...)
			delete(m.parting, parting{d.want.Name, change.Key})
			slices.SortFunc(there.Allowed, desired.ComparePrefixes)
			same := known && slices.Equal(there.Allowed, change.Allowed) && there.Keepalive == change.Keepalive
			if !same {
				differences++
			}
			// A peer may have been heard from another address of its; what its Node states is tried first all the same.
			if !same || there.Endpoint != change.Endpoint {
				changes = append(changes, change)
			}
		}
	}
	for key := range stale {
		leaving := parting{d.want.Name, key}
		if !m.part(leaving) {
			continue
		}
		delete(m.parting, leaving)
		changes = append(changes, wireguard.Change{Key: key, Remove: true})
	}
	for id := range m.met {
		if _, ok := wanted[id.Node]; id.Tunnel == d.want.Name && !ok {
			delete(m.met, id)
		}
	}
	if err := errors.Join(m.wg.SetPeers(d.want.Name, changes...), m.withdraw(d)); err != nil {
		return differences, err
	}
	return differences, m.spread(d)
}

// spread has a device's work done by threads, or not, once it has a peer: without one the kernel refuses.
func (m *Manager) spread(d *device) error {
	if len(d.peers) == 0 {
		return nil
	}
	_, err := m.wg.SetThreaded(d.want.Name, d.want.Threaded)
	return err
}

// RotateKeys makes new private keys for the WireGuard devices. PublicKeys are then the new ones; a device goes on with its old one until the Node states the
// new one (desired.Tunnel.Key): packets that nobody has the key for would not even reach the datastore where that is behind the device.
func (m *Manager) RotateKeys() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, d := range m.devices {
		if d.want.Kind.Encrypts() {
			errs = append(errs, wireguard.PrepareKey(m.keyFile(d.want.Kind)))
		}
	}
	m.signal()
	return errors.Join(errs...)
}

// PublicKeys returns the keys that this node is to state for the devices that are in force.
func (m *Manager) PublicKeys() (keys [desired.TunnelKinds]desired.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.devices {
		switch {
		case d.err != nil || !d.want.Kind.Encrypts():
		case d.next != (wireguard.Key{}):
			keys[d.want.Kind] = desired.Key(d.next)
		default:
			keys[d.want.Kind] = desired.Key(d.public)
		}
	}
	return keys
}

// Userspace lists the devices that run in this process, because the kernel has no WireGuard.
func (m *Manager) Userspace() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, d := range m.devices {
		if d.want.Kind.Encrypts() && m.wg.Userspace(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
