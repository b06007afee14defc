// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package desired holds what one node should look like: read a [View] for all of it, a [Delta] for what changed.
//
// Plain values between thinking (calc) and doing (dataplane, routing). Values are immutable once handed out.
package desired

import (
	"iter"
	"net/netip"

	"github.com/weftnet/weft/policy/rule"
)

// EndpointID identifies one interface of one workload, or with an empty Namespace a host endpoint.
type EndpointID struct {
	Namespace string
	Name      string // the WorkloadEndpoint's or HostEndpoint's name
}

// TierPolicies are the policies of one tier that apply to an endpoint in one direction, in order of evaluation.
type TierPolicies struct {
	Tier          string
	Policies      []rule.PolicyID
	DefaultAction rule.Action // Deny or Pass, when none of Policies matched
}

// Endpoint is a local workload interface and the policy in front of it.
type Endpoint struct {
	ID        EndpointID
	Interface string       // host side link name, at most 15 bytes
	Addrs     []netip.Addr // the workload's own addresses
	// SpoofPrefixes are extra source prefixes the workload may send from.
	SpoofPrefixes []netip.Prefix
	// FloatingIPs lead to the workload from elsewhere. No two endpoints share an external address.
	FloatingIPs []FloatingIP
	// HostPorts lead to the workload from this host's own addresses. No two endpoints share one.
	HostPorts []HostPort
	// Tiers by rule.Direction. A tier without applicable policies is absent.
	Tiers [2][]TierPolicies
	// Staged is what Tiers would be if all staged policies were put in force; nil when none concerns the endpoint. Data planes ignore it.
	Staged *[2][]TierPolicies
	// Profiles are evaluated after the tiers; no match there drops.
	Profiles []rule.PolicyID
	// Revision is that of the input the endpoint was computed from; status reports it back.
	Revision uint64
}

// Policy is the part of a compiled policy that a data plane needs. Data planes ignore those of a staged kind.
type Policy struct {
	ID    rule.PolicyID
	Rules [2][]rule.Rule // by rule.Direction
}

// Member is one element of an IP set. Protocol and Port are set for rule.SetPort only, and Prefix is then a host.
type Member struct {
	Prefix   netip.Prefix
	Protocol uint8
	Port     uint16
}

// IPSet is a set in use by at least one active policy. Members is shared: read only.
type IPSet struct {
	ID      rule.SetID
	Kind    rule.SetKind
	Members map[Member]struct{}
}

// IPSetChange is a change of membership. Created sets list all members in Added.
type IPSetChange struct {
	ID             rule.SetID
	Kind           rule.SetKind
	Created        bool
	Added, Removed []Member
}

// RouteKind is what a route does.
type RouteKind uint8

// The kinds.
const (
	RouteLocal     RouteKind = iota // to a local workload through Interface
	RouteBlackhole                  // unused addresses of a block of this node
	RouteNode                       // to addresses of another node, over the underlay, to Via
	RouteTunnel                     // to addresses of another node, through the tunnel Interface, to Via
)

// Route is one route of this node that does not come from BGP.
type Route struct {
	Dst       netip.Prefix
	Kind      RouteKind
	Interface string     // RouteLocal and RouteTunnel
	Via       netip.Addr // RouteNode, and RouteTunnel through IPIP: the other node's address; VXLAN: its address on the tunnel, or zero where Dst is that
}

// PeerKind tells where a BGP session comes from.
type PeerKind uint8

// The kinds, in the order of Calico's "peer type" column.
const (
	PeerMesh PeerKind = iota
	PeerNode
	PeerGlobal
)

// NextHopMode is what is done with the next hop of exported routes.
type NextHopMode uint8

// The modes.
const (
	NextHopAuto NextHopMode = iota
	NextHopSelf
	NextHopKeep
)

// Peer is one BGP session of this node.
type Peer struct {
	Name             string // "Mesh_172_30_1_12", "Node_…", "Global_…"
	Kind             PeerKind
	Addr             netip.Addr
	Port             uint16
	AS               uint32
	LocalAS          uint32     // 0: the node's
	Source           netip.Addr // zero: the kernel picks
	Passive          bool       // wait for the other side (one TCP session a pair)
	NextHop          NextHopMode
	RRClient         bool // this node reflects for the peer
	Password         string
	RestartSeconds   uint16 // graceful restart time; 0 means 120
	KeepaliveSeconds uint16 // 0: hold time / 3
	TTLSecurity      uint8  // hops; 0 off
	AllowLocalAS     uint8
}

// BGP is the whole desired state of this node's speaker.
type BGP struct {
	AS         uint32
	RouterID   netip.Addr // IPv4
	ListenPort uint16
	Listen     []netip.Addr   // empty: all
	ClusterID  netip.Addr     // set on a route reflector
	NextHops   [2]netip.Addr  // own IPv4 and IPv6 address, for own prefixes
	Peers      []Peer         // sorted by name
	Advertise  []netip.Prefix // own blocks, borrowed addresses and those of services, sorted
	ExportOnly []netip.Prefix // prefixes (IP pools) whose routes may be exported, sorted
}

// Delta is what changed since the last one, in make-before-break order: sets and policies, endpoints, routes, then removals. Every list
// is sorted and has one entry an object. What was added and removed again since the last Delta does not appear.
//
// An interface or a route may pass from a removed endpoint to a new one in one Delta: the new one counts.
type Delta struct {
	Revision         uint64
	IPSets           []IPSetChange
	Policies         []*Policy
	Endpoints        []*Endpoint
	HostEndpoints    []*HostEndpoint
	Settings         *Settings // nil: unchanged
	Tunnels          []Tunnel
	TunnelPeers      []TunnelPeer
	Routes           []Route
	BGP              *BGP // nil: unchanged
	BGPRemoved       bool // the node takes no part in BGP any more
	RoutesRemoved    []netip.Prefix
	EndpointsRemoved []EndpointID

	HostEndpointsRemoved []EndpointID
	TunnelPeersRemoved   []TunnelPeerID
	TunnelsRemoved       []string
	PoliciesRemoved      []rule.PolicyID
	IPSetsRemoved        []rule.SetID
}

// View is all of the desired state. It is valid until the next change of the graph it came from. Sequences are sorted like the lists of a
// Delta. Whatever is referred to is there: an endpoint's policies, a policy's IP sets.
type View interface {
	Revision() uint64
	Endpoints() iter.Seq[*Endpoint]
	Endpoint(EndpointID) (*Endpoint, bool)
	HostEndpoints() iter.Seq[*HostEndpoint]
	HostEndpoint(EndpointID) (*HostEndpoint, bool)
	Settings() *Settings // never nil
	Policies() iter.Seq[*Policy]
	Policy(rule.PolicyID) (*Policy, bool)
	IPSets() iter.Seq[*IPSet]
	IPSet(rule.SetID) (*IPSet, bool)
	Tunnels() iter.Seq[Tunnel]
	TunnelPeers() iter.Seq[TunnelPeer]
	Routes() iter.Seq[Route]
	BGP() *BGP // nil: this node takes no part in BGP
}
