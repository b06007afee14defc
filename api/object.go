// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package api is what users write: start with [Decode] to read manifests and [Lookup] to find a kind.
//
// It knows every kind weft stores: the projectcalico.org/v3 kinds of package v3 and the Kubernetes kinds that the
// policy model reads. Types, defaults and validation are plain data and plain functions; nothing here does I/O
// except through readers handed in.
package api

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is any stored resource. Objects handed out by a store, a watch or a graph are shared and read-only:
// call [Clone] before changing one. metadata.resourceVersion carries the store revision of the last change.
type Object interface {
	metav1.Object
	GetObjectKind() schema.ObjectKind
}

// Resource names a kind of object as "plural.group", for example "ippools.projectcalico.org". The core group is
// written as "core": "namespaces.core".
type Resource string

// The resources that weft stores.
const (
	IPPools                         Resource = "ippools.projectcalico.org"
	IPReservations                  Resource = "ipreservations.projectcalico.org"
	IPAMConfigurations              Resource = "ipamconfigurations.projectcalico.org"
	IPAMBlocks                      Resource = "ipamblocks.projectcalico.org"
	BlockAffinities                 Resource = "blockaffinities.projectcalico.org"
	IPAMHandles                     Resource = "ipamhandles.projectcalico.org"
	Nodes                           Resource = "nodes.projectcalico.org"
	BGPConfigurations               Resource = "bgpconfigurations.projectcalico.org"
	BGPPeers                        Resource = "bgppeers.projectcalico.org"
	WorkloadEndpoints               Resource = "workloadendpoints.projectcalico.org"
	HostEndpoints                   Resource = "hostendpoints.projectcalico.org"
	Profiles                        Resource = "profiles.projectcalico.org"
	Tiers                           Resource = "tiers.projectcalico.org"
	NetworkPolicies                 Resource = "networkpolicies.projectcalico.org"
	GlobalNetworkPolicies           Resource = "globalnetworkpolicies.projectcalico.org"
	StagedNetworkPolicies           Resource = "stagednetworkpolicies.projectcalico.org"
	StagedGlobalNetworkPolicies     Resource = "stagedglobalnetworkpolicies.projectcalico.org"
	StagedKubernetesNetworkPolicies Resource = "stagedkubernetesnetworkpolicies.projectcalico.org"
	NetworkSets                     Resource = "networksets.projectcalico.org"
	GlobalNetworkSets               Resource = "globalnetworksets.projectcalico.org"
	FelixConfigurations             Resource = "felixconfigurations.projectcalico.org"
	ClusterInformations             Resource = "clusterinformations.projectcalico.org"
	KubeControllersConfigurations   Resource = "kubecontrollersconfigurations.projectcalico.org"

	KubeNetworkPolicies          Resource = "networkpolicies.networking.k8s.io"
	ClusterNetworkPolicies       Resource = "clusternetworkpolicies.policy.networking.k8s.io"
	AdminNetworkPolicies         Resource = "adminnetworkpolicies.policy.networking.k8s.io"
	BaselineAdminNetworkPolicies Resource = "baselineadminnetworkpolicies.policy.networking.k8s.io"
	Namespaces                   Resource = "namespaces.core"
	ServiceAccounts              Resource = "serviceaccounts.core"
	Services                     Resource = "services.core"
	EndpointSlices               Resource = "endpointslices.discovery.k8s.io"
	Leases                       Resource = "leases.coordination.k8s.io"
)

// Group returns the API group of r: "projectcalico.org", "networking.k8s.io", "core".
func (r Resource) Group() string {
	_, group, _ := strings.Cut(string(r), ".")
	return group
}

// Plural returns the plural name of r: "ippools".
func (r Resource) Plural() string {
	plural, _, _ := strings.Cut(string(r), ".")
	return plural
}

// Key identifies one object in a store. Namespace is empty for cluster-scoped resources.
type Key struct {
	Resource  Resource
	Namespace string
	Name      string
}

// String renders a key for people: "networkpolicies.projectcalico.org prod/web".
func (k Key) String() string {
	if k.Namespace == "" {
		return string(k.Resource) + " " + k.Name
	}
	return string(k.Resource) + " " + k.Namespace + "/" + k.Name
}
