// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v4/api"

	"github.com/weftnet/weft/desired"
)

// sessions remembers about each peer what the engine forgets.
type sessions struct {
	mu    sync.Mutex
	peers map[netip.Addr]*session
}

type session struct {
	desired   desired.Peer
	since     time.Time // when it was configured, or went down
	lastError string
}

func newSessions() *sessions { return &sessions{peers: map[netip.Addr]*session{}} }

func (s *sessions) configure(p *plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr := range s.peers {
		if _, ok := p.peers[addr]; !ok {
			delete(s.peers, addr)
		}
	}
	for addr, peer := range p.peers {
		if s.peers[addr] == nil {
			s.peers[addr] = &session{since: time.Now()}
		}
		s.peers[addr].desired = peer.desired
	}
}

func (s *sessions) up(peer netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.peers[peer]; x != nil {
		x.lastError = ""
	}
}

func (s *sessions) down(peer netip.Addr, reason string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.peers[peer]; x != nil {
		x.lastError, x.since = reason, at
	}
}

// get returns what is known about a configured peer.
func (s *sessions) get(peer netip.Addr) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.peers[peer]
	if x == nil {
		return session{}, false
	}
	return *x, true
}

// Status implements Speaker. Counting what was sent walks the table once for each peer.
func (s *Server) Status() (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		return Status{}, false
	}
	st := Status{AS: s.plan.global.Asn, Complete: s.learned.IsComplete()}
	st.RouterID, _ = netip.ParseAddr(s.plan.global.RouterId) // it was made from an address
	// The error can only be that of the context.
	_ = s.engine.srv.ListPeer(context.Background(), &api.ListPeerRequest{EnableAdvertised: true}, func(p *api.Peer) {
		if ps, ok := s.peerStatus(p); ok {
			st.Peers = append(st.Peers, ps)
		}
	})
	slices.SortFunc(st.Peers, func(a, b PeerStatus) int { return cmp.Compare(a.Name, b.Name) })
	return st, true
}

func (s *Server) peerStatus(p *api.Peer) (PeerStatus, bool) {
	addr, err := netip.ParseAddr(p.GetState().GetNeighborAddress())
	if err != nil {
		return PeerStatus{}, false
	}
	known, ok := s.sessions.get(addr)
	if !ok {
		return PeerStatus{}, false
	}
	ps := PeerStatus{
		Name: known.desired.Name, Kind: known.desired.Kind, Addr: addr, AS: known.desired.AS,
		State: stateOf(p.State.SessionState), Since: known.since, LastError: known.lastError,
		Restarting: p.GetGracefulRestart().GetPeerRestarting(),
	}
	if ps.State == Established {
		ps.Since = p.GetTimers().GetState().GetUptime().AsTime()
	} else if dial := s.log.dialError(addr); ps.LastError == "" {
		ps.LastError = dial
	}
	for _, f := range p.AfiSafis {
		ps.Received += int(f.GetState().GetReceived())
		ps.Accepted += int(f.GetState().GetAccepted())
		ps.Sent += int(f.GetState().GetAdvertised())
	}
	return ps, true
}

func stateOf(s api.PeerState_SessionState) State {
	switch s {
	case api.PeerState_SESSION_STATE_CONNECT:
		return Connect
	case api.PeerState_SESSION_STATE_ACTIVE:
		return Active
	case api.PeerState_SESSION_STATE_OPENSENT:
		return OpenSent
	case api.PeerState_SESSION_STATE_OPENCONFIRM:
		return OpenConfirm
	case api.PeerState_SESSION_STATE_ESTABLISHED:
		return Established
	}
	return Idle
}
