// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package why explains what policy does with a flow: Ask a cluster about a source, a destination and a service, then print the Answer.
//
// It only words what package cluster has found out.
package why

import (
	"fmt"
	"net/netip"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// sourcePort stands for the port that a client's system picks (RFC 6335, dynamic ports).
const sourcePort = 49152

// Ask explains a flow from src to dst, named as in [cluster.Cluster.Find].
func Ask(c *cluster.Cluster, src, dst string, s Service) (*Answer, error) {
	q := question{cluster: c}
	var err error
	if q.src, err = c.Find(src); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if q.dst, err = c.Find(dst); err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	if q.packet.Src, q.packet.Dst, err = addresses(q.src, q.dst, s.Protocol); err != nil {
		return nil, err
	}
	q.translate() // a floating IP, whatever the port
	if err = q.settle(s); err != nil {
		return nil, err
	}
	q.translate()
	return q.answer(), nil
}

// question is a flow of which everything is known but the verdict.
type question struct {
	cluster  *cluster.Cluster
	src, dst *cluster.End
	packet   eval.Packet
	portName string
	anyPort  bool // no port was stated
	// via is how packets come to dst, nil if they are sent there; asked is the end that they are sent to then.
	via   *cluster.Translation
	asked *cluster.End

	byAddress bool        // changes name the other end by its address
	met       eval.Packet // where changes are sought: with the addresses that it has there
}

// addresses picks the addresses of the flow, both of one family, IPv4 if there is a choice.
func addresses(src, dst *cluster.End, protocol uint8) (from, to netip.Addr, err error) {
	for _, end := range []*cluster.End{src, dst} {
		if len(end.Addrs) == 0 {
			return from, to, fmt.Errorf("%s has no address, so that no packet comes from it or goes to it", end.Name)
		}
	}
	for _, from := range src.Addrs {
		for _, to := range dst.Addrs {
			if from.Is4() == to.Is4() && (protocol != protoICMPv6 || to.Is6()) {
				return from, to, nil
			}
		}
	}
	if protocol == protoICMPv6 {
		return from, to, fmt.Errorf("ICMPv6 needs IPv6 addresses; %s and %s do not both have one", src.Name, dst.Name)
	}
	return from, to, fmt.Errorf("%s and %s have no IP version in common: %s has %s, %s has %s", src.Name, dst.Name,
		src.Name, version(src.Addrs[0]), dst.Name, version(dst.Addrs[0]))
}

func version(addr netip.Addr) string {
	if addr.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// settle fills in what the service says, and what it leaves to defaults.
func (q *question) settle(s Service) error {
	p := &q.packet
	p.Protocol = s.Protocol
	switch {
	case s.Protocol == protoICMP || s.Protocol == protoICMPv6:
		return q.settleICMP(s)
	case s.PortName != "":
		q.portName = s.PortName
		return q.settleNamed(s)
	case s.Protocol == 0:
		p.Protocol = protoTCP
	}
	if v3.HasPorts(p.Protocol) {
		p.SrcPort, p.DstPort = sourcePort, s.Port
		q.anyPort = s.Port == 0
	}
	return nil
}

func (q *question) settleICMP(s Service) error {
	p := &q.packet
	p.ICMPType = 8
	if p.Dst.Is6() {
		p.Protocol, p.ICMPType = protoICMPv6, 128
	}
	if s.Type != nil {
		p.ICMPType = *s.Type
	}
	if s.Code != nil {
		p.ICMPCode = *s.Code
	}
	return nil
}

// settleNamed looks up a port that the destination declares.
func (q *question) settleNamed(s Service) error {
	if q.dst.Workload == nil {
		return fmt.Errorf("%s declares no ports; write a number in place of %q", q.dst.Name, s.PortName)
	}
	var declared []string
	for _, p := range q.dst.Workload.Spec.Ports {
		number, err := v3.ProtocolNumber(p.Protocol)
		if err != nil {
			return err
		}
		if p.Name == s.PortName && (s.Protocol == 0 || s.Protocol == number) {
			q.packet.Protocol, q.packet.SrcPort, q.packet.DstPort = number, sourcePort, p.Port
			return nil
		}
		if p.Name != "" {
			declared = append(declared, fmt.Sprintf("%s (%s %d)", p.Name, v3.ProtocolName(number), p.Port))
		}
	}
	if len(declared) == 0 {
		return fmt.Errorf("%s declares no port with a name; write a number in place of %q", q.dst.Name, s.PortName)
	}
	return fmt.Errorf("%s declares no port %q; it has %s", q.dst.Name, s.PortName, strings.Join(declared, ", "))
}

// judge takes packets as they are after a translation.
func (q *question) judge(p eval.Packet) cluster.Judgement {
	if q.via != nil {
		p = q.via.Undo(p)
	}
	return q.cluster.Judge(q.src, q.target(), p)
}

// target is the end that packets are sent to.
func (q *question) target() *cluster.End {
	if q.via != nil {
		return q.asked
	}
	return q.dst
}

// translate makes the question one about the workload that the destination leads to by translation, if it does.
func (q *question) translate() {
	if t := q.cluster.Translation(q.dst, q.packet); t != nil {
		q.via, q.asked = t, q.dst
		q.dst, q.packet = t.End, t.Apply(q.packet)
	}
}

// end is the end that policy of a direction protects.
func (q *question) end(dir rule.Direction) *cluster.End {
	if dir == rule.Egress {
		return q.src
	}
	return q.dst
}
