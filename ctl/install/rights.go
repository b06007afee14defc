// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Right allows verbs on resources of one API group. TestRights of test/kube compares the tables with what is asked of an API server.
type Right struct {
	Group     string // "" for the core group
	Resources []string
	Verbs     []string
}

// The groups.
const (
	calico    = "projectcalico.org"
	core      = ""
	policies  = "policy.networking.k8s.io"
	discovery = "discovery.k8s.io"
	network   = "networking.k8s.io"
	leases    = "coordination.k8s.io"
	extension = "apiextensions.k8s.io"
)

// The sets of verbs. Where the API server has no streaming lists, what is watched is listed first.
var (
	follow = []string{"list", "watch"}
	keep   = []string{"get", "create", "update", "delete"}
)

// LeaseName is the only Lease that controllers may change.
const LeaseName = "weft-controllers"

// policyKinds are of a group that clusters may lack.
var policyKinds = []string{"adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies"}

// Agent is what the agent of a node may do. It may not create Nodes, which is up to the kubelet.
var Agent = []Right{
	{core, []string{"namespaces", "nodes", "pods", "serviceaccounts", "services"}, follow},
	{core, []string{"namespaces", "nodes", "pods"}, []string{"get"}},
	{core, []string{"nodes"}, []string{"patch"}}, // addresses, as annotations
	{discovery, []string{"endpointslices"}, follow},
	{network, []string{"networkpolicies"}, follow},
	{policies, policyKinds, follow},
	{calico, []string{
		"bgpconfigurations", "bgppeers", "blockaffinities", "clusterinformations", "felixconfigurations", "globalnetworkpolicies", "globalnetworksets", "hostendpoints",
		"ipamconfigurations", "ippools", "ipreservations", "networkpolicies", "networksets", "profiles", "stagedglobalnetworkpolicies",
		"stagedkubernetesnetworkpolicies", "stagednetworkpolicies", "tiers", "workloadendpoints",
	}, follow},
	{calico, []string{"blockaffinities", "ipamblocks", "ipamhandles", "workloadendpoints"}, keep},
	{calico, []string{"ipamblocks"}, []string{"list"}},
}

// AgentWaits is what the agent may do besides with the definitions of the policyKinds, and no others: it waits for those that are missing.
var AgentWaits = Right{extension, []string{"customresourcedefinitions"}, []string{"watch"}}

// Controllers is what the controllers may do in all namespaces.
var Controllers = []Right{
	{core, []string{"nodes", "services"}, follow},
	{core, []string{"namespaces", "nodes", "pods"}, []string{"get"}},
	{core, []string{"services/status"}, []string{"update"}},
	{calico, []string{"clusterinformations", "hostendpoints", "ipamconfigurations", "ippools", "ipreservations", "kubecontrollersconfigurations", "tiers"}, follow},
	{calico, []string{"ippools/status", "tiers/status"}, []string{"update"}},
	{calico, []string{"ippools"}, []string{"create"}}, // the default ones
	{calico, []string{"hostendpoints"}, []string{"create", "update", "delete"}},
	{calico, []string{"blockaffinities", "ipamblocks", "ipamhandles"}, keep},
	{calico, []string{"blockaffinities", "ipamblocks", "workloadendpoints"}, []string{"list"}},
	{calico, []string{"ipamblocks", "workloadendpoints"}, []string{"watch"}}, // to look through them without having all at a time
	{calico, []string{"workloadendpoints"}, []string{"delete"}},
}

// Reader is what people need for `weft get`, `why` and all else that changes nothing. It is part of the cluster's role "view".
var Reader = []Right{
	{core, []string{"namespaces", "nodes", "pods", "serviceaccounts", "services"}, reading},
	{discovery, []string{"endpointslices"}, reading},
	{network, []string{"networkpolicies"}, reading},
	{policies, policyKinds, reading},
	{leases, []string{"leases"}, reading},
	{calico, []string{"*"}, reading},
}

var reading = []string{"get", "list", "watch"}

