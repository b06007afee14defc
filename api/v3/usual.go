// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "k8s.io/apimachinery/pkg/util/intstr"

const maxNodeName, maxLinkName = 253, 15

// usual tells of nearly all endpoints there are that the rules of their struct tags have nothing against them. Endpoints change more often than
// everything else together, and to go through the tags takes several times as long. What it does not know of is for the tags to judge.
func (s *WorkloadEndpointSpec) usual() bool {
	if s.IPNATs != nil || s.IPv4Gateway != "" || s.IPv6Gateway != "" || s.MAC != "" || s.AllowSpoofedSourcePrefixes != nil || s.QoSControls != nil {
		return false
	}
	if len(s.Node) > maxNodeName || len(s.InterfaceName) > maxLinkName || s.InterfaceName != "" && interfaceName(s.InterfaceName) != nil {
		return false
	}
	for _, net := range s.IPNetworks {
		if hostCIDR(net) != nil {
			return false
		}
	}
	for i := range s.Ports {
		if !s.Ports[i].usual() {
			return false
		}
	}
	return true
}

func (p *WorkloadEndpointPort) usual() bool {
	named := p.Name == "" || isPortName(p.Name)
	protocol := p.Protocol.Type == intstr.String && (p.Protocol.StrVal == "TCP" || p.Protocol.StrVal == "UDP")
	return named && protocol && p.Port != 0 && p.HostPort == nil && p.HostIP == ""
}
