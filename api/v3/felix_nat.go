// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "k8s.io/apimachinery/pkg/util/intstr"

// FelixNAT holds how addresses are translated.
type FelixNAT struct {
	// FloatingIPs turns on the translation of ipNATs of workload endpoints.
	FloatingIPs *string `json:"floatingIPs,omitempty" default:"Disabled" enum:"Enabled Disabled"`
	// IPTablesNATOutgoingInterfaceFilter limits natOutgoing to packets that leave by this interface, with a + at the end by all whose names start so,
	// whatever the data plane.
	IPTablesNATOutgoingInterfaceFilter *string `json:"iptablesNATOutgoingInterfaceFilter,omitempty" format:"interface"`
	// NATOutgoingAddress is the IPv4 source address for natOutgoing; absent means the address of the outgoing interface.
	NATOutgoingAddress *string `json:"natOutgoingAddress,omitempty" format:"ip4" maxLen:"45"`
	// NATOutgoingExclusions says which destinations natOutgoing leaves alone.
	NATOutgoingExclusions *string `json:"natOutgoingExclusions,omitempty" default:"IPPoolsOnly" enum:"IPPoolsOnly IPPoolsAndHostIPs"`
	// NATPortRange limits the source ports that natOutgoing gives TCP, UDP and SCTP, as in "32768:65535"; 0 leaves the choice to the kernel.
	NATPortRange *intstr.IntOrString `json:"natPortRange,omitempty" default:"0" format:"portRange"`
}