// role is one ClusterRole.
type role struct {
	name   string
	labels map[string]string
	rights []Right
	bound  bool             // to the service account of its name
	named  []map[string]any // rules about objects of certain names alone
}

var roles = []role{
	{name: "weft-agent", rights: Agent, bound: true, named: []map[string]any{AgentWaits.of(definitionsOf(policies, policyKinds))}},
	{name: "weft-controllers", rights: Controllers, bound: true},
	{name: "weft-reader", rights: Reader, labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
	// No part of "admin": who owns a namespace must not write WorkloadEndpoints, which lead other workloads' packets, or policies of any tier.
	// It reads what a reader does: `weft apply` looks at what a policy would do to all of it.
	{name: "weft-admin", rights: slices.Concat(Reader, []Right{{calico, []string{"*"}, []string{"*"}}})},
}

// rightsTemplate renders the tables: service accounts, roles and bindings.
func rightsTemplate() (string, error) {
	objects := leaseObjects()
	for _, r := range roles {
		objects = append(objects, r.objects()...)
	}
	var docs []string
	for _, obj := range objects {
		text, err := yaml.Marshal(obj)
		if err != nil {
			return "", fmt.Errorf("install: %w", err)
		}
		docs = append(docs, string(text))
	}
	return strings.Join(docs, "---\n"), nil
}

// here is the namespace in the template.
const here = "{{ .Release.Namespace }}"

// rule is the right as RBAC has it.
func (r Right) rule() map[string]any {
	return map[string]any{"apiGroups": []string{r.Group}, "resources": r.Resources, "verbs": r.Verbs}
}

// of is the right to objects of some names alone, as RBAC has it.
func (r Right) of(names []string) map[string]any {
	rule := r.rule()
	rule["resourceNames"] = names
	return rule
}

// definitionsOf are the names of the CustomResourceDefinitions of kinds.
func definitionsOf(group string, kinds []string) (names []string) {
	for _, k := range kinds {
		names = append(names, k+"."+group)
	}
	return names
}

func (r role) objects() []map[string]any {
	var rules []map[string]any
	for _, right := range r.rights {
		rules = append(rules, right.rule())
	}
	rules = append(rules, r.named...)
	out := []map[string]any{{"apiVersion": rbac, "kind": "ClusterRole", "metadata": metadata(r.name, "", r.labels), "rules": rules}}
	if !r.bound {
		return out
	}
	return append(out,
		map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(r.name, here, nil)},
		map[string]any{
			"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": metadata(r.name, "", nil),
			"roleRef": map[string]any{"apiGroup": rbacGroup, "kind": "ClusterRole", "name": r.name}, "subjects": subject(r.name),
		})
}

// leaseObjects let controllers agree on who acts. A name cannot be demanded of what is created.
func leaseObjects() []map[string]any {
	const name = "weft-controllers"
	return []map[string]any{
		{"apiVersion": rbac, "kind": "Role", "metadata": metadata(name, here, nil), "rules": []map[string]any{
			{"apiGroups": []string{leases}, "resources": []string{"leases"}, "verbs": []string{"create"}},
			{"apiGroups": []string{leases}, "resources": []string{"leases"}, "resourceNames": []string{LeaseName}, "verbs": []string{"get", "update"}},
		}},
		{
			"apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata(name, here, nil),
			"roleRef": map[string]any{"apiGroup": rbacGroup, "kind": "Role", "name": name}, "subjects": subject(name),
		},
	}
}

const (
	rbacGroup = "rbac.authorization.k8s.io"
	rbac      = rbacGroup + "/v1"
)

func subject(account string) []map[string]any {
	return []map[string]any{{"kind": "ServiceAccount", "name": account, "namespace": here}}
}

func metadata(name, namespace string, labels map[string]string) map[string]any {
	all := map[string]string{"app.kubernetes.io/part-of": "weft"}
	maps.Copy(all, labels)
	m := map[string]any{"name": name, "labels": all}
	if namespace != "" {
		m["namespace"] = namespace
	}
	return m
}
