// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package rule is the neutral policy model: Compile turns user-facing policies (Calico and Kubernetes) into tiers, policies and rules
// that name IP sets and carry a stable RuleID.
//
// Everything below the calculation speaks this model; nothing here knows a kernel.
package rule

import (
	"net/netip"

	"github.com/weftnet/weft/policy/selector"
)

// Direction is a packet's direction as seen from the endpoint.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota // towards the endpoint
	Egress                   // from the endpoint
)

// Action is what a rule or the end of a tier does.
type Action uint8

// The actions. NoMatch is only a result: nothing decided.
const (
	NoMatch Action = iota
	Allow
	Deny
	Pass
	Log
)

// PolicyKind tells where a policy came from.
type PolicyKind uint8

// The kinds.
const (
	KindNetworkPolicy PolicyKind = iota
	KindGlobalNetworkPolicy
	KindKubeNetworkPolicy
	KindProfile
	KindClusterNetworkPolicy
	KindAdminNetworkPolicy
	KindBaselineAdminNetworkPolicy
	KindStagedNetworkPolicy
	KindStagedGlobalNetworkPolicy
	KindStagedKubernetesNetworkPolicy
)

// Staged tells whether policies of the kind are only evaluated for a preview and never enforced.
func (k PolicyKind) Staged() bool { return k >= KindStagedNetworkPolicy }

// PolicyID identifies a policy or profile. Namespace is empty for global policies and profiles.
type PolicyID struct {
	Kind      PolicyKind
	Namespace string
	Name      string
}

// ID is a rule's stable identity ("RuleID"): 16 hex digits hashed from the policy's identity, the direction and the rule's content.
// It travels into kernel rules, counters, flow records, traces and the UI.
type ID string

// SetID names an IP set: a hash of what its members are selected by.
type SetID string

// SetKind is what an IP set's members look like.
type SetKind uint8

// The set kinds.
const (
	SetNet  SetKind = iota // addresses and CIDRs
	SetPort                // address, protocol and port, from named ports or the endpoints of a service
)

// Set is a reference to an IP set by what selects its members: a selector, of endpoints and network sets or of nodes, or a service.
type Set struct {
	ID       SetID
	Kind     SetKind
	Selector *selector.Selector // over endpoint and network set labels, namespace restriction included; nil with Service
	Nodes    bool               // SetNet with Selector: it is over the labels of nodes instead, whose addresses are the members
	Port     string             // SetPort with Selector: the port's name
	Protocol uint8              // SetPort with Selector: IP protocol number
	Service  Service            // its endpoints, and for SetPort their ports; zero with Selector
}

// Service names a Kubernetes Service.
type Service struct{ Namespace, Name string }

// PortRange is inclusive; a single port has Min == Max.
type PortRange struct{ Min, Max uint16 }

// ICMP matches an ICMP type and, when HasCode, a code.
type ICMP struct {
	Type    uint8
	HasCode bool
	Code    uint8
}

// Side matches one end of a flow. All stated fields must match; entries of one list are alternatives. Lists are sorted and
// without repetition; Ports do not overlap. Ports of any kind come only with Match.Protocol TCP, UDP or SCTP, but for the
// ports of a service, which come alone and with any protocol, or none: the set's members carry theirs. Prefixes have no host bits, and are all of Match.IPVersion if that is set; if not, each list with one has both versions.
type Side struct {
	Nets, NotNets   []netip.Prefix
	Sets            []Set // every one must contain the address (selector AND service account)
	NotSets         []Set // none may contain it
	Ports, NotPorts []PortRange
	// PortSets hold named ports: an alternative to Ports (address, protocol and port match together).
	PortSets, NotPortSets []Set
}

// Match is what a rule matches. Zero values match everything.
type Match struct {
	IPVersion   uint8 // 0, 4 or 6
	Protocol    uint8 // 0 any
	NotProtocol uint8 // 0 none
	// ICMP and NotICMP come only with Protocol 1 (IPv4) or 58 (IPv6), and then IPVersion is set.
	ICMP     *ICMP
	NotICMP  *ICMP
	Src, Dst Side
}

// Rule is one compiled rule.
type Rule struct {
	ID     ID
	Action Action
	Match  Match
	// Index is the position in the user's list, for traces.
	Index int
	// Name is what the user calls the rule: the annotation "name" of its metadata, or the name that rules of some Kubernetes policies have.
	// Empty if it has none.
	Name string
	// Text is a one-line rendering for traces and kernel comments; it starts with the name if there is one.
	Text string
}

// Policy is one compiled policy or profile.
type Policy struct {
	ID       PolicyID
	Tier     string // empty for profiles
	Order    *float64
	Selector *selector.Selector // which endpoints, namespace restriction included; nil for profiles
	Types    [2]bool            // indexed by Direction
	Rules    [2][]Rule          // indexed by Direction
	// DoNotTrack, PreDNAT and ApplyOnForward say where in front of host endpoints the policy applies, see [Policy.HostOnly].
	DoNotTrack, PreDNAT, ApplyOnForward bool
	// Everywhere: to be kept ready on nodes without an endpoint for it, too.
	Everywhere bool
	// Replaces: put in force, this staged policy would take the place of the enforced one of its kind and name, if there is one. One that
	// governs no direction would just remove it.
	Replaces bool
}

// HostOnly tells whether the policy applies in front of host endpoints only, whatever its selector selects.
func (p *Policy) HostOnly() bool { return p.DoNotTrack || p.PreDNAT }

// Tier is an ordered group of policies.
type Tier struct {
	Name          string
	Order         *float64
	DefaultAction Action // Deny or Pass
}
