// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// FelixPolicy says how policy meets the node.
type FelixPolicy struct {
	// DefaultEndpointToHostAction is what happens to packets from a workload to its own host after egress policy has allowed them.
	DefaultEndpointToHostAction *string `json:"defaultEndpointToHostAction,omitempty" default:"Drop" format:"anyCase" enum:"Drop Accept Return"`
	// DisableConntrackInvalidCheck keeps packets that connection tracking calls invalid.
	DisableConntrackInvalidCheck *bool `json:"disableConntrackInvalidCheck,omitempty" default:"false"`
	// ExistingConnections says what becomes of open connections that a changed policy denies: Reevaluate ends them, Keep leaves them alone.
	ExistingConnections *string `json:"existingConnections,omitempty" default:"Reevaluate" format:"anyCase" enum:"Reevaluate Keep"`
	// FailsafeInboundHostPorts lists ports of host endpoints that stay reachable whatever the policy; an empty list means none.
	FailsafeInboundHostPorts []ProtoPort `json:"failsafeInboundHostPorts,omitzero" default:"[{\"protocol\":\"tcp\",\"port\":22},{\"protocol\":\"udp\",\"port\":68},{\"protocol\":\"tcp\",\"port\":179},{\"protocol\":\"tcp\",\"port\":2379},{\"protocol\":\"tcp\",\"port\":2380},{\"protocol\":\"tcp\",\"port\":5473},{\"protocol\":\"tcp\",\"port\":6443},{\"protocol\":\"tcp\",\"port\":6666},{\"protocol\":\"tcp\",\"port\":6667}]"`
	// FailsafeOutboundHostPorts lists ports that host endpoints can always reach; an empty list means none.
	FailsafeOutboundHostPorts []ProtoPort `json:"failsafeOutboundHostPorts,omitzero" default:"[{\"protocol\":\"udp\",\"port\":53},{\"protocol\":\"udp\",\"port\":67},{\"protocol\":\"tcp\",\"port\":179},{\"protocol\":\"tcp\",\"port\":2379},{\"protocol\":\"tcp\",\"port\":2380},{\"protocol\":\"tcp\",\"port\":5473},{\"protocol\":\"tcp\",\"port\":6443},{\"protocol\":\"tcp\",\"port\":6666},{\"protocol\":\"tcp\",\"port\":6667}]"`
	// IPTablesBackend chooses the kind of iptables, where iptables is used. Unless it is Auto, it also chooses iptables while nftablesMode is Auto.
	IPTablesBackend *string `json:"iptablesBackend,omitempty" default:"Auto" format:"anyCase" enum:"Legacy NFT Auto"`
	// IPTablesFilterDenyAction says whether denied packets vanish or are answered with an error.
	IPTablesFilterDenyAction *string `json:"iptablesFilterDenyAction,omitempty" default:"Drop" format:"anyCase" enum:"Drop Reject"`
	// NFTablesFilterDenyAction says whether denied packets vanish or are answered with an error.
	NFTablesFilterDenyAction *string `json:"nftablesFilterDenyAction,omitempty" default:"Drop" format:"anyCase" enum:"Drop Reject"`
	// NFTablesMode chooses nftables (Enabled) or iptables (Disabled). Auto follows iptablesBackend; if that is Auto too, weft picks what the kernel can.
	NFTablesMode *string `json:"nftablesMode,omitempty" default:"Auto" format:"anyCase" enum:"Disabled Enabled Auto"`
}
