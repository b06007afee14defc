// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FelixBPF tunes the eBPF data plane.
type FelixBPF struct {
	// BPFAttachType says how programs are attached to interfaces.
	BPFAttachType *string `json:"bpfAttachType,omitempty" default:"TCX" enum:"TC TCX Netkit"`
	// BPFCTLBLogFilter: "all" makes connect-time load balancing write log lines.
	BPFCTLBLogFilter *string `json:"bpfCTLBLogFilter,omitempty"`
	// BPFConnectTimeLoadBalancing says for which sockets a service address is resolved at connect time.
	BPFConnectTimeLoadBalancing *string `json:"bpfConnectTimeLoadBalancing,omitempty" default:"TCP" enum:"TCP Enabled Disabled"`
	// BPFConnectTimeLoadBalancingEnabled is the older form of bpfConnectTimeLoadBalancing. Deprecated.
	BPFConnectTimeLoadBalancingEnabled *bool `json:"bpfConnectTimeLoadBalancingEnabled,omitempty"`
	// BPFConntrackLogLevel is the log level of connection tracking clean-up.
	BPFConntrackLogLevel *string `json:"bpfConntrackLogLevel,omitempty" default:"Off" enum:"Off Debug"`
	// BPFConntrackMode says who removes expired connection entries.
	BPFConntrackMode *string `json:"bpfConntrackMode,omitempty" default:"Auto" enum:"Auto Userspace BPFProgram"`
	// BPFConntrackTimeouts sets when idle connection entries expire.
	BPFConntrackTimeouts *BPFConntrackTimeouts `json:"bpfConntrackTimeouts,omitempty"`
	// BPFDSROptoutCIDRs lists clients that must not get direct server return.
	BPFDSROptoutCIDRs []string `json:"bpfDSROptoutCIDRs,omitzero" format:"net"`
	// BPFDataIfacePattern matches the host interfaces that programs are attached to.
	BPFDataIfacePattern *string `json:"bpfDataIfacePattern,omitempty" default:"^((en|wl|ww|sl|ib)[Popsx].*|(eth|wlan|wwan|bond).*)" format:"regex"`
	// BPFDisableGROForIfaces matches interfaces whose receive offload (GRO) is turned off.
	BPFDisableGROForIfaces *string `json:"bpfDisableGROForIfaces,omitempty" format:"regex"`
	// BPFDisableUnprivileged keeps unprivileged users from loading BPF programs (kernel.unprivileged_bpf_disabled).
	BPFDisableUnprivileged *bool `json:"bpfDisableUnprivileged,omitempty" default:"true"`
	// BPFEnabled chooses the eBPF data plane.
	BPFEnabled *bool `json:"bpfEnabled,omitempty" default:"false"`
	// BPFEnforceRPF is the reverse path check on host interfaces.
	BPFEnforceRPF *string `json:"bpfEnforceRPF,omitempty" default:"Loose" format:"anyCase" enum:"Disabled Strict Loose"`
	// BPFExcludeCIDRsFromNAT lists service addresses that are left to someone else.
	BPFExcludeCIDRsFromNAT []string `json:"bpfExcludeCIDRsFromNAT,omitzero" format:"net"`
	// BPFExportBufferSizeMB is the size, in MiB, of the buffer for events from programs.
	BPFExportBufferSizeMB *int `json:"bpfExportBufferSizeMB,omitempty" default:"1" min:"1"`
	// BPFExtToServiceConnmark is the connection mark set on packets from outside to services.
	BPFExtToServiceConnmark *int `json:"bpfExtToServiceConnmark,omitempty" default:"0" min:"0"`
	// BPFExternalServiceMode says whether replies to outside clients go back by the node they came in by (Tunnel) or directly (DSR).
	BPFExternalServiceMode *string `json:"bpfExternalServiceMode,omitempty" default:"Tunnel" format:"anyCase" enum:"Tunnel DSR"`
	// BPFForceTrackPacketsFromIfaces lists interfaces, with + as wildcard, whose packets the kernel goes on tracking.
	BPFForceTrackPacketsFromIfaces []string `json:"bpfForceTrackPacketsFromIfaces,omitzero" default:"[\"docker+\"]"`
	// BPFHostConntrackBypass takes workload and service packets out of the kernel's connection tracking.
	BPFHostConntrackBypass *bool `json:"bpfHostConntrackBypass,omitempty" default:"false"`
	// BPFHostNetworkedNATWithoutCTLB translates service addresses for programs of the host that connect-time load balancing does not cover.
	BPFHostNetworkedNATWithoutCTLB *string `json:"bpfHostNetworkedNATWithoutCTLB,omitempty" default:"Enabled" enum:"Enabled Disabled"`
	// BPFIPFragTimeout is how long fragments wait for the rest of their packet; 0 takes the kernel's value.
	BPFIPFragTimeout *metav1.Duration `json:"bpfIPFragTimeout,omitempty" default:"0s"`
	// BPFIPFragmentReassemblyEnabled puts fragments together before policy sees them.
	BPFIPFragmentReassemblyEnabled *bool `json:"bpfIPFragmentReassemblyEnabled,omitempty" default:"true"`
	// BPFJITHardening: Auto lowers net.core.bpf_jit_harden from 2 to 1 for speed, Strict leaves it.
	BPFJITHardening *string `json:"bpfJITHardening,omitempty" default:"Auto" enum:"Auto Strict"`
	// BPFKubeProxyHealthzPort is the port of the service health check that kube-proxy would serve.
	BPFKubeProxyHealthzPort *int `json:"bpfKubeProxyHealthzPort,omitempty" default:"10256" min:"0" max:"65535"`
	// BPFKubeProxyIptablesCleanupEnabled removes what kube-proxy left in iptables.
	BPFKubeProxyIptablesCleanupEnabled *bool `json:"bpfKubeProxyIptablesCleanupEnabled,omitempty" default:"true"`
	// BPFKubeProxyMinSyncPeriod is the least time between updates of services.
	BPFKubeProxyMinSyncPeriod *metav1.Duration `json:"bpfKubeProxyMinSyncPeriod,omitempty" default:"1s"`
	// BPFL3IfacePattern matches tunnel devices of others, without Ethernet header, that programs are attached to as well.
	BPFL3IfacePattern *string `json:"bpfL3IfacePattern,omitempty" format:"regex"`
	// BPFLogFilters gives for an interface, or for "all", "hep" or "wep", the pcap expression of packets to log.
	BPFLogFilters map[string]string `json:"bpfLogFilters,omitzero"`
	// BPFLogLevel is the log level of the programs.
	BPFLogLevel *string `json:"bpfLogLevel,omitempty" default:"Off" format:"anyCase" enum:"Off Info Debug"`
	// BPFMaglevMaxEndpointsPerService is the largest number of endpoints of a service with Maglev hashing.
	BPFMaglevMaxEndpointsPerService *int `json:"bpfMaglevMaxEndpointsPerService,omitempty" default:"100" min:"1" max:"3000"`
	// BPFMaglevMaxServices is the largest number of services with Maglev hashing.
	BPFMaglevMaxServices *int `json:"bpfMaglevMaxServices,omitempty" default:"100" min:"1" max:"3000"`
	// BPFOverlayHostSourceIP is the source address of the host's own packets into the overlay.
	BPFOverlayHostSourceIP *string `json:"bpfOverlayHostSourceIP,omitempty" enum:"TunnelAddress HostAddress"`
	// BPFPSNATPorts is the range of source ports used to resolve conflicts.
	BPFPSNATPorts *intstr.IntOrString `json:"bpfPSNATPorts,omitempty" default:"20000:29999" format:"portRange"`
	// BPFPolicyDebugEnabled keeps a readable form of the policy programs.
	BPFPolicyDebugEnabled *bool `json:"bpfPolicyDebugEnabled,omitempty" default:"true"`
	// BPFProfiling measures the run time of programs.
	BPFProfiling *string `json:"bpfProfiling,omitempty" default:"Disabled" enum:"Enabled Disabled"`
	// BPFRedirectToPeer hands packets straight into a workload's namespace.
	BPFRedirectToPeer *string `json:"bpfRedirectToPeer,omitempty" default:"Enabled" enum:"Enabled Disabled"`
}

