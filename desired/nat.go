// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"fmt"
	"net/netip"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
)

// The IP sets of source translation: whose packets get an address of the node, and the destinations that see the workload's own.
const (
	NATSources rule.SetID = "natsources"
	NATInside  rule.SetID = "natinside"
)

// SourceNAT gives what workloads send out of the IP pools an address of the node (IPPool.spec.natOutgoing). The zero value translates nothing.
type SourceNAT struct {
	// Sources and Inside are NATSources and NATInside where an IP pool asks for translation; else empty.
	Sources, Inside rule.SetID
	// Address is the IPv4 address that packets get; zero: one of the interface that they leave by, as always with IPv6.
	Address netip.Addr
	// MinPort and MaxPort limit the source ports of TCP, UDP and SCTP; 0: the kernel chooses.
	MinPort, MaxPort uint16
	// Interface is that of the packets in question, by which they leave; with a + at the end all whose names start so; empty: any.
	Interface string
}

// Sets are the IP sets that the translation refers to.
func (n SourceNAT) Sets() []rule.SetID {
	if n.Sources == "" {
		return nil
	}
	return []rule.SetID{n.Sources, n.Inside}
}

// FloatingIP is an address from elsewhere that leads to a workload. Both are of one family.
type FloatingIP struct {
	External netip.Addr
	Internal netip.Addr // one of the workload's
}

// Translated tells whether addresses lead to the endpoint by translation.
func (e *Endpoint) Translated() bool { return len(e.FloatingIPs)+len(e.HostPorts) > 0 }

// String returns "192.0.2.10 to 10.65.0.1".
func (f FloatingIP) String() string { return f.External.String() + " to " + f.Internal.String() }

// HostPort is a port of this host that leads to a port of a workload.
type HostPort struct {
	Protocol uint8      // IP protocol number: TCP, UDP or SCTP
	Host     netip.Addr // of the family of To; one of 127.0.0.0/8 is for processes of this host alone; zero: any of this host's but loopback
	Port     uint16     // of the host
	To       netip.AddrPort
}

// Compare orders host ports by all their fields.
func (p HostPort) Compare(other HostPort) int {
	return cmp.Or(cmp.Compare(p.Protocol, other.Protocol), p.Host.Compare(other.Host), cmp.Compare(p.Port, other.Port), p.To.Compare(other.To))
}

// String returns "TCP 8080 to 10.65.0.1:80", or "TCP 192.0.2.1:8080 to 10.65.0.1:80".
func (p HostPort) String() string {
	if p.Host.IsValid() {
		return fmt.Sprintf("%s %s to %s", v3.ProtocolName(p.Protocol), netip.AddrPortFrom(p.Host, p.Port), p.To)
	}
	return fmt.Sprintf("%s %d to %s", v3.ProtocolName(p.Protocol), p.Port, p.To)
}
