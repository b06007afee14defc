// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// ClusterInformation says what the cluster is. There is one, named "default"; weft writes it.
type ClusterInformation struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec is the information.
	Spec ClusterInformationSpec `json:"spec,omitzero"`
}

// ClusterInformationSpec is the information.
type ClusterInformationSpec struct {
	// ClusterGUID identifies the cluster.
	ClusterGUID string `json:"clusterGUID,omitempty"`
	// ClusterType lists what the cluster is made of, comma-separated, as in "k8s,bgp".
	ClusterType string `json:"clusterType,omitempty"`
	// CalicoVersion is the version of the software that last wrote the object.
	CalicoVersion string `json:"calicoVersion,omitempty"`
	// DatastoreReady false asks all components to stop writing, as during a migration.
	DatastoreReady *bool `json:"datastoreReady,omitempty" default:"true"`
	// Variant is the edition of the software.
	Variant string `json:"variant,omitempty"`
}
