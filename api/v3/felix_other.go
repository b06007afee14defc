// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FelixFlowLogs says what happens to flow records.
type FelixFlowLogs struct {
	// FlowLogsCollectorDebugTrace logs each step of the collector.
	FlowLogsCollectorDebugTrace *bool `json:"flowLogsCollectorDebugTrace,omitempty" default:"false"`
	// FlowLogsFlushInterval is the time between reports.
	FlowLogsFlushInterval *metav1.Duration `json:"flowLogsFlushInterval,omitempty" default:"5m"`
	// FlowLogsGoldmaneServer is the address that flow records are sent to, "host:port".
	FlowLogsGoldmaneServer *string `json:"flowLogsGoldmaneServer,omitempty"`
	// FlowLogsLocalReporter serves flow records on a local socket.
	FlowLogsLocalReporter *string `json:"flowLogsLocalReporter,omitempty" default:"Disabled" enum:"Enabled Disabled"`
	// FlowLogsPolicyEvaluationMode says whether staged policies are evaluated for flows that are already there.
	FlowLogsPolicyEvaluationMode *string `json:"flowLogsPolicyEvaluationMode,omitempty" default:"Continuous" enum:"None Continuous"`
}

// FelixOpenStack serves OpenStack.
type FelixOpenStack struct {
	// EndpointReportingDelay is the time that status changes of an endpoint are held back.
	EndpointReportingDelay *metav1.Duration `json:"endpointReportingDelay,omitempty" default:"1s"`
	// EndpointReportingEnabled writes the status of endpoints to the datastore.
	EndpointReportingEnabled *bool `json:"endpointReportingEnabled,omitempty" default:"false"`
	// MetadataAddr is the host of the metadata server; "none" turns it off.
	MetadataAddr *string `json:"metadataAddr,omitempty" default:"127.0.0.1"`
	// MetadataPort is its TCP port.
	MetadataPort *int `json:"metadataPort,omitempty" default:"8775" min:"0" max:"65535"`
	// OpenStackRegion is the region of the node.
	OpenStackRegion *string `json:"openstackRegion,omitempty" format:"dnsLabel"`
	// ReportingInterval is the time between status reports of the agent.
	ReportingInterval *metav1.Duration `json:"reportingInterval,omitempty" default:"30s" idle:"0s"`
	// ReportingTTL is how long such a report is valid.
	ReportingTTL *metav1.Duration `json:"reportingTTL,omitempty" default:"1m30s"`
}

// FelixCloud is about the cloud that the node runs in.
type FelixCloud struct {
	// AWSSrcDstCheck sets the source/destination check of the primary network interface of a node in EC2, with the credentials of the instance. With the
	// check on, packets under workloads' addresses do not pass without a tunnel.
	AWSSrcDstCheck *string `json:"awsSrcDstCheck,omitempty" default:"DoNothing" enum:"DoNothing Enable Disable"`
}

// FelixOther holds what concerns other platforms and usage reports.
type FelixOther struct {
	// UsageReportingEnabled reports the cluster's version and size. weft never does.
	UsageReportingEnabled *bool `json:"usageReportingEnabled,omitempty" default:"true" idle:"false"`
	// UsageReportingInitialDelay is the time before the first such report.
	UsageReportingInitialDelay *metav1.Duration `json:"usageReportingInitialDelay,omitempty" default:"5m"`
	// UsageReportingInterval is the time between such reports.
	UsageReportingInterval *metav1.Duration `json:"usageReportingInterval,omitempty" default:"24h"`
	// WindowsManageFirewallRules concerns Windows nodes only.
	WindowsManageFirewallRules *string `json:"windowsManageFirewallRules,omitempty" default:"Disabled" enum:"Enabled Disabled"`
}

// FelixDebug is for finding faults and for tests.
type FelixDebug struct {
	// CRISocketPath is the socket of the container runtime, if not in one of the usual places.
	CRISocketPath *string `json:"criSocketPath,omitempty"`
	// DebugDisableLogDropping blocks rather than drops log lines when the log is slow.
	DebugDisableLogDropping *bool `json:"debugDisableLogDropping,omitempty" default:"false"`
	// DebugHost is the address the profiling server binds to.
	DebugHost *string `json:"debugHost,omitempty" default:"localhost"`
	// DebugMemoryProfilePath is the file that a memory profile is written to.
	DebugMemoryProfilePath *string `json:"debugMemoryProfilePath,omitempty"`
	// DebugPort is the TCP port of the profiling server; absent means none.
	DebugPort *int `json:"debugPort,omitempty" min:"0" max:"65535"`
	// DebugSimulateCalcGraphHangAfter makes the calculation hang after this time.
	DebugSimulateCalcGraphHangAfter *metav1.Duration `json:"debugSimulateCalcGraphHangAfter,omitempty" default:"0s"`
	// DebugSimulateDataplaneApplyDelay delays each write to the data plane.
	DebugSimulateDataplaneApplyDelay *metav1.Duration `json:"debugSimulateDataplaneApplyDelay,omitempty" default:"0s"`
	// DebugSimulateDataplaneHangAfter makes the data plane hang after this time.
	DebugSimulateDataplaneHangAfter *metav1.Duration `json:"debugSimulateDataplaneHangAfter,omitempty" default:"0s"`
}
