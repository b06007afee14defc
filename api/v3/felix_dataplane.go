// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FelixDataplane holds what all data planes have in common.
type FelixDataplane struct {
	// CgroupV2Path is where cgroup2 is mounted, if not in the usual place.
	CgroupV2Path *string `json:"cgroupV2Path,omitempty"`
	// ChainInsertMode says whether our jumps go to the top of the kernel's chains or to their end.
	ChainInsertMode *string `json:"chainInsertMode,omitempty" default:"Insert" format:"anyCase" enum:"Insert Append"`
	// DataplaneDriver is the program that drives an external data plane.
	DataplaneDriver *string `json:"dataplaneDriver,omitempty" default:"calico-iptables-plugin"`
	// DataplaneWatchdogTimeout is how long the data plane may be silent before the agent counts as dead. Deprecated: use healthTimeoutOverrides.
	DataplaneWatchdogTimeout *metav1.Duration `json:"dataplaneWatchdogTimeout,omitempty" default:"1m30s"`
	// DeviceRouteProtocol is the protocol number on our kernel routes (rtnetlink's rtm_protocol); 3 is "boot".
	DeviceRouteProtocol *int `json:"deviceRouteProtocol,omitempty" default:"3" min:"0" max:"255"`
	// DeviceRouteSourceAddress is the preferred source address of local IPv4 routes.
	DeviceRouteSourceAddress *string `json:"deviceRouteSourceAddress,omitempty" format:"ip4" maxLen:"45"`
	// DeviceRouteSourceAddressIPv6 is the IPv6 counterpart.
	DeviceRouteSourceAddressIPv6 *string `json:"deviceRouteSourceAddressIPv6,omitempty" format:"ip6" maxLen:"45"`
	// EndpointStatusPathPrefix is the directory below which endpoint status files are written.
	EndpointStatusPathPrefix *string `json:"endpointStatusPathPrefix,omitempty" default:"/var/run/calico"`
	// IPForwarding lets the agent turn on the kernel's IP forwarding.
	IPForwarding *string `json:"ipForwarding,omitempty" default:"Enabled" enum:"Enabled Disabled"`
	// IstioAmbientMode marks packets for Istio's ambient mesh.
	IstioAmbientMode *string `json:"istioAmbientMode,omitempty" default:"Disabled" enum:"Enabled Disabled"`
	// IstioDSCPMark is the DSCP value on connection requests inside that mesh.
	IstioDSCPMark *intstr.IntOrString `json:"istioDSCPMark,omitempty" default:"23"`
	// NetlinkTimeout is how long a netlink request may take.
	NetlinkTimeout *metav1.Duration `json:"netlinkTimeout,omitempty" default:"10s"`
	// PolicySyncPathPrefix is the directory of the sockets for application layer policy; absent turns them off.
	PolicySyncPathPrefix *string `json:"policySyncPathPrefix,omitempty"`
	// RequireMTUFile makes the CNI plugin wait for the MTU that the agent detects.
	RequireMTUFile *bool `json:"requireMTUFile,omitempty" default:"false" later:"there is no such file: the agent makes the interfaces itself, once it knows their MTU"`
	// ServiceLoopPrevention is what happens to packets for service addresses that no service has.
	ServiceLoopPrevention *string `json:"serviceLoopPrevention,omitempty" default:"Drop" format:"anyCase" enum:"Drop Reject Disabled"`
	// SidecarAccelerationEnabled short-cuts packets between a workload and its sidecar proxy. Experimental.
	SidecarAccelerationEnabled *bool `json:"sidecarAccelerationEnabled,omitempty" default:"false"`
	// UseInternalDataplaneDriver selects the built-in data plane rather than dataplaneDriver.
	UseInternalDataplaneDriver *bool `json:"useInternalDataplaneDriver,omitempty" default:"true"`
}