// FelixBPFMaps sets the sizes of the eBPF maps, in entries.
type FelixBPFMaps struct {
	// BPFMapSizeConntrack is the size of the connection table.
	BPFMapSizeConntrack *int `json:"bpfMapSizeConntrack,omitempty" default:"512000" min:"1"`
	// BPFMapSizeConntrackCleanupQueue is the size of the queue of expired connections.
	BPFMapSizeConntrackCleanupQueue *int `json:"bpfMapSizeConntrackCleanupQueue,omitempty" default:"100000" min:"1"`
	// BPFMapSizeConntrackScaling says what happens when the connection table is full.
	BPFMapSizeConntrackScaling *string `json:"bpfMapSizeConntrackScaling,omitempty" default:"DoubleIfFull" format:"anyCase" enum:"Disabled DoubleIfFull"`
	// BPFMapSizeIPSets is the size of the table of IP set members.
	BPFMapSizeIPSets *int `json:"bpfMapSizeIPSets,omitempty" default:"1048576" min:"1"`
	// BPFMapSizeIfState is the size of the table of interfaces.
	BPFMapSizeIfState *int `json:"bpfMapSizeIfState,omitempty" default:"1000" min:"1"`
	// BPFMapSizeNATAffinity is the size of the table of session affinities.
	BPFMapSizeNATAffinity *int `json:"bpfMapSizeNATAffinity,omitempty" default:"65536" min:"1"`
	// BPFMapSizeNATBackend is the size of the table of service endpoints.
	BPFMapSizeNATBackend *int `json:"bpfMapSizeNATBackend,omitempty" default:"262144" min:"1"`
	// BPFMapSizeNATFrontend is the size of the table of service addresses.
	BPFMapSizeNATFrontend *int `json:"bpfMapSizeNATFrontend,omitempty" default:"65536" min:"1"`
	// BPFMapSizePerCpuConntrack is the size of the connection table per CPU; over 0 it replaces bpfMapSizeConntrack.
	BPFMapSizePerCpuConntrack *int `json:"bpfMapSizePerCpuConntrack,omitempty" default:"0" min:"0"`
	// BPFMapSizeRoute is the size of the table of routes.
	BPFMapSizeRoute *int `json:"bpfMapSizeRoute,omitempty" default:"262144" min:"1"`
}
