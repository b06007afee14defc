// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package bgp is the node's BGP speaker (RFC 4271, RFC 4760): New one, Set what is desired, take what it Learned, read its Status.
//
// The engine below is a library in this process; nothing of it shows, so that a leaner one can take its place.
//
// Graceful restart (RFC 4724) is always on. Close, like a crash, drops the sessions without a word, so neighbours keep forwarding
// to this node; a speaker made with Restarting then takes up where the last one ended. Only Set with nil says good-bye.
package bgp

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/weftnet/weft/desired"
)

// Speaker runs BGP as told. [Server] is the real one, bgptest.Speaker the fake.
type Speaker interface {
	// Set makes the speaker what want says; it may be called again with the same or another state. Sessions whose configuration
	// did not change stay up. nil ends all sessions and withdraws everything.
	//
	// The error names each field or peer that cannot be had; all else is in force.
	Set(ctx context.Context, want *desired.BGP) error
	// Status says how the sessions are. ok is false when the speaker does not run.
	Status() (status Status, ok bool)
	// Learned is the stream of routes for the kernel.
	Learned() *Learned
	// Close drops the sessions as a crash would.
	Close() error
}

// State is a state of the session machine, RFC 4271 section 8.2.2.
type State string

// The states.
const (
	Idle        State = "Idle"
	Connect     State = "Connect"
	Active      State = "Active"
	OpenSent    State = "OpenSent"
	OpenConfirm State = "OpenConfirm"
	Established State = "Established"
)

// Status is a snapshot of the speaker.
type Status struct {
	AS       uint32
	RouterID netip.Addr
	// Complete says that every peer has been heard since the start, or that the time for it is over.
	Complete bool
	Peers    []PeerStatus // sorted by name
}

// PeerStatus is a snapshot of one session.
type PeerStatus struct {
	Name  string
	Kind  desired.PeerKind
	Addr  netip.Addr
	AS    uint32
	State State
	Since time.Time // when the session came up, or went down
	// Received and Accepted count prefixes in from the peer, before and after loop checks; Sent those announced to it.
	Received, Accepted, Sent int
	// Restarting says that the peer is gone and its routes are kept, for it said that it would be back (RFC 4724, section 4.2).
	Restarting bool
	// LastError is why the session is, or last was, down; empty while it is up.
	LastError string
}

// Path is the best way to a prefix.
type Path struct {
	NextHops []netip.Addr // several when paths are equally good; sorted
	Peers    []netip.Addr // who announced them; sorted
}

// Update is what changed among the best paths since the last one.
type Update struct {
	// Paths by prefix; one without next hops was withdrawn.
	Paths map[netip.Prefix]Path
	// Complete says that everything was heard since the start: what the kernel holds beyond it is stale.
	Complete bool
}

// NextHops yields the changes as routes.Manager.Learn takes them.
func (u Update) NextHops() iter.Seq2[netip.Prefix, []netip.Addr] {
	return func(yield func(netip.Prefix, []netip.Addr) bool) {
		for dst, path := range u.Paths {
			if !yield(dst, path.NextHops) {
				return
			}
		}
	}
}
