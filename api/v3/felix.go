// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FelixConfiguration tunes the agent (in Calico: Felix). The one named "default" is for all nodes, "node.<name>" for one
// node; of what both state, the node's wins.
type FelixConfiguration struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the configuration.
	Spec FelixConfigurationSpec `json:"spec,omitzero"`
}

// FelixConfigurationSpec is the agent's configuration. Every field may be absent, which differs from its zero value: the
// next weaker configuration then decides, and last the default.
type FelixConfigurationSpec struct {
	FelixPolicy     `json:",inline"`
	FelixNAT        `json:",inline"`
	FelixFeatures   `json:",inline" later:"the agent detects kernel features by itself"`
	FelixRuntime    `json:",inline"`
	FelixHealth     `json:",inline" later:"the agent serves its state over its own socket"`
	FelixLogging    `json:",inline" later:"log settings are read from the command line only"`
	FelixMetrics    `json:",inline" later:"there is no metrics endpoint yet"`
	FelixDataplane  `json:",inline" later:"the data plane uses the built-in value"`
	FelixInterfaces `json:",inline" later:"the agent watches all interfaces and owns those named cali*"`
	FelixRoutes     `json:",inline" later:"routes follow weft's own rules"`
	FelixIPTables   `json:",inline" later:"the iptables data plane uses the built-in value"`
	FelixNFTables   `json:",inline" later:"the nftables data plane uses the built-in value"`
	FelixXDP        `json:",inline" later:"there is no XDP acceleration yet"`
	FelixBPF        `json:",inline" later:"there is no eBPF data plane yet"`
	FelixBPFMaps    `json:",inline" later:"there is no eBPF data plane yet"`
	FelixSources    `json:",inline"`
	FelixTunnels    `json:",inline"`
	FelixMTU        `json:",inline"`
	FelixIPIP       `json:",inline"`
	FelixVXLAN      `json:",inline"`
	FelixWireguard  `json:",inline"`
	FelixFlowLogs   `json:",inline" later:"there are no flow records yet"`
	FelixOpenStack  `json:",inline" later:"OpenStack is not supported yet"`
	FelixCloud      `json:",inline"`
	FelixOther      `json:",inline" later:"weft does not act on it"`
	FelixDebug      `json:",inline" later:"weft has its own debugging switches"`
}

// HealthTimeout replaces the time-out of one watchdog.
type HealthTimeout struct {
	// Name of the watchdog.
	Name string `json:"name"`
	// Timeout after which the watched part counts as dead.
	Timeout metav1.Duration `json:"timeout"`
}

// ProtoPort is a failsafe port.
type ProtoPort struct {
	// Protocol is TCP, UDP or SCTP, in any case.
	Protocol string `json:"protocol,omitempty" default:"TCP" enum:"TCP UDP SCTP" format:"anyCase"`
	// Port of the host endpoint (inbound) or of its peer (outbound).
	Port uint16 `json:"port" min:"1" max:"65535"`
	// Net limits the failsafe to peers in this CIDR; absent means all.
	Net string `json:"net,omitempty" format:"net"`
}

// RouteTableRange is a range of kernel routing tables, both ends included.
type RouteTableRange struct {
	// Min is the first table.
	Min int `json:"min" min:"1"`
	// Max is the last table.
	Max int `json:"max" min:"1"`
}

// BPFConntrackTimeouts says when idle connection entries of the eBPF data plane expire. Each is a duration such as "20s", or
// "Auto" for the kernel's own value.
type BPFConntrackTimeouts struct {
	// CreationGracePeriod is how long a new entry stays in any case.
	CreationGracePeriod *string `json:"creationGracePeriod,omitempty" default:"10s" format:"timeout"`
	// TCPSynSent counts from the last unanswered connection request.
	TCPSynSent *string `json:"tcpSynSent,omitempty" default:"20s" format:"timeout"`
	// TCPEstablished is for open connections.
	TCPEstablished *string `json:"tcpEstablished,omitempty" default:"1h" format:"timeout"`
	// TCPFinsSeen is for connections that both ends have closed.
	TCPFinsSeen *string `json:"tcpFinsSeen,omitempty" default:"Auto" format:"timeout"`
	// TCPResetSeen is for connections that were reset.
	TCPResetSeen *string `json:"tcpResetSeen,omitempty" default:"40s" format:"timeout"`
	// UDPTimeout is for UDP flows.
	UDPTimeout *string `json:"udpTimeout,omitempty" default:"60s" format:"timeout"`
	// GenericTimeout is for protocols without a time-out of their own.
	GenericTimeout *string `json:"genericTimeout,omitempty" default:"10m" format:"timeout"`
	// ICMPTimeout is for ICMP flows.
	ICMPTimeout *string `json:"icmpTimeout,omitempty" default:"5s" format:"timeout"`
}
