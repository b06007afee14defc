// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FelixInterfaces says which interfaces the agent looks at.
type FelixInterfaces struct {
	// InterfaceExclude lists interfaces that never count as host endpoints, comma-separated; /regular expressions/ are allowed.
	InterfaceExclude *string `json:"interfaceExclude,omitempty" default:"kube-ipvs0"`
	// InterfacePrefix lists the name prefixes of workload interfaces, comma-separated.
	InterfacePrefix *string `json:"interfacePrefix,omitempty" default:"cali"`
	// InterfaceRefreshInterval is the time between full scans of the interfaces; 0 turns them off.
	InterfaceRefreshInterval *metav1.Duration `json:"interfaceRefreshInterval,omitempty" default:"1m30s"`
	// IPv6Support turns on IPv6.
	IPv6Support *bool `json:"ipv6Support,omitempty" default:"true"`
	// LocalSubnetL2Reachability answers ARP and neighbour discovery for pod and load balancer addresses that lie in a subnet of the node.
	LocalSubnetL2Reachability *string `json:"localSubnetL2Reachability,omitempty" default:"Disabled" enum:"Disabled PodsAndLoadBalancers"`
	// LocalSubnetL2ReachabilityRefreshInterval is the time between announcements for localSubnetL2Reachability.
	LocalSubnetL2ReachabilityRefreshInterval *metav1.Duration `json:"localSubnetL2ReachabilityRefreshInterval,omitempty" default:"2m"`
	// NodeSelector chooses the nodes that the configuration is for; only for names other than "default" and "node.<name>".
	NodeSelector *string `json:"nodeSelector,omitempty" format:"selector" maxLen:"1024" later:"configurations for selected nodes are not used yet; name it default or node.<name>"`
}

// FelixRoutes says which kernel routes the agent makes.
type FelixRoutes struct {
	// IPv4ElevatedRoutePriority is the metric of IPv4 workload routes during a live migration.
	IPv4ElevatedRoutePriority *int `json:"ipv4ElevatedRoutePriority,omitempty" default:"512" min:"1" max:"2147483646"`
	// IPv4NormalRoutePriority is the metric of IPv4 workload routes.
	IPv4NormalRoutePriority *int `json:"ipv4NormalRoutePriority,omitempty" default:"1024" min:"1" max:"2147483646"`
	// IPv6ElevatedRoutePriority is the IPv6 counterpart of ipv4ElevatedRoutePriority.
	IPv6ElevatedRoutePriority *int `json:"ipv6ElevatedRoutePriority,omitempty" default:"512" min:"1" max:"2147483646"`
	// IPv6NormalRoutePriority is the IPv6 counterpart of ipv4NormalRoutePriority.
	IPv6NormalRoutePriority *int `json:"ipv6NormalRoutePriority,omitempty" default:"1024" min:"1" max:"2147483646"`
	// LiveMigrationRouteConvergenceTime is how long a migrated workload's routes keep the elevated priority.
	LiveMigrationRouteConvergenceTime *metav1.Duration `json:"liveMigrationRouteConvergenceTime,omitempty" default:"30s"`
	// ProgramClusterRoutes says which routes between nodes the agent makes rather than BGP.
	ProgramClusterRoutes *string `json:"programClusterRoutes,omitempty" default:"Disabled" enum:"Enabled Disabled EnabledIPIPOnly EnabledNoEncapOnly"`
	// RemoveExternalRoutes deletes routes on workload interfaces that someone else made.
	RemoveExternalRoutes *bool `json:"removeExternalRoutes,omitempty" default:"true"`
	// RouteRefreshInterval is the time between full checks of the routes; 0 turns them off.
	RouteRefreshInterval *metav1.Duration `json:"routeRefreshInterval,omitempty" default:"1m30s"`
	// RouteSource says whether remote routes follow from address blocks or from single workload addresses.
	RouteSource *string `json:"routeSource,omitempty" default:"CalicoIPAM" format:"anyCase" enum:"CalicoIPAM WorkloadIPs"`
	// RouteSyncDisabled turns off all routes of the agent.
	RouteSyncDisabled *bool `json:"routeSyncDisabled,omitempty" default:"false"`
	// RouteTableRange is the range of routing tables for the agent. Deprecated: use routeTableRanges.
	RouteTableRange *RouteTableRange `json:"routeTableRange,omitempty" later:"encryption between hosts alone has a table of its own, the first of these"`
	// RouteTableRanges lists the routing tables that the agent may use.
	RouteTableRanges []RouteTableRange `json:"routeTableRanges,omitzero" default:"[{\"min\":1,\"max\":250}]" later:"encryption between hosts alone has a table of its own, the first of these"`
}
