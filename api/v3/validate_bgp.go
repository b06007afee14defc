// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func validateNode(s *NodeSpec, r report) {
	if s.BGP == nil {
		return
	}
	wantFamily(s.BGP.IPv4Address, netip.Addr.Is4, "IPv4", r, "ipv4Address")
	wantFamily(s.BGP.IPv6Address, netip.Addr.Is6, "IPv6", r, "ipv6Address")
}

func wantFamily(text string, is func(netip.Addr) bool, family string, r report, field string) {
	if text == "" {
		return
	}
	if p, err := ParseInterfaceCIDR(text); err == nil && !is(p.Addr()) {
		r.at("bgp").at(field).add("%s is no %s address", text, family)
	}
}

// maxRestart is the longest graceful restart time: the field on the wire has 12 bits (RFC 4724, section 3).
const maxRestart = 4095 * time.Second

func validateRestart(d *metav1.Duration, r report) {
	if d != nil && d.Duration > maxRestart {
		r.add("%s is too long; a graceful restart takes at most %s (RFC 4724)", d.Duration, maxRestart)
	}
}

func validateBGPConfiguration(o *BGPConfiguration, r report) {
	s := &o.Spec
	if o.Name != "default" {
		validatePerNode(s, r)
	}
	if s.NodeToNodeMeshEnabled != nil && !*s.NodeToNodeMeshEnabled {
		if s.NodeMeshPassword != nil {
			r.at("nodeMeshPassword").add("has no use while nodeToNodeMeshEnabled is false; remove it")
		}
		if s.NodeMeshMaxRestartTime != nil {
			r.at("nodeMeshMaxRestartTime").add("has no use while nodeToNodeMeshEnabled is false; remove it")
		}
	}
	validateRestart(s.NodeMeshMaxRestartTime, r.at("nodeMeshMaxRestartTime"))
	validateCommunities(s, r)
	validateWorkloadPeering(s, r)
}

// validatePerNode refuses, in an object for one node, what only makes sense for the whole cluster.
func validatePerNode(s *BGPConfigurationSpec, r report) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"nodeToNodeMeshEnabled", s.NodeToNodeMeshEnabled != nil},
		{"asNumber", s.ASNumber != nil},
		{"serviceClusterIPs", s.ServiceClusterIPs != nil},
		{"serviceExternalIPs", s.ServiceExternalIPs != nil},
		{"serviceLoadBalancerIPs", s.ServiceLoadBalancerIPs != nil},
	} {
		if f.set {
			r.at(f.name).add("is for the whole cluster; set it in the BGPConfiguration named default")
		}
	}
}

func validateCommunities(s *BGPConfigurationSpec, r report) {
	if len(s.Communities) > 0 && len(s.PrefixAdvertisements) == 0 {
		r.at("communities").add("are named but not used; use them in prefixAdvertisements, or remove them")
	}
	var known []string
	for _, c := range s.Communities {
		known = append(known, c.Name)
	}
	for i, p := range s.PrefixAdvertisements {
		for j, c := range p.Communities {
			if !slices.Contains(known, c) && community(c) != nil {
				r.at("prefixAdvertisements").item(i).at("communities").item(j).add(
					"%q is neither a name of spec.communities nor a community; write aa:nn, aa:nn:mm or a name%s", c, suggest(c, known))
			}
		}
	}
}

func validateWorkloadPeering(s *BGPConfigurationSpec, r report) {
	if v4 := s.LocalWorkloadPeeringIPV4; v4 == "169.254.0.1" || v4 == "169.254.0.2" {
		r.at("localWorkloadPeeringIPV4").add("%s is in use by the agent; choose another link-local address", v4)
	}
	if v6, err := ParseIP(s.LocalWorkloadPeeringIPV6); err == nil && v6.IsLinkLocalUnicast() {
		r.at("localWorkloadPeeringIPV6").add("%s is link-local; choose another address", v6)
	}
}

func validateBGPPeer(s *BGPPeerSpec, r report) {
	if s.Node != "" && s.NodeSelector != "" {
		r.at("nodeSelector").add("stands beside node; set one of them, or neither for all nodes")
	}
	validatePeer(s, r)
	if s.ReachableBy != "" && s.PeerIP == "" {
		r.at("reachableBy").add("needs peerIP")
	}
	if isTrue(s.KeepOriginalNextHop) && s.NextHopMode != "" && s.NextHopMode != NextHopKeep {
		r.at("keepOriginalNextHop").add("contradicts nextHopMode: %s, which replaces it; remove it", s.NextHopMode)
	}
	validateRestart(s.MaxRestartTime, r.at("maxRestartTime"))
	if s.KeepaliveTime != nil && s.KeepaliveTime.Duration > 0 && s.KeepaliveTime.Duration < time.Second {
		r.at("keepaliveTime").add("%s is too short; write 1s or more", s.KeepaliveTime.Duration)
	}
}

// validatePeer checks the far side: exactly one of peerIP with asNumber, peerSelector, and localWorkloadSelector with asNumber.
func validatePeer(s *BGPPeerSpec, r report) {
	switch {
	case s.PeerIP == "" && s.PeerSelector == "" && s.LocalWorkloadSelector == "":
		r.at("peerIP").add("required: say whom to peer with, by peerIP, peerSelector or localWorkloadSelector")
	case s.PeerIP != "" && s.PeerSelector != "":
		r.at("peerSelector").add("stands beside peerIP; set one of them")
	case s.PeerIP != "" && s.LocalWorkloadSelector != "":
		r.at("localWorkloadSelector").add("stands beside peerIP; set one of them")
	case s.PeerSelector != "" && s.LocalWorkloadSelector != "":
		r.at("localWorkloadSelector").add("stands beside peerSelector; set one of them")
	case s.PeerSelector != "" && s.ASNumber != nil:
		r.at("asNumber").add("must be absent with peerSelector: nodes have their AS number on the Node or in the BGPConfiguration")
	case s.PeerSelector == "" && s.ASNumber == nil:
		r.at("asNumber").add("required: the AS number of the peer")
	}
}
