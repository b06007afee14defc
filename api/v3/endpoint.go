// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "k8s.io/apimachinery/pkg/util/intstr"

// WorkloadEndpoint is one network interface of a workload: a pod, a container or a VM. Its name is made of node, orchestrator, workload and
// endpoint, joined by "-", with each "-" inside a part doubled.
type WorkloadEndpoint struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec describes the interface.
	Spec WorkloadEndpointSpec `json:"spec,omitzero"`
}

// WorkloadEndpointSpec describes the interface.
type WorkloadEndpointSpec struct {
	// Orchestrator that runs the workload, as in "k8s" or "cni".
	Orchestrator string `json:"orchestrator,omitempty"`
	// Workload names the workload, for orchestrators other than k8s and cni.
	Workload string `json:"workload,omitempty"`
	// Node that the workload runs on.
	Node string `json:"node,omitempty" maxLen:"253"`
	// ContainerID that the runtime gave, with orchestrator cni part of the name.
	ContainerID string `json:"containerID,omitempty"`
	// Pod names the pod, with orchestrator k8s part of the name.
	Pod string `json:"pod,omitempty"`
	// Endpoint names the interface inside the workload, as in "eth0".
	Endpoint string `json:"endpoint,omitempty"`
	// ServiceAccountName of the pod.
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// IPNetworks lists the addresses as /32 and /128.
	IPNetworks []string `json:"ipNetworks,omitzero" format:"hostCIDR"`
	// IPNATs lists floating addresses. They need floatingIPs: Enabled in FelixConfiguration.
	IPNATs []IPNAT `json:"ipNATs,omitzero"`
	// IPv4Gateway is the workload's IPv4 gateway.
	IPv4Gateway string `json:"ipv4Gateway,omitempty" format:"ip4" later:"the gateway is always 169.254.1.1"`
	// IPv6Gateway is the workload's IPv6 gateway.
	IPv6Gateway string `json:"ipv6Gateway,omitempty" format:"ip6" later:"the gateway is the host end's link-local address"`
	// Profiles are searched in order for inherited labels and last-resort rules.
	Profiles []string `json:"profiles,omitzero"`
	// InterfaceName is the host end of the interface.
	InterfaceName string `json:"interfaceName,omitempty" format:"interface" maxLen:"15"`
	// MAC is the workload end's address.
	MAC string `json:"mac,omitempty" format:"mac" later:"neighbours are resolved, not pinned"`
	// Ports gives names to ports, for rules.
	Ports []WorkloadEndpointPort `json:"ports,omitzero"`
	// AllowSpoofedSourcePrefixes lists source prefixes that the workload may use beside its own addresses.
	AllowSpoofedSourcePrefixes []string `json:"allowSpoofedSourcePrefixes,omitzero" format:"net"`
	// QoSControls limit the workload's traffic.
	QoSControls *QoSControls `json:"qosControls,omitempty" later:"traffic is not limited yet"`
}

// IPNAT is a floating address.
type IPNAT struct {
	// InternalIP is one of the endpoint's addresses.
	InternalIP string `json:"internalIP" format:"ip"`
	// ExternalIP is translated to it. Same family.
	ExternalIP string `json:"externalIP" format:"ip"`
}

// WorkloadEndpointPort is a port with a name, or one that a port of the host leads to, or both.
type WorkloadEndpointPort struct {
	// Name for rules. Required unless hostPort is set.
	Name string `json:"name,omitempty" format:"portName"`
	// Protocol is TCP, UDP or SCTP.
	Protocol intstr.IntOrString `json:"protocol" format:"protocol"`
	// Port number inside the workload.
	Port uint16 `json:"port" min:"1" max:"65535"`
	// HostPort is a port of the workload's host that leads here.
	HostPort *uint16 `json:"hostPort,omitempty"`
	// HostIP is the address of the host whose hostPort leads here; absent means all, 0.0.0.0 or :: all of the family, loopback addresses excepted.
	// 127.0.0.1 is for processes of the host alone; ::1 leads nowhere.
	HostIP string `json:"hostIP,omitempty" format:"ip"`
}

// QoSControls limit a workload's traffic. Ingress is towards the workload.
type QoSControls struct {
	// IngressBandwidth in bits per second.
	IngressBandwidth *int64 `json:"ingressBandwidth,omitempty" min:"0"`
	// EgressBandwidth in bits per second.
	EgressBandwidth *int64 `json:"egressBandwidth,omitempty" min:"0"`
	// IngressBurst in bits.
	IngressBurst *int64 `json:"ingressBurst,omitempty" min:"0"`
	// EgressBurst in bits.
	EgressBurst *int64 `json:"egressBurst,omitempty" min:"0"`
	// IngressPeakrate in bits per second.
	IngressPeakrate *int64 `json:"ingressPeakrate,omitempty" min:"0"`
	// EgressPeakrate in bits per second.
	EgressPeakrate *int64 `json:"egressPeakrate,omitempty" min:"0"`
	// IngressMinburst in bytes.
	IngressMinburst *int64 `json:"ingressMinburst,omitempty" min:"0"`
	// EgressMinburst in bytes.
	EgressMinburst *int64 `json:"egressMinburst,omitempty" min:"0"`
	// IngressPacketRate in packets per second.
	IngressPacketRate *int64 `json:"ingressPacketRate,omitempty" min:"0"`
	// EgressPacketRate in packets per second.
	EgressPacketRate *int64 `json:"egressPacketRate,omitempty" min:"0"`
	// IngressPacketBurst in packets.
	IngressPacketBurst *int64 `json:"ingressPacketBurst,omitempty" min:"0"`
	// EgressPacketBurst in packets.
	EgressPacketBurst *int64 `json:"egressPacketBurst,omitempty" min:"0"`
	// IngressMaxConnections is how many connections to the workload may be open at once.
	IngressMaxConnections *int64 `json:"ingressMaxConnections,omitempty" min:"0"`
	// EgressMaxConnections is how many connections from the workload may be open at once.
	EgressMaxConnections *int64 `json:"egressMaxConnections,omitempty" min:"0"`
	// DSCP marks packets that leave the cluster: 0-63 or a name as in "EF" (RFC 4594).
	DSCP *intstr.IntOrString `json:"dscp,omitempty"`
}

// HostEndpoint makes a host interface a policy target.
type HostEndpoint struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec describes the interface.
	Spec HostEndpointSpec `json:"spec,omitzero"`
}

// HostEndpointSpec describes the interface. At least one of interfaceName and expectedIPs is needed.
type HostEndpointSpec struct {
	// Node that has the interface. Required.
	Node string `json:"node,omitempty" maxLen:"253"`
	// InterfaceName names the interface; * means all interfaces of the node.
	InterfaceName string `json:"interfaceName,omitempty" format:"interface" maxLen:"15"`
	// ExpectedIPs lists the interface's addresses. Without interfaceName they choose it.
	ExpectedIPs []string `json:"expectedIPs,omitzero" format:"ip"`
	// Profiles are searched in order for inherited labels and last-resort rules.
	Profiles []string `json:"profiles,omitzero"`
	// Ports gives names to ports, for rules.
	Ports []HostEndpointPort `json:"ports,omitzero"`
}

// HostEndpointPort is a named port.
type HostEndpointPort struct {
	// Name for rules.
	Name string `json:"name" format:"portName"`
	// Protocol is TCP, UDP or SCTP.
	Protocol intstr.IntOrString `json:"protocol" format:"protocol"`
	// Port number.
	Port uint16 `json:"port" min:"1" max:"65535"`
}
