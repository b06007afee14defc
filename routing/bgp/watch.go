// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"
)

// watch turns the engine's events into what others in this package keep. One stream carries all of them, so that an End-of-RIB
// arrives after the paths before it.
type watch struct {
	learned  *Learned
	hearing  *hearing
	sessions *sessions
	cancel   context.CancelFunc

	mu    sync.Mutex
	ended bool
}

func (w *watch) start(srv *server.BgpServer) error {
	unlessEnded := func(fn func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended {
			fn()
		}
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	err := srv.WatchEvent(ctx, server.WatchEventMessageCallbacks{
		OnBestPath: func(paths []*apiutil.Path, _ time.Time) { unlessEnded(func() { w.bestPaths(paths) }) },
		OnPathEor: func(p *apiutil.Path, _ time.Time) {
			unlessEnded(func() { w.hearing.heard(p.PeerAddress) })
		},
		OnPeerUpdate: func(ev *apiutil.WatchEventMessage_PeerEvent, at time.Time) {
			unlessEnded(func() { w.peer(ev, at) })
		},
	}, server.WatchBestPath(true), server.WatchEor(true), server.WatchPeer())
	if err != nil {
		w.stop()
		return fmt.Errorf("watch BGP events: %w", err)
	}
	return nil
}

// stop ends the watch: after it nothing more is recorded.
func (w *watch) stop() {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

func (w *watch) bestPaths(paths []*apiutil.Path) {
	for _, p := range paths {
		dst, ok := prefixOf(p.Nlri)
		if !ok || !p.PeerAddress.IsValid() { // our own prefixes have no peer
			continue
		}
		if hop, ok := nextHopOf(p.Attrs); ok && !p.Withdrawal {
			w.learned.Announce(dst, p.PeerAddress, hop)
		} else {
			w.learned.Withdraw(dst, p.PeerAddress)
		}
	}
}

func (w *watch) peer(ev *apiutil.WatchEventMessage_PeerEvent, at time.Time) {
	if ev.Type != apiutil.PEER_EVENT_STATE {
		return
	}
	st := ev.Peer.State
	if st.SessionState != bgp.BGP_FSM_ESTABLISHED {
		// Every fall ends in Idle; other changes of state carry reasons too, which are none for being down.
		if st.SessionState == bgp.BGP_FSM_IDLE && st.DisconnectMessage != "" {
			w.sessions.down(st.NeighborAddress, inWords(st.DisconnectMessage), at)
		}
		return
	}
	w.sessions.up(st.NeighborAddress)
	if !marksEnd(st.RemoteCap) {
		w.hearing.heardLater(st.NeighborAddress)
	}
}

// inWords explains the engine's reasons for the end of a session; others, among them those of a NOTIFICATION message, stay as they are.
func inWords(reason string) string {
	switch reason {
	case "graceful-restart":
		return "connection lost; the peer's routes are kept for its restart time"
	case "read-failed", "write-failed":
		return "connection lost"
	case "restart-timer-expired":
		return "the peer did not come back within its restart time; its routes are gone"
	case "hold-timer-expired":
		return "nothing heard from the peer for the hold time"
	}
	return reason
}

// marksEnd says whether the peer sends End-of-RIB, which graceful restart promises (RFC 4724, section 2).
func marksEnd(capabilities []bgp.ParameterCapabilityInterface) bool {
	for _, c := range capabilities {
		if c.Code() == bgp.BGP_CAP_GRACEFUL_RESTART {
			return true
		}
	}
	return false
}

func prefixOf(nlri bgp.NLRI) (netip.Prefix, bool) {
	p, ok := nlri.(*bgp.IPAddrPrefix)
	if !ok || !p.Prefix.IsValid() {
		return netip.Prefix{}, false
	}
	return p.Prefix.Masked(), true
}

// nextHopOf returns the NEXT_HOP, in MP_REACH_NLRI for IPv6 (RFC 4760).
func nextHopOf(attrs []bgp.PathAttributeInterface) (netip.Addr, bool) {
	var hop netip.Addr
	for _, a := range attrs {
		switch a := a.(type) {
		case *bgp.PathAttributeNextHop:
			hop = a.Value
		case *bgp.PathAttributeMpReachNLRI:
			hop = a.Nexthop
		}
	}
	return hop.Unmap(), hop.IsValid() && !hop.IsUnspecified()
}
