// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/gate"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/test/kube"
)

// someObjects are what an administrator writes.
const someObjects = `
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: front}, spec: {order: 5}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.9.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: front.deny}, spec: {tier: front, selector: has(role), types: [Ingress]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {selector: has(role)}}
---
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n1, labels: {role: host}}, spec: {node: n1, interfaceName: eth0}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {asNumber: 64513}}
`

// TestRoles has people work with the roles that `weft install` makes for them: weft-admin does everything with weft's own kinds, weft-reader reads all that a command
// looks at, and is told the verb of what it may not do.
func TestRoles(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallPolicyAPI(t)
	manifest, err := install.Manifest(install.Options{Definitions: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Apply(t, manifest)
	server.Must(t, http.MethodPost, "/api/v1/nodes", `{apiVersion: v1, kind: Node, metadata: {name: n1}}`)
	server.AddPod(t, "shop", "web", "n1", map[string]string{"role": "front"})
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(someObjects), 0o600); err != nil {
		t.Fatal(err)
	}
	direct, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.UserToken)})
	if err != nil {
		t.Fatal(err)
	}
	s := gate.New(direct)
	defer func() { _ = s.Close() }()
	run := func(want string, commands ...string) {
		t.Helper()
		for _, command := range commands {
			got := weft(s, strings.Fields(strings.ReplaceAll(command, "FILE", file))...)
			if !strings.Contains(got, want) {
				t.Errorf("weft %s: want %q\n%s", command, want, got)
			}
		}
	}
	inRole(t, server, s, "weft-admin", func() {
		run("exit 0", "apply -f FILE", "apply -f FILE", "replace -f FILE", "get tiers", "get globalnetworkpolicies front.deny -o yaml", "describe ippools pods", "policy list",
			"delete globalnetworkpolicies front.deny", "delete -f FILE --skip-not-exists", "create -f FILE", "ipam check", "policy diff -f FILE")
	})
	inRole(t, server, s, "weft-reader", func() {
		run("exit 0", "get tiers", "get nodes", "get namespaces", "get services -A", "get endpointslices -A", "get serviceaccounts -A", "get leases -A", "get workloadendpoints -A",
			"describe ippools pods", "policy list", "policy diff -f FILE", "ipam check")
		run(`allow "delete" on ippools in group "projectcalico.org"`, "delete ippools pods")
		run(`allow "update" on`, "replace -f FILE")
	})
}

// inRole lets the user whose token is kube.UserToken have a role while f runs.
func inRole(t *testing.T, server *kube.Server, s store.Store, role string, f func()) {
	t.Helper()
	const bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	known := func(may bool) {
		server.Eventually(t, role+" to be known", func() error {
			if got := weft(s, "get", "tiers"); strings.Contains(got, "RBAC") == may {
				return errors.New(got)
			}
			return nil
		})
	}
	server.Must(t, http.MethodPost, bindings, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: test},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: `+role+`}, subjects: [{kind: User, name: weft, apiGroup: rbac.authorization.k8s.io}]}`)
	known(true)
	f()
	server.Must(t, http.MethodDelete, bindings+"/test", "")
	known(false)
}
