// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"net/netip"

	api "github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/weftnet/weft/desired"
)

const (
	ipv4Unicast = bgp.RF_IPv4_UC
	ipv6Unicast = bgp.RF_IPv6_UC
	// maxTTL lets an eBGP session cross routers, as Calico's always may; TTL security asks for the same value (RFC 5082).
	maxTTL = 255
)

// peerConf translates one session. A session carries the prefixes of its own family.
func peerConf(want *desired.BGP, p desired.Peer) *api.Peer {
	conf := &api.Peer{
		Conf: &api.PeerConf{
			NeighborAddress: p.Addr.String(), PeerAsn: p.AS, LocalAsn: localAS(want, p),
			AuthPassword: p.Password, AllowOwnAsn: uint32(p.AllowLocalAS),
		},
		Timers: &api.Timers{Config: timers(p)},
		Transport: &api.Transport{
			PassiveMode: p.Passive, RemotePort: uint32(p.Port),
		},
		GracefulRestart: &api.GracefulRestart{Enabled: true, RestartTime: uint32(restartSeconds(p)), DeferralTime: deferral},
		AfiSafis: []*api.AfiSafi{{
			Config:            &api.AfiSafiConfig{Family: familyOf(p.Addr), Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}},
		}},
	}
	if p.Source.IsValid() {
		conf.Transport.LocalAddress = p.Source.String()
	}
	if want.ClusterID.IsValid() {
		conf.GracefulRestart.DeferralTime = reflectorDeferral
	}
	if p.RRClient {
		cluster := want.ClusterID
		if !cluster.IsValid() {
			cluster = want.RouterID
		}
		conf.RouteReflector = &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: cluster.String()}
		// The engine compares the description, but not the reflector's part, to see whether a session must start anew.
		conf.Conf.Description = "route reflector client in cluster " + cluster.String()
	}
	switch {
	case p.TTLSecurity > 0:
		conf.TtlSecurity = &api.TtlSecurity{Enabled: true, TtlMin: maxTTL + 1 - uint32(p.TTLSecurity)}
	case p.AS != localAS(want, p):
		conf.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: maxTTL}
	}
	return conf
}

func localAS(want *desired.BGP, p desired.Peer) uint32 {
	if p.LocalAS != 0 {
		return p.LocalAS
	}
	return want.AS
}

// timers derives the hold time from the keepalive time if that is set: three keepalives may be lost (RFC 4271, section 4.4).
func timers(p desired.Peer) *api.TimersConfig {
	t := &api.TimersConfig{
		ConnectRetry: connectRetry, IdleHoldTimeAfterReset: connectRetry,
		HoldTime: holdTime, KeepaliveInterval: holdTime / 3,
	}
	if p.KeepaliveSeconds > 0 {
		t.KeepaliveInterval = uint64(p.KeepaliveSeconds)
		t.HoldTime = 3 * t.KeepaliveInterval
	}
	return t
}

func familyOf(a netip.Addr) *api.Family {
	if a.Is4() {
		return &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	}
	return &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST}
}
