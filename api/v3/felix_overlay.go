// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FelixTunnels says whose tunnelled packets are taken.
type FelixTunnels struct {
	// AllowIPIPPacketsFromWorkloads lets workloads send IP-in-IP packets themselves.
	AllowIPIPPacketsFromWorkloads *bool `json:"allowIPIPPacketsFromWorkloads,omitempty" default:"false"`
	// AllowVXLANPacketsFromWorkloads lets workloads send VXLAN packets to vxlanPort themselves.
	AllowVXLANPacketsFromWorkloads *bool `json:"allowVXLANPacketsFromWorkloads,omitempty" default:"false"`
	// ExternalNodesList lists further CIDRs whose tunnel packets are accepted.
	ExternalNodesList []string `json:"externalNodesList,omitzero" format:"net"`
}

// FelixMTU says where the MTU of workloads' interfaces comes from.
type FelixMTU struct {
	// MTUIfacePattern matches the host interfaces whose MTU counts for workloads: the smallest of them does. Absent means those that have the
	// node's addresses.
	MTUIfacePattern *string `json:"mtuIfacePattern,omitempty" defaultText:"the interfaces with the node's addresses" format:"regex"`
}

// FelixIPIP tunes the IP-in-IP overlay.
type FelixIPIP struct {
	// IPIPEnabled turns IP-in-IP on or off; absent means on if a pool wants it.
	IPIPEnabled *bool `json:"ipipEnabled,omitempty"`
	// IPIPMTU is the MTU of the IP-in-IP device; 0 means detected.
	IPIPMTU *int `json:"ipipMTU,omitempty" default:"0" min:"0" max:"65535"`
}

// FelixVXLAN tunes the VXLAN overlay.
type FelixVXLAN struct {
	// VXLANEnabled turns VXLAN on or off; absent means on if a pool wants it.
	VXLANEnabled *bool `json:"vxlanEnabled,omitempty"`
	// VXLANMTU is the MTU of the IPv4 VXLAN device; 0 means detected.
	VXLANMTU *int `json:"vxlanMTU,omitempty" default:"0" min:"0" max:"65535"`
	// VXLANMTUV6 is the IPv6 counterpart.
	VXLANMTUV6 *int `json:"vxlanMTUV6,omitempty" default:"0" min:"0" max:"65535"`
	// VXLANPort is the UDP port of VXLAN (RFC 7348).
	VXLANPort *int `json:"vxlanPort,omitempty" default:"4789" min:"1" max:"65535"`
	// VXLANVNI is the VXLAN network identifier, 24 bits.
	VXLANVNI *int `json:"vxlanVNI,omitempty" default:"4096" min:"0" max:"16777215"`
}

// FelixWireguard encrypts the traffic between nodes.
type FelixWireguard struct {
	// WireguardEnabled encrypts IPv4 workload traffic between nodes.
	WireguardEnabled *bool `json:"wireguardEnabled,omitempty" default:"false"`
	// WireguardEnabledV6 encrypts IPv6 workload traffic between nodes.
	WireguardEnabledV6 *bool `json:"wireguardEnabledV6,omitempty" default:"false"`
	// WireguardHostEncryptionEnabled encrypts traffic between the nodes themselves as well.
	WireguardHostEncryptionEnabled *bool `json:"wireguardHostEncryptionEnabled,omitempty" default:"false"`
	// WireguardInterfaceName is the IPv4 WireGuard device.
	WireguardInterfaceName *string `json:"wireguardInterfaceName,omitempty" default:"wireguard.cali" format:"interface" maxLen:"15"`
	// WireguardInterfaceNameV6 is the IPv6 WireGuard device.
	WireguardInterfaceNameV6 *string `json:"wireguardInterfaceNameV6,omitempty" default:"wg-v6.cali" format:"interface" maxLen:"15"`
	// WireguardKeepAlive is the time between keepalive packets; 0 means none.
	WireguardKeepAlive *metav1.Duration `json:"wireguardKeepAlive,omitempty" default:"0s"`
	// WireguardListeningPort is the UDP port of the IPv4 device.
	WireguardListeningPort *int `json:"wireguardListeningPort,omitempty" default:"51820" min:"0" max:"65535"`
	// WireguardListeningPortV6 is the UDP port of the IPv6 device.
	WireguardListeningPortV6 *int `json:"wireguardListeningPortV6,omitempty" default:"51821" min:"0" max:"65535"`
	// WireguardMTU is the MTU of the IPv4 device; 0 means detected.
	WireguardMTU *int `json:"wireguardMTU,omitempty" default:"0" min:"0" max:"65535"`
	// WireguardMTUV6 is the MTU of the IPv6 device; 0 means detected.
	WireguardMTUV6 *int `json:"wireguardMTUV6,omitempty" default:"0" min:"0" max:"65535"`
	// WireguardRoutingRulePriority is the priority of the routing rule that sends packets to the device.
	WireguardRoutingRulePriority *int `json:"wireguardRoutingRulePriority,omitempty" default:"99" min:"1" max:"32765"`
	// WireguardThreadingEnabled spreads the device's work over several CPUs (threaded NAPI).
	WireguardThreadingEnabled *bool `json:"wireguardThreadingEnabled,omitempty" default:"false"`
}
