// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// AnyInterface as a host endpoint's Interface stands for every link of the host that has no host endpoint of its own.
const AnyInterface = "*"

// HostEndpoint is policy in front of an interface of the host itself. A list of tiers is empty where no policy of that sort applies.
// policy/eval.Node.Pass says which sort is asked when.
type HostEndpoint struct {
	// ID has no namespace. Its name is the object's; where one object stands for several interfaces, further ones are "name/interface".
	ID        EndpointID
	Interface string // link name, or AnyInterface
	// Untracked (doNotTrack) judges before connection tracking, in both directions. An Allow is final for this host endpoint and direction; what
	// no rule decides goes on, whatever the tiers' default actions. With AnyInterface it takes no part.
	Untracked [2][]TierPolicies
	// PreDNAT judges what arrives before destination NAT, and ends like Untracked.
	PreDNAT []TierPolicies
	// Normal judges traffic of the host's own processes; after it come the profiles, and no match there drops.
	Normal [2][]TierPolicies
	// Forward (applyOnForward) judges what the host forwards: where it is empty, or passed to its end, all passes; profiles take no part.
	Forward [2][]TierPolicies
	// Profiles end Normal.
	Profiles []rule.PolicyID
	// Revision is that of the input the endpoint was computed from; status reports it back.
	Revision uint64
}

// Equal tells whether two host endpoints are the same in every field.
func (e *HostEndpoint) Equal(other *HostEndpoint) bool { return reflect.DeepEqual(e, other) }

// Failsafe is a port of the host that host endpoint policy never closes.
type Failsafe struct {
	Protocol uint8        // IP protocol number: TCP, UDP or SCTP
	Port     uint16       // destination port
	Net      netip.Prefix // of the other side; the zero value is any
}

// HostAction is what happens to packets from a workload to its own host once its egress policy allows them.
type HostAction uint8

// The actions (FelixConfiguration.spec.defaultEndpointToHostAction).
const (
	HostDrop HostAction = iota
	HostAccept
	HostReturn // goes on with the rules of others
)

// String returns "Drop", "Accept" or "Return".
func (a HostAction) String() string { return [...]string{"Drop", "Accept", "Return"}[a] }

// String returns "TCP 22", or "TCP 22 of 10.0.0.0/8" with a net.
func (f Failsafe) String() string {
	text := v3.ProtocolName(f.Protocol) + " " + strconv.Itoa(int(f.Port))
	if f.Net.IsValid() {
		text += " of " + f.Net.String()
	}
	return text
}

// Settings is how policy meets this node (FelixConfiguration).
type Settings struct {
	// Failsafe ports by rule.Direction, sorted.
	Failsafe [2][]Failsafe
	// EndpointToHost is for workloads talking to their own host.
	EndpointToHost HostAction
	// Reject answers denied packets (nftablesFilterDenyAction, iptablesFilterDenyAction: Reject) in place of dropping them silently.
	Reject bool
	// KeepConnections leaves established connections alone that a changed policy denies (existingConnections: Keep).
	KeepConnections bool
	// AllowInvalid lets packets of no valid connection state meet policy in place of being dropped (disableConntrackInvalidCheck).
	AllowInvalid bool
	// Tunnels is what happens to packets of tunnels.
	Tunnels TunnelRules
	// ClampMSS lowers the TCP segment size of new forwarded connections to what the routes have room for, so that they do not depend on ICMP.
	ClampMSS bool
	// SourceNAT is which packets of workloads leave with an address of the node.
	SourceNAT SourceNAT
	// Driver is the wanted packet filter (nftablesMode, iptablesBackend): "" picks one, else "nftables", "iptables" of either kind,
	// "iptables-nft" or "iptables-legacy".
	Driver string
}

// Sets are the IP sets that the settings refer to.
func (s *Settings) Sets() []rule.SetID { return slices.Concat(s.Tunnels.Sets(), s.SourceNAT.Sets()) }

// Equal tells whether two settings are the same in every field.
func (s *Settings) Equal(other *Settings) bool { return reflect.DeepEqual(s, other) }

// DefaultSettings returns what holds without any FelixConfiguration.
func DefaultSettings() *Settings {
	const tcp, udp = 6, 17
	s := &Settings{Tunnels: TunnelRules{VXLANPort: 4789}}
	add := func(dir rule.Direction, protocol uint8, ports ...uint16) {
		for _, port := range ports {
			s.Failsafe[dir] = append(s.Failsafe[dir], Failsafe{Protocol: protocol, Port: port})
		}
	}
	add(rule.Ingress, tcp, 22, 179, 2379, 2380, 5473, 6443, 6666, 6667)
	add(rule.Ingress, udp, 68)
	add(rule.Egress, tcp, 179, 2379, 2380, 5473, 6443, 6666, 6667)
	add(rule.Egress, udp, 53, 67)
	return s
}
