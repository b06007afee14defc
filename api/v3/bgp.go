// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultASNumber is the cluster's AS number when none is configured (from the private range of RFC 6996).
const DefaultASNumber = 64512

// BGPConfiguration is named "default" for the cluster, or "node.<name>" for what differs on one node.
type BGPConfiguration struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the configuration.
	Spec BGPConfigurationSpec `json:"spec,omitzero"`
}

// BGPConfigurationSpec are the BGP settings of all nodes. What an object named "node.<name>" states wins on that node; it must not state
// nodeToNodeMeshEnabled, asNumber or the service ranges, which are for the whole cluster.
type BGPConfigurationSpec struct {
	// LogSeverityScreen is the least severity that is logged, in any case.
	LogSeverityScreen string `json:"logSeverityScreen,omitempty" default:"Info" enum:"Trace Debug Info Warning Error Fatal" format:"anyCase" later:"the agent's own log level holds"`
	// NodeToNodeMeshEnabled peers every node with every other.
	NodeToNodeMeshEnabled *bool `json:"nodeToNodeMeshEnabled,omitempty" default:"true"`
	// ASNumber is the AS number of the cluster.
	ASNumber *ASNumber `json:"asNumber,omitempty" default:"64512" format:"as"`
	// ListenPort is the TCP port of BGP.
	ListenPort *int `json:"listenPort,omitempty" default:"179" min:"1" max:"65535"`
	// BindMode NodeIP listens only on the node's address.
	BindMode string `json:"bindMode,omitempty" default:"None" enum:"None NodeIP"`
	// ServiceClusterIPs lists the ranges of cluster IPs to advertise.
	ServiceClusterIPs []CIDRBlock `json:"serviceClusterIPs,omitzero"`
	// ServiceExternalIPs lists the ranges of external IPs to advertise.
	ServiceExternalIPs []CIDRBlock `json:"serviceExternalIPs,omitzero"`
	// ServiceLoadBalancerIPs lists the ranges of load balancer IPs to advertise.
	ServiceLoadBalancerIPs []CIDRBlock `json:"serviceLoadBalancerIPs,omitzero"`
	// ServiceLoadBalancerAggregation Disabled advertises single load balancer addresses rather than whole ranges.
	ServiceLoadBalancerAggregation string `json:"serviceLoadBalancerAggregation,omitempty" default:"Enabled" enum:"Enabled Disabled"`
	// Communities gives names to BGP communities, for prefixAdvertisements.
	Communities []Community `json:"communities,omitzero" maxItems:"500" later:"communities are not sent yet"`
	// PrefixAdvertisements attaches communities to routes.
	PrefixAdvertisements []PrefixAdvertisement `json:"prefixAdvertisements,omitzero" maxItems:"500" later:"communities are not sent yet"`
	// NodeMeshPassword protects the sessions of the node mesh.
	NodeMeshPassword *BGPPassword `json:"nodeMeshPassword,omitempty" later:"sessions have no passwords yet"`
	// NodeMeshMaxRestartTime is the graceful restart time (RFC 4724) of the node mesh.
	NodeMeshMaxRestartTime *metav1.Duration `json:"nodeMeshMaxRestartTime,omitempty" default:"2m"`
	// IgnoredInterfaces lists interfaces, with * as wildcard, whose subnets are not advertised.
	IgnoredInterfaces []string `json:"ignoredInterfaces,omitzero" later:"no interface subnets are advertised at all"`
	// LocalWorkloadPeeringIPV4 is the address that local workloads peer with. A link-local address is best, but not 169.254.0.1 or
	// 169.254.0.2.
	LocalWorkloadPeeringIPV4 string `json:"localWorkloadPeeringIPV4,omitempty" format:"ip4" later:"nodes do not peer with workloads yet"`
	// LocalWorkloadPeeringIPV6 is the IPv6 counterpart; it must not be link-local.
	LocalWorkloadPeeringIPV6 string `json:"localWorkloadPeeringIPV6,omitempty" format:"ip6" later:"nodes do not peer with workloads yet"`
	// IPv4NormalRoutePriority is the kernel metric of IPv4 routes learned by BGP.
	IPv4NormalRoutePriority *int `json:"ipv4NormalRoutePriority,omitempty" default:"1024" min:"1" max:"2147483646" later:"routes have the built-in metric"`
	// IPv6NormalRoutePriority is the IPv6 counterpart.
	IPv6NormalRoutePriority *int `json:"ipv6NormalRoutePriority,omitempty" default:"1024" min:"1" max:"2147483646" later:"routes have the built-in metric"`
	// ProgramClusterRoutes says which routes between nodes BGP makes rather than the agent.
	ProgramClusterRoutes string `json:"programClusterRoutes,omitempty" default:"Enabled" enum:"Enabled Disabled EnabledIPIPOnly EnabledNoEncapOnly" later:"BGP makes all routes between nodes"`
}

// CIDRBlock wraps one CIDR.
type CIDRBlock struct {
	// CIDR is the range.
	CIDR string `json:"cidr" format:"net"`
}

// Community gives a BGP community a name.
type Community struct {
	// Name to use in prefixAdvertisements.
	Name string `json:"name,omitempty" maxLen:"253"`
	// Value is aa:nn (RFC 1997), or aa:nn:mm for a large community (RFC 8092).
	Value string `json:"value,omitempty" format:"community" maxLen:"40"`
}

// PrefixAdvertisement attaches communities to a prefix.
type PrefixAdvertisement struct {
	// CIDR of the routes.
	CIDR string `json:"cidr,omitempty" format:"net"`
	// Communities lists names from communities, or values.
	Communities []string `json:"communities,omitzero" maxItems:"50"`
}

// BGPPassword refers to a TCP MD5 password (RFC 2385) in a Secret.
type BGPPassword struct {
	// SecretKeyRef names the Secret, in weft's own namespace, and the key in it. The password has at most 80 characters.
	SecretKeyRef *corev1.SecretKeySelector `json:"secretKeyRef,omitempty"`
}
