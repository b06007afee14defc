// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FelixIPTables tunes the iptables data plane.
type FelixIPTables struct {
	// IPSetsRefreshInterval is the time between full checks of the IP sets; 0 turns them off.
	IPSetsRefreshInterval *metav1.Duration `json:"ipsetsRefreshInterval,omitempty" default:"1m30s"`
	// IPTablesFilterAllowAction says whether allowed packets are accepted at once or go on to later rules.
	IPTablesFilterAllowAction *string `json:"iptablesFilterAllowAction,omitempty" default:"Accept" format:"anyCase" enum:"Accept Return"`
	// IPTablesLockProbeInterval is the time between tries for the iptables lock.
	IPTablesLockProbeInterval *metav1.Duration `json:"iptablesLockProbeInterval,omitempty" default:"50ms"`
	// IPTablesMangleAllowAction is iptablesFilterAllowAction for the mangle table.
	IPTablesMangleAllowAction *string `json:"iptablesMangleAllowAction,omitempty" default:"Accept" format:"anyCase" enum:"Accept Return"`
	// IPTablesMarkMask is the set of packet mark bits the agent may use, at least 8 of them. The default is 0xffff0000.
	IPTablesMarkMask *uint32 `json:"iptablesMarkMask,omitempty" default:"4294901760" min:"0" max:"4294967295"`
	// IPTablesPostWriteCheckInterval is the time after a write at which the tables are read once more.
	IPTablesPostWriteCheckInterval *metav1.Duration `json:"iptablesPostWriteCheckInterval,omitempty" default:"5s"`
	// IPTablesRefreshInterval is the time between full checks of the tables; 0 turns them off.
	IPTablesRefreshInterval *metav1.Duration `json:"iptablesRefreshInterval,omitempty" default:"3m"`
	// KubeNodePortRanges lists the node port ranges of Kubernetes services.
	KubeNodePortRanges []intstr.IntOrString `json:"kubeNodePortRanges,omitzero" default:"[\"30000:32767\"]" format:"port" maxItems:"7"`
	// MaxIpsetSize is the largest number of members of an IP set.
	MaxIpsetSize *int `json:"maxIpsetSize,omitempty" default:"1048576" min:"1"`
}

// FelixNFTables tunes the nftables data plane.
type FelixNFTables struct {
	// NFTablesFilterAllowAction says whether allowed packets are accepted at once or go on to later rules.
	NFTablesFilterAllowAction *string `json:"nftablesFilterAllowAction,omitempty" default:"Accept" format:"anyCase" enum:"Accept Return"`
	// NFTablesFlowTableDataIfacePattern matches the interfaces of the flow table.
	NFTablesFlowTableDataIfacePattern *string `json:"nftablesFlowTableDataIfacePattern,omitempty" format:"regex"`
	// NFTablesFlowTableOffload sends established flows through a flow table.
	NFTablesFlowTableOffload *string `json:"nftablesFlowTableOffload,omitempty" default:"Disabled" enum:"All Disabled"`
	// NFTablesMangleAllowAction is nftablesFilterAllowAction for chains that mark packets.
	NFTablesMangleAllowAction *string `json:"nftablesMangleAllowAction,omitempty" default:"Accept" format:"anyCase" enum:"Accept Return"`
	// NFTablesMarkMask is the set of packet mark bits the agent may use. The default is 0xffff0000.
	NFTablesMarkMask *uint32 `json:"nftablesMarkMask,omitempty" default:"4294901760" min:"0" max:"4294967295"`
	// NFTablesRefreshInterval is the time between full checks of the table; 0 turns them off.
	NFTablesRefreshInterval *metav1.Duration `json:"nftablesRefreshInterval,omitempty" default:"3m"`
}

// FelixXDP tunes the acceleration of untracked policy by XDP.
type FelixXDP struct {
	// GenericXDPEnabled allows XDP in the kernel's slow generic mode.
	GenericXDPEnabled *bool `json:"genericXDPEnabled,omitempty" default:"false"`
	// XDPEnabled drops packets that untracked policy denies as early as in XDP.
	XDPEnabled *bool `json:"xdpEnabled,omitempty" default:"true" idle:"false"`
	// XDPRefreshInterval is the time between full checks of XDP state; 0 turns them off.
	XDPRefreshInterval *metav1.Duration `json:"xdpRefreshInterval,omitempty" default:"1m30s"`
}
