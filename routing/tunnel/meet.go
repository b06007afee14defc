// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"bytes"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/wireguard"
)

// How two ends get to know each other: each calls the other when it has its key, and the later one is answered. The one with the lower key
// calls at once, the other after a while: calls that cross are both in vain, and WireGuard tries again after five seconds.
const (
	// crossing is how long the end with the higher key leaves the call to the other.
	crossing = time.Second
	// calling is the keepalive of a peer that has not answered yet: the first packet goes out at once, further ones as WireGuard repeats it.
	calling = 5 * time.Second
	// Pauses between looks at who has answered, which the kernel does not tell.
	lookFirst = 20 * time.Millisecond
	lookMost  = time.Second
)

// DefaultPatience is how long a peer may take to answer before it counts as met all the same: nobody who drops WireGuard's packets is to
// have others sent in the clear for longer.
const DefaultPatience = 10 * time.Second

// meeting is how far two ends have come.
type meeting struct {
	key      desired.Key // of the peer
	since    time.Time   // when this end began
	received uint64      // by then
	called   bool
	answered bool
	met      bool        // what is for the peer may be encrypted, and goes on being so while it is a peer
	former   desired.Key // which it answers to until it does to key; zero: none
}

// Met returns the peers with whom packets can be encrypted. Meetings is signalled when they are others.
func (m *Manager) Met() map[desired.TunnelPeerID]struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[desired.TunnelPeerID]struct{}{}
	for id, meeting := range m.met {
		if meeting.met {
			out[id] = struct{}{}
		}
	}
	return out
}

// Meetings is signalled when a peer has been met.
func (m *Manager) Meetings() <-chan struct{} { return m.meetings }

// acquaint begins with a peer as the device knows it. What an earlier run of the agent encrypted goes on being encrypted.
func (m *Manager) acquaint(d *device, p desired.TunnelPeer, there wireguard.Peer) {
	if !m.settled && !there.Handshake.IsZero() {
		m.met[p.ID] = meeting{key: p.Key, answered: true, met: true}
		return
	}
	m.begin(d, p, d.inherited || m.met[p.ID].met, there)
}

// begin waits for a peer's call, or calls it. One that has been met may not know that this end has forgotten what they shared, and is
// called; and so is one that still shares something with this end, for then calls do not get in each other's way.
func (m *Manager) begin(d *device, p desired.TunnelPeer, met bool, there wireguard.Peer) {
	lower := bytes.Compare(d.public[:], p.Key[:]) < 0
	m.met[p.ID] = meeting{key: p.Key, since: time.Now(), received: there.Received, called: met || lower || !there.Handshake.IsZero(), met: met}
	m.pause = lookFirst
	m.looking.Reset(m.pause)
}

// callAgain calls the peers of a device that has been made anew, or has another key: they hold on to what they shared with the former one.
func (m *Manager) callAgain(name string, there map[wireguard.Key]wireguard.Peer) {
	for id, before := range m.met {
		if id.Tunnel == name {
			before.since, before.called, before.answered = time.Now(), true, false
			before.received = there[wireguard.Key(before.key)].Received
			m.met[id] = before
			m.pause = lookFirst
			m.looking.Reset(m.pause)
		}
	}
}

// look finds out who has answered.
func (m *Manager) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	news, waiting := false, false
	for name, d := range m.devices {
		if !d.want.Kind.Encrypts() || d.err != nil || !m.waits(name) {
			continue
		}
		have, err := m.wg.Read(name)
		if err != nil {
			m.log.Warn("see whether WireGuard peers have answered", "device", name, "error", err)
			waiting = true
			continue
		}
		for _, p := range d.peers {
			changed, done := m.lookAt(d, p, have.Peers[wireguard.Key(p.Key)])
			news, waiting = news || changed, waiting || !done
		}
	}
	if err := m.settleHosts(); err != nil {
		m.log.Warn("WireGuard peers that have answered", "error", err)
		m.signal() // looks at the kernel
	}
	if news {
		select {
		case m.meetings <- struct{}{}:
		default:
		}
	}
	if waiting {
		m.pause = min(2*m.pause, lookMost)
		m.looking.Reset(m.pause)
	}
}

// waits tells whether a peer of a device has not answered yet.
func (m *Manager) waits(name string) bool {
	for id, meeting := range m.met {
		if id.Tunnel == name && !meeting.answered {
			return true
		}
	}
	return false
}

// lookAt takes in what a device says of a peer: whether the peer has been met now, and whether nothing more is to come.
func (m *Manager) lookAt(d *device, p desired.TunnelPeer, there wireguard.Peer) (changed, done bool) {
	now := m.met[p.ID]
	if now.answered {
		return false, true
	}
	// An old handshake is good for as long as the peer has not forgotten it: what it sends shows that it has not.
	now.answered = !there.Handshake.IsZero() && (there.Received > now.received || !there.Handshake.Before(now.since.Truncate(time.Second)))
	if overdue := time.Since(now.since) > m.patience; now.answered || overdue {
		changed, now.met = !now.met, true
		if overdue && changed && !now.answered {
			m.log.Warn("a node does not answer over WireGuard; what is for it is encrypted all the same, and lost until it does", "node", p.ID.Node, "device", p.ID.Tunnel)
		}
	}
	call := !now.called && !now.answered && time.Since(now.since) > crossing
	now.called = now.called || call
	var changes []wireguard.Change
	if now.answered && now.former != (desired.Key{}) {
		changes = append(changes, wireguard.Change{Key: wireguard.Key(now.former), Remove: true})
		now.former = desired.Key{}
	}
	m.met[p.ID] = now
	if now.answered || call {
		d.fail(m.wg.SetPeers(d.want.Name, append(m.changes(d, p), changes...)...))
	}
	return changed, now.answered
}
