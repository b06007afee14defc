// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// AgentInstanceAnnotation on a Node names the installation of weft's agent that owns the node name.
const AgentInstanceAnnotation = "weft.net/agent-instance"

// Node is what weft knows of one host.
type Node struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the node's place in the network.
	Spec NodeSpec `json:"spec,omitzero"`
	// Status is what the node reports.
	Status *NodeStatus `json:"status,omitempty"`
}

// NodeSpec is the node's place in the network.
type NodeSpec struct {
	// BGP is absent when the node takes no part in BGP.
	BGP *NodeBGPSpec `json:"bgp,omitempty"`
	// IPv4VXLANTunnelAddr is the address of the IPv4 VXLAN device.
	IPv4VXLANTunnelAddr string `json:"ipv4VXLANTunnelAddr,omitempty" format:"ip4"`
	// IPv6VXLANTunnelAddr is the address of the IPv6 VXLAN device.
	IPv6VXLANTunnelAddr string `json:"ipv6VXLANTunnelAddr,omitempty" format:"ip6"`
	// VXLANTunnelMACAddr is the MAC address of the IPv4 VXLAN device.
	VXLANTunnelMACAddr string `json:"vxlanTunnelMACAddr,omitempty" format:"mac"`
	// VXLANTunnelMACAddrV6 is the MAC address of the IPv6 VXLAN device.
	VXLANTunnelMACAddrV6 string `json:"vxlanTunnelMACAddrV6,omitempty" format:"mac"`
	// OrchRefs tells what orchestrators call the node. For information.
	OrchRefs []OrchRef `json:"orchRefs,omitzero"`
	// Wireguard holds the addresses of the encryption devices.
	Wireguard *NodeWireguard `json:"wireguard,omitempty"`
	// Addresses lists all addresses of the node. For information.
	Addresses []NodeAddress `json:"addresses,omitzero"`
}

// NodeBGPSpec is the node's BGP identity.
type NodeBGPSpec struct {
	// ASNumber is the AS number of the node.
	ASNumber *ASNumber `json:"asNumber,omitempty" defaultText:"asNumber of the BGPConfiguration" format:"as"`
	// IPv4Address is the node's address with its subnet, as in 192.0.2.7/24. The subnet decides what "CrossSubnet" means.
	IPv4Address string `json:"ipv4Address,omitempty" format:"ipSubnet"`
	// IPv6Address is the IPv6 counterpart.
	IPv6Address string `json:"ipv6Address,omitempty" format:"ipSubnet"`
	// IPv4IPIPTunnelAddr is the address of the IP-in-IP device.
	IPv4IPIPTunnelAddr string `json:"ipv4IPIPTunnelAddr,omitempty" format:"ip4"`
	// RouteReflectorClusterID, a dotted quad, makes the node a route reflector (RFC 4456).
	RouteReflectorClusterID string `json:"routeReflectorClusterID,omitempty" format:"clusterID"`
}

// OrchRef is what an orchestrator calls the node.
type OrchRef struct {
	// NodeName in the orchestrator.
	NodeName string `json:"nodeName,omitempty"`
	// Orchestrator, as in "k8s".
	Orchestrator string `json:"orchestrator"`
}

// NodeWireguard holds the node's WireGuard interface addresses.
type NodeWireguard struct {
	// InterfaceIPv4Address is the address of the IPv4 device.
	InterfaceIPv4Address string `json:"interfaceIPv4Address,omitempty" format:"ip4"`
	// InterfaceIPv6Address is the address of the IPv6 device.
	InterfaceIPv6Address string `json:"interfaceIPv6Address,omitempty" format:"ip6"`
}

// NodeAddress is one address of the node.
type NodeAddress struct {
	// Address, with its subnet or without.
	Address string `json:"address" format:"ipSubnet"`
	// Type says where the address is known from.
	Type string `json:"type,omitempty" enum:"CalicoNodeIP InternalIP ExternalIP"`
}

// NodeStatus is reported by the node.
type NodeStatus struct {
	// WireguardPublicKey of the IPv4 device, in base64.
	WireguardPublicKey string `json:"wireguardPublicKey,omitempty" format:"wgKey"`
	// WireguardPublicKeyV6 of the IPv6 device, in base64.
	WireguardPublicKeyV6 string `json:"wireguardPublicKeyV6,omitempty" format:"wgKey"`
	// PodCIDRs that Kubernetes gave the node.
	PodCIDRs []string `json:"podCIDRs,omitzero" format:"net"`
}
