// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// KubeControllersConfiguration tunes the controllers of the cluster (weft controllers). There is one, named "default".
type KubeControllersConfiguration struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the configuration.
	Spec KubeControllersConfigurationSpec `json:"spec,omitzero"`
	// Status echoes what Calico's controllers run with. weft leaves it alone.
	Status KubeControllersConfigurationStatus `json:"status,omitzero"`
}

// KubeControllersConfigurationSpec is the configuration.
type KubeControllersConfigurationSpec struct {
	// LogSeverityScreen is the least severity of log lines.
	LogSeverityScreen string `json:"logSeverityScreen,omitempty" default:"Info" enum:"None Debug Info Warning Error Fatal Panic" later:"log settings are read from the command line only"`
	// HealthChecks serves the health of the controllers, where weft controllers is given an address for it.
	HealthChecks string `json:"healthChecks,omitempty" default:"Enabled" enum:"Enabled Disabled"`
	// PrometheusMetricsPort is the TCP port of metrics; 0 turns them off.
	PrometheusMetricsPort *int `json:"prometheusMetricsPort,omitempty" default:"9094" min:"0" max:"65535" idle:"0" later:"there is no metrics endpoint yet"`
	// EtcdV3CompactionPeriod is the time between compactions of etcd; 0 turns them off.
	EtcdV3CompactionPeriod *metav1.Duration `json:"etcdV3CompactionPeriod,omitempty" default:"10m" idle:"0s" later:"etcd compacts by itself (--auto-compaction-retention)"`
	// DebugProfilePort is the TCP port of profiles; 0 turns them off.
	DebugProfilePort *int `json:"debugProfilePort,omitempty" min:"0" max:"65535" idle:"0" later:"weft has its own debugging switches"`
	// Controllers has the settings of the single controllers.
	Controllers ControllersConfig `json:"controllers,omitzero"`
}

// ControllersConfig has the settings of the single controllers.
type ControllersConfig struct {
	// Node keeps what follows from the nodes.
	Node *NodeControllerConfig `json:"node,omitempty"`
	// Policy copies Kubernetes policies to etcd.
	Policy *ReconcilerConfig `json:"policy,omitempty" later:"nothing copies objects of Kubernetes yet"`
	// WorkloadEndpoint copies labels of pods to etcd.
	WorkloadEndpoint *ReconcilerConfig `json:"workloadEndpoint,omitempty" later:"nothing copies objects of Kubernetes yet"`
	// ServiceAccount copies service accounts to etcd.
	ServiceAccount *ReconcilerConfig `json:"serviceAccount,omitempty" later:"nothing copies objects of Kubernetes yet"`
	// Namespace copies namespaces to etcd.
	Namespace *ReconcilerConfig `json:"namespace,omitempty" later:"nothing copies objects of Kubernetes yet"`
	// LoadBalancer gives addresses to services of type LoadBalancer.
	LoadBalancer *LoadBalancerControllerConfig `json:"loadBalancer,omitempty"`
	// Migration renames policies of older versions.
	Migration *MigrationControllerConfig `json:"migration,omitempty" later:"weft reads policies of either naming"`
}

// ReconcilerConfig is what every controller has.
type ReconcilerConfig struct {
	// ReconcilerPeriod is the time between full checks.
	ReconcilerPeriod *metav1.Duration `json:"reconcilerPeriod,omitempty" default:"5m"`
}

// NodeControllerConfig is that of the node controller.
type NodeControllerConfig struct {
	// ReconcilerPeriod is the time between full checks; changes are acted upon at once.
	ReconcilerPeriod *metav1.Duration `json:"reconcilerPeriod,omitempty" default:"5m"`
	// SyncLabels copies the labels of Kubernetes nodes.
	SyncLabels string `json:"syncLabels,omitempty" default:"Enabled" enum:"Enabled Disabled" idle:"Disabled" later:"nothing copies objects of Kubernetes yet"`
	// HostEndpoint makes host endpoints for the nodes.
	HostEndpoint *AutoHostEndpointConfig `json:"hostEndpoint,omitempty"`
	// LeakGracePeriod is the time after which an address that nobody uses is freed; 0 turns that off. What deleted nodes leave is freed in any case.
	LeakGracePeriod *metav1.Duration `json:"leakGracePeriod,omitempty" default:"15m"`
}

// AutoHostEndpointConfig says which host endpoints are made.
type AutoHostEndpointConfig struct {
	// AutoCreate makes them, and Disabled removes those that were made.
	AutoCreate string `json:"autoCreate,omitempty" default:"Disabled" enum:"Enabled Disabled"`
	// CreateDefaultHostEndpoint makes, for each node, one for all interfaces.
	CreateDefaultHostEndpoint string `json:"createDefaultHostEndpoint,omitempty" default:"Enabled" enum:"Enabled Disabled"`
	// Templates lists others to make for the nodes that they select.
	Templates []HostEndpointTemplate `json:"templates,omitzero" later:"only the default host endpoint of a node is made yet"`
}

// HostEndpointTemplate describes a host endpoint that is made for nodes.
type HostEndpointTemplate struct {
	// GenerateName is the middle of the name: <node>-<generateName>-auto-hep.
	GenerateName string `json:"generateName" maxLen:"253"`
	// NodeSelector chooses nodes by their labels.
	NodeSelector string `json:"nodeSelector,omitempty" format:"selector"`
	// InterfaceCIDRs lists CIDRs; the node's addresses in them are the expectedIPs.
	InterfaceCIDRs []string `json:"interfaceCIDRs,omitzero" format:"net"`
	// InterfacePattern matches the names of interfaces.
	InterfacePattern string `json:"interfacePattern,omitempty" format:"regex"`
	// Labels of the host endpoint, besides those of the node.
	Labels map[string]string `json:"labels,omitzero"`
	// Annotations of the host endpoint.
	Annotations map[string]string `json:"annotations,omitzero"`
}

// LoadBalancerControllerConfig is that of the load balancer controller.
type LoadBalancerControllerConfig struct {
	// AssignIPs says which services get addresses.
	AssignIPs string `json:"assignIPs,omitempty" default:"AllServices" enum:"AllServices RequestedServicesOnly"`
}

// MigrationControllerConfig is that of the migration controller.
type MigrationControllerConfig struct {
	// PolicyNameMigrator renames policies.
	PolicyNameMigrator string `json:"policyNameMigrator,omitempty" default:"Enabled" enum:"Enabled Disabled"`
}

// KubeControllersConfigurationStatus echoes what is in force.
type KubeControllersConfigurationStatus struct {
	// RunningConfig is the configuration in force.
	RunningConfig KubeControllersConfigurationSpec `json:"runningConfig,omitzero"`
	// EnvironmentVars are the environment variables that outrank the configuration.
	EnvironmentVars map[string]string `json:"environmentVars,omitzero"`
}
