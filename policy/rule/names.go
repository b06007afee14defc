// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import "fmt"

// String returns "ingress" or "egress", as the fields of a policy are called.
func (d Direction) String() string { return name(d, "ingress", "egress") }

// String returns "Allow", "Deny", "Pass", "Log" or "NoMatch".
func (a Action) String() string { return name(a, "NoMatch", "Allow", "Deny", "Pass", "Log") }

// String returns the kind as users write it; the Kubernetes one is told apart by its group.
func (k PolicyKind) String() string {
	return name(k, "NetworkPolicy", "GlobalNetworkPolicy", "NetworkPolicy.networking.k8s.io", "Profile",
		"ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy",
		"StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy")
}

// String returns "net" or "port".
func (k SetKind) String() string { return name(k, "net", "port") }

func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}

// String renders an ID for people: "NetworkPolicy prod/protect-database".
func (p PolicyID) String() string {
	if p.Namespace == "" {
		return p.Kind.String() + " " + p.Name
	}
	return p.Kind.String() + " " + p.Namespace + "/" + p.Name
}

// String renders a service: "service prod/web".
func (s Service) String() string { return "service " + s.Namespace + "/" + s.Name }

// String returns "80" or "8000-8080".
func (r PortRange) String() string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}
