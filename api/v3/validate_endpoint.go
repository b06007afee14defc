// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

func validateWorkloadEndpoint(o *WorkloadEndpoint, r report) {
	s := &o.Spec
	for _, f := range []struct{ name, value string }{{"orchestrator", s.Orchestrator}, {"node", s.Node}, {"endpoint", s.Endpoint}} {
		if f.value == "" {
			r.at(f.name).add("required")
			return
		}
	}
	var room [128]byte // so that nothing is allocated where the name is right
	if string(appendWorkloadEndpointName(room[:0], s)) != o.Name {
		report{path: "metadata.name", all: r.all}.add("is %q, but node, orchestrator, workload (pod, or containerID) and endpoint make %q", o.Name, WorkloadEndpointName(s))
	}
	for i, port := range s.Ports {
		at := r.at("ports").item(i)
		if port.Name == "" && (port.HostPort == nil || *port.HostPort == 0) {
			at.at("name").add("required, unless hostPort is set")
		}
		portProtocol(port.Protocol, at)
	}
	validateIPNATs(s, r.at("ipNATs"))
	if q := s.QoSControls; q != nil && q.DSCP != nil {
		if err := validateDSCP(*q.DSCP); err != nil {
			r.at("qosControls").at("dscp").add("%v", err)
		}
	}
}

// portProtocol allows only protocols that have ports, of the entry of a list of ports.
func portProtocol(p intstr.IntOrString, r report) {
	if number, err := ProtocolNumber(p); err == nil && !HasPorts(number) {
		r.at("protocol").add("%s has no ports; write TCP, UDP or SCTP", p.String())
	}
}

func validateIPNATs(s *WorkloadEndpointSpec, r report) {
	if len(s.IPNATs) == 0 {
		return
	}
	var own []netip.Prefix
	for _, text := range s.IPNetworks {
		if p, err := ParseCIDR(text); err == nil {
			own = append(own, p)
		}
	}
	for i, nat := range s.IPNATs {
		inside, errIn := ParseIP(nat.InternalIP)
		outside, errOut := ParseIP(nat.ExternalIP)
		switch {
		case errIn != nil || errOut != nil: // the checks of the fields have said so
		case inside.BitLen() != outside.BitLen():
			r.item(i).at("externalIP").add("%s and internalIP %s are of different families", outside, inside)
		case !slices.Contains(own, netip.PrefixFrom(inside, inside.BitLen())):
			r.item(i).at("internalIP").add("%s is not in ipNetworks", inside)
		}
	}
}

// dscpNames are the names of differentiated services code points (RFC 2474, RFC 2597, RFC 3246, RFC 5865).
var dscpNames = strings.Fields("DF CS0 CS1 CS2 CS3 CS4 CS5 CS6 CS7 AF11 AF12 AF13 AF21 AF22 AF23 AF31 AF32 AF33 AF41 AF42 AF43 EF VA")

func validateDSCP(v intstr.IntOrString) error {
	if n, err := strconv.ParseUint(v.String(), 10, 8); err == nil && n <= 63 || contains(dscpNames, v.String(), true) {
		return nil
	}
	return fmt.Errorf("%q is no DSCP; write 0 to 63, or a name as in EF or AF21", v.String())
}

func validateHostEndpoint(s *HostEndpointSpec, r report) {
	if s.Node == "" {
		r.at("node").add("required: the node that has the interface")
	}
	if s.InterfaceName == "" && len(s.ExpectedIPs) == 0 {
		r.at("interfaceName").add("required, unless expectedIPs names the interface by its addresses; * means all interfaces")
	}
	for i, port := range s.Ports {
		portProtocol(port.Protocol, r.at("ports").item(i))
	}
}
