// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/config/oc"

	"github.com/weftnet/weft/desired"
)

// plan is a desired state in the engine's words.
type plan struct {
	global   *api.Global
	policies *api.SetPoliciesRequest
	peers    map[netip.Addr]plannedPeer
	own      map[netip.Prefix]netip.Addr // next hop by advertised prefix
	// wait is how long to wait for the peers after a start.
	wait uint16 // seconds
}

type plannedPeer struct {
	desired desired.Peer
	conf    *api.Peer
}

const (
	defaultPort    = 179
	defaultRestart = 120 // seconds, RFC 4724 leaves it open; BIRD's and Calico's default
	holdTime       = 90  // seconds, RFC 4271 section 10 suggests it
	connectRetry   = 5   // seconds; 120, as RFC 4271 suggests, would keep a restarted node out of its mesh
	// deferral bounds, in seconds, how long after a restart nothing is announced while a peer is missing (RFC 4724, section 4.1). Our
	// own prefixes do not depend on any peer, so it is short; a reflector would tell its clients that the missing peer's routes are gone.
	deferral          = 5
	reflectorDeferral = 60
)

// newPlan translates want. The error names what cannot be had; the plan holds all the rest, and is nil when nothing can.
func newPlan(want *desired.BGP) (*plan, error) {
	if err := checkGlobal(want); err != nil {
		return nil, err
	}
	p := &plan{
		global: &api.Global{
			Asn: want.AS, RouterId: want.RouterID.String(), ListenPort: defaultPort,
			Families:         engineFamilies(),
			UseMultiplePaths: true,
		},
		peers: map[netip.Addr]plannedPeer{},
		own:   map[netip.Prefix]netip.Addr{},
	}
	if want.ListenPort != 0 {
		p.global.ListenPort = int32(want.ListenPort)
	}
	for _, a := range want.Listen {
		p.global.ListenAddresses = append(p.global.ListenAddresses, a.String())
	}
	err := errors.Join(p.addPeers(want), p.addOwn(want))
	p.policies = exportPolicies(want)
	return p, err
}

// engineFamilies limits the engine to the families we carry; it numbers them in a way of its own here.
func engineFamilies() []uint32 {
	return []uint32{
		uint32(oc.AfiSafiTypeToIntMap[oc.AFI_SAFI_TYPE_IPV4_UNICAST]), uint32(oc.AfiSafiTypeToIntMap[oc.AFI_SAFI_TYPE_IPV6_UNICAST]),
	}
}

func checkGlobal(want *desired.BGP) error {
	switch {
	case want.AS == 0:
		return errors.New("BGP: AS number 0 is reserved (RFC 7607); set asNumber of the node or of the default BGPConfiguration")
	case !want.RouterID.Is4():
		return fmt.Errorf("BGP: router ID %s must have the form of an IPv4 address; give the node an IPv4 address or set its router ID", want.RouterID)
	}
	return nil
}

func (p *plan) addPeers(want *desired.BGP) error {
	var errs []error
	for _, peer := range want.Peers {
		if err := p.checkPeer(peer); err != nil {
			errs = append(errs, fmt.Errorf("BGP peer %s: %w", peer.Name, err))
			continue
		}
		p.peers[peer.Addr] = plannedPeer{peer, peerConf(want, peer)}
		p.wait = max(p.wait, restartSeconds(peer))
	}
	return errors.Join(errs...)
}

func (p *plan) checkPeer(peer desired.Peer) error {
	other, taken := p.peers[peer.Addr]
	switch {
	case !peer.Addr.IsValid():
		return errors.New("it has no address")
	case peer.AS == 0:
		return errors.New("AS number 0 is reserved (RFC 7607); set asNumber")
	case taken:
		return fmt.Errorf("peer %s has the address %s already, and there can be one session to an address", other.desired.Name, peer.Addr)
	case peer.Source.IsValid() && peer.Source.Is4() != peer.Addr.Is4():
		return fmt.Errorf("source address %s is not of the family of %s", peer.Source, peer.Addr)
	}
	return nil
}

func (p *plan) addOwn(want *desired.BGP) error {
	var errs []error
	for _, dst := range want.Advertise {
		hop := want.NextHops[0]
		if dst.Addr().Is6() {
			hop = want.NextHops[1]
		}
		if !dst.IsValid() || dst != dst.Masked() {
			errs = append(errs, fmt.Errorf("BGP: prefix %s cannot be announced: it is not the address of a network", dst))
			continue
		}
		if !hop.IsValid() || hop.Is4() != dst.Addr().Is4() {
			errs = append(errs, fmt.Errorf("BGP: prefix %s cannot be announced: the node has no address of its family", dst))
			continue
		}
		p.own[dst] = hop
	}
	return errors.Join(errs...)
}

// sameGlobal says whether the engine can go from p to q without a new start.
func (p *plan) sameGlobal(q *plan) bool {
	a, b := p.global, q.global
	return a.Asn == b.Asn && a.RouterId == b.RouterId && a.ListenPort == b.ListenPort && slices.Equal(a.ListenAddresses, b.ListenAddresses)
}

// restartSeconds is the restart time that we tell the peer, which has 12 bits (RFC 4724, section 3).
func restartSeconds(peer desired.Peer) uint16 {
	if peer.RestartSeconds == 0 {
		return defaultRestart
	}
	return min(peer.RestartSeconds, 1<<12-1)
}
