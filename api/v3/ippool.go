// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// EncapMode says when an overlay is used towards other nodes.
type EncapMode string

// The encapsulation modes of ipipMode and vxlanMode.
const (
	EncapNever       EncapMode = "Never"
	EncapAlways      EncapMode = "Always"
	EncapCrossSubnet EncapMode = "CrossSubnet"
)

// The uses of a pool's addresses.
const (
	UseWorkload     = "Workload"
	UseTunnel       = "Tunnel"
	UseLoadBalancer = "LoadBalancer"
)

// IPPool is a range of addresses that workloads, tunnels or LoadBalancer services get theirs from.
type IPPool struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is what the user asks for.
	Spec IPPoolSpec `json:"spec"`
	// Status is what weft reports.
	Status *IPPoolStatus `json:"status,omitempty"`
}

// IPPoolSpec is what the user asks of a pool.
type IPPoolSpec struct {
	// CIDR is the range, without host bits. It must not overlap another pool or a link-local range, and it must hold at
	// least one block.
	CIDR string `json:"cidr" format:"cidr" maxLen:"48" immutable:"true"`
	// BlockSize is the prefix length of the blocks handed to nodes: 20 to 32 for IPv4, 116 to 128 for IPv6.
	BlockSize *int `json:"blockSize,omitempty" defaultText:"26 for IPv4, 122 for IPv6" min:"0" max:"128" immutable:"true"`
	// IPIPMode says towards which nodes packets are carried in IP-in-IP. IPv4 only, and not together with vxlanMode.
	IPIPMode EncapMode `json:"ipipMode,omitempty" default:"Never" enum:"Never Always CrossSubnet"`
	// VXLANMode says towards which nodes packets are carried in VXLAN (RFC 7348). Not together with ipipMode.
	VXLANMode EncapMode `json:"vxlanMode,omitempty" default:"Never" enum:"Never Always CrossSubnet"`
	// NATOutgoing gives packets that leave all pools the node's source address.
	NATOutgoing *bool `json:"natOutgoing,omitempty" default:"false"`
	// Disabled stops new automatic assignments. Addresses in use stay, and stay routed.
	Disabled *bool `json:"disabled,omitempty" default:"false"`
	// DisableBGPExport keeps the pool's blocks out of BGP.
	DisableBGPExport *bool `json:"disableBGPExport,omitempty" default:"false"`
	// NodeSelector chooses the nodes that may use the pool, by their labels.
	NodeSelector string `json:"nodeSelector,omitempty" default:"all()" format:"selector" maxLen:"1024"`
	// NamespaceSelector chooses the namespaces that may use the pool, by their labels; absent means all. Not for pools
	// that serve tunnels.
	NamespaceSelector string `json:"namespaceSelector,omitempty" format:"selector" maxLen:"1024"`
	// AllowedUses lists what the addresses are for. LoadBalancer stands alone.
	AllowedUses []string `json:"allowedUses,omitzero" defaultText:"Workload and Tunnel; only Workload with a namespaceSelector" enum:"Workload Tunnel LoadBalancer" maxItems:"10"`
	// AssignmentMode Manual keeps the pool for explicit requests.
	AssignmentMode string `json:"assignmentMode,omitempty" default:"Automatic" enum:"Automatic Manual"`
}

// IPPoolStatus is what weft reports about a pool.
type IPPoolStatus struct {
	// Conditions hold the type Allocatable: False when the pool is disabled or overlaps another.
	Conditions []metav1.Condition `json:"conditions,omitzero"`
}
