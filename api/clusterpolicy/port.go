// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// FormPort is one entry of a rule's ports: a range of ports of a protocol, or a name.
type FormPort struct {
	Protocol    corev1.Protocol // empty with Name: any
	First, Last int32
	Name        string
	// Wrong says what keeps the entry from being one or the other, at Field inside of it; empty if nothing does.
	Wrong, Field string
}

// port reads an entry of a ClusterNetworkPolicy.
func (p *ProtocolMatch) port() FormPort {
	out, stated := FormPort{Name: p.DestinationNamedPort}, 0
	if p.DestinationNamedPort != "" {
		stated++
	}
	for _, t := range []struct {
		protocol corev1.Protocol
		field    string
		match    *TransportMatch
	}{{corev1.ProtocolTCP, "tcp", p.TCP}, {corev1.ProtocolUDP, "udp", p.UDP}, {corev1.ProtocolSCTP, "sctp", p.SCTP}} {
		if t.match != nil {
			stated++
			out = t.match.port(t.protocol, t.field)
		}
	}
	return out.only(stated, "", "tcp, udp, sctp or destinationNamedPort")
}

func (t *TransportMatch) port(protocol corev1.Protocol, field string) FormPort {
	p := t.DestinationPort
	if p == nil {
		return FormPort{Field: field, Wrong: "is empty; write a destinationPort"}
	}
	out, stated := FormPort{}, 0
	field += ".destinationPort"
	if p.Number != nil {
		stated++
		out = numbers(protocol, *p.Number, *p.Number, field+".number")
	}
	if p.Range != nil {
		stated++
		out = span(protocol, p.Range.Start, p.Range.End, field+".range")
	}
	return out.only(stated, field, "number or range")
}

// port reads an entry of an AdminNetworkPolicy.
func (p *AdminPort) port() FormPort {
	out, stated := FormPort{}, 0
	if p.PortNumber != nil {
		stated++
		out = numbers(p.PortNumber.Protocol, p.PortNumber.Port, p.PortNumber.Port, "portNumber")
	}
	if p.PortRange != nil {
		stated++
		out = span(p.PortRange.Protocol, p.PortRange.Start, p.PortRange.End, "portRange")
	}
	if p.NamedPort != nil {
		stated++
		out = FormPort{Name: *p.NamedPort}
		if out.Name == "" {
			out.Field, out.Wrong = "namedPort", "is empty; write a name"
		}
	}
	return out.only(stated, "", "portNumber, portRange or namedPort")
}

// only makes a mistake of an entry that states none or several of the fields at a place.
func (p FormPort) only(stated int, field, fields string) FormPort {
	switch {
	case stated == 0:
		p.Field, p.Wrong = field, "is empty; write "+fields
	case stated > 1:
		p.Field, p.Wrong = field, "states several of "+fields+"; write an entry for each"
	}
	return p
}

// span is a range, which has more than one port.
func span(protocol corev1.Protocol, first, last int32, field string) FormPort {
	if first >= last {
		return FormPort{Field: field, Wrong: fmt.Sprintf("end %d is not above start %d", last, first)}
	}
	return numbers(protocol, first, last, field)
}

func numbers(protocol corev1.Protocol, first, last int32, field string) FormPort {
	out := FormPort{Protocol: protocol, First: first, Last: last, Field: field}
	if protocol == "" {
		out.Protocol = corev1.ProtocolTCP
	}
	switch {
	case first < 1:
		out.Wrong = fmt.Sprintf("%d is no port number; ports are 1-65535", first)
	case last > 65535:
		out.Wrong = fmt.Sprintf("%d is no port number; ports are 1-65535", last)
	case out.Protocol != corev1.ProtocolTCP && out.Protocol != corev1.ProtocolUDP && out.Protocol != corev1.ProtocolSCTP:
		out.Field, out.Wrong = field+".protocol", fmt.Sprintf("%q is not TCP, UDP or SCTP", protocol)
	}
	return out
}
