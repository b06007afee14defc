// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package probe sends real packets between network namespaces and says which arrived: Open sockets at the Endpoints, Run flows, Close.
//
// A flow counts as allowed only when its receiver saw the packet and the answer came back; as denied only when nothing arrived although
// receiver and sender were shown to work a moment before (each endpoint first probes itself). All flows run at once, from one process.
//
// The kernel need not support SCTP: INIT and INIT-ACK packets (RFC 9260) go through raw sockets.
package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftnet/weft/sys/netns"
)

// Protocol is what a probe travels by.
type Protocol string

// The protocols.
const (
	ICMP Protocol = "icmp" // echo request and reply, ICMPv6 for IPv6
	TCP  Protocol = "tcp"  // handshake and one exchange
	UDP  Protocol = "udp"  // a datagram and its echo
	SCTP Protocol = "sctp" // INIT and INIT-ACK
)

// Service is a protocol and, except for ICMP, a port.
type Service struct {
	Protocol Protocol
	Port     uint16
}

// AllServices probes every protocol, on ports that nothing else uses in a lab.
var AllServices = []Service{{Protocol: ICMP}, {TCP, 5432}, {UDP, 5432}, {SCTP, 5432}}

// ParseService reads "icmp", "tcp:5432".
func ParseService(s string) (Service, error) {
	name, port, hasPort := strings.Cut(strings.ToLower(s), ":")
	svc := Service{Protocol: Protocol(name)}
	if !slices.Contains([]Protocol{ICMP, TCP, UDP, SCTP}, svc.Protocol) {
		return Service{}, fmt.Errorf("service %q: %q is none of icmp, tcp, udp, sctp", s, name)
	}
	if (svc.Protocol == ICMP) == hasPort {
		return Service{}, fmt.Errorf("service %q: want icmp, or a protocol with its port such as tcp:80", s)
	}
	if !hasPort {
		return svc, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Service{}, fmt.Errorf("service %q: port %q is not in 1 to 65535", s, port)
	}
	svc.Port = uint16(n)
	return svc, nil
}

// String is the inverse of ParseService.
func (s Service) String() string {
	if s.Protocol == ICMP {
		return string(s.Protocol)
	}
	return fmt.Sprintf("%s:%d", s.Protocol, s.Port)
}

// MarshalText makes a service a string in JSON.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Service) UnmarshalText(text []byte) (err error) {
	*s, err = ParseService(string(text))
	return err
}

// Endpoint is where flows start and end.
type Endpoint struct {
	Name string
	// NS is the open namespace. It must stay open until the Prober is closed.
	NS *netns.NS
	// Addrs are the addresses to use, at most one of each family.
	Addrs []netip.Addr
}

// Flow is one thing to try.
type Flow struct {
	Src     string     `json:"src"`
	Dst     string     `json:"dst"`
	SrcAddr netip.Addr `json:"srcAddr"`
	DstAddr netip.Addr `json:"dstAddr"`
	Service Service    `json:"service"`
}

// String renders a flow for people.
func (f Flow) String() string {
	return fmt.Sprintf("%s (%s) to %s (%s) %s", f.Src, f.SrcAddr, f.Dst, f.DstAddr, f.Service)
}

// Result is what became of a flow.
type Result struct {
	Flow
	// Seen: the packet arrived at the destination. For TCP: the handshake was completed and data arrived.
	Seen bool `json:"seen"`
	// Answered: the destination's answer arrived at the source.
	Answered bool `json:"answered"`
	// RTT is the time from sending to the answer; 0 when there was none.
	RTT time.Duration `json:"rtt"`
	// Error tells why nothing could be sent, or what came back in place of the answer ("connection refused").
	Error string `json:"error,omitempty"`
}

// Verdict is the outcome of a flow in one word.
type Verdict string

// The verdicts. Half is one-way: the packet arrived and the answer did not.
const (
	Unknown Verdict = ""
	Allowed Verdict = "allowed"
	Denied  Verdict = "denied"
	Half    Verdict = "half"
)

// Verdict sums up a result.
func (r Result) Verdict() Verdict {
	switch {
	case r.Seen && r.Answered:
		return Allowed
	case r.Seen || r.Answered:
		return Half
	}
	return Denied
}

// Judge says what should become of a flow, and why. Unknown means that nobody can say.
type Judge func(Flow) (expected Verdict, why string)

// Pairs returns the flows of services from every source to every destination other than itself, in all families that both have.
func Pairs(sources, destinations []Endpoint, services []Service) []Flow {
	var flows []Flow
	for _, src := range sources {
		for _, dst := range destinations {
			if src.Name != dst.Name {
				flows = append(flows, Between(src, dst, services)...)
			}
		}
	}
	return flows
}

// Between returns the flows of services from src to dst, in all families that both have.
func Between(src, dst Endpoint, services []Service) []Flow {
	var flows []Flow
	for _, s := range src.Addrs {
		for _, d := range dst.Addrs {
			if s.Is4() != d.Is4() {
				continue
			}
			for _, svc := range services {
				flows = append(flows, Flow{Src: src.Name, Dst: dst.Name, SrcAddr: s, DstAddr: d, Service: svc})
			}
		}
	}
	return flows
}
