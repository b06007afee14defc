// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/store/storetest"
	"github.com/weftnet/weft/test/kube"
)

// patience bounds the wait for one state of the cluster.
const patience = 90 * time.Second

// allowed is a NetworkPolicy of Kubernetes that lets only web reach the database.
const allowed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: database, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]
`

// TestAgentsOnKubernetes has the agents of two nodes use a real Kubernetes API as their datastore. Packets pass as the judge says, before a policy, with it,
// while the API server and an agent are away, and after they are back.
func TestAgentsOnKubernetes(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	l := labtest.Up(t, lab.Spec{Nodes: 2, Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken), Wired: func(l *lab.Lab) error { return reach(t, l, server) }})
	labtest.Attach(t, l, map[string]string{"shop/web": "n1", "shop/db": "n2", "shop/other": "n1"})
	settled(t, l, "without policy")
	server.Must(t, http.MethodPost, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", allowed)
	settled(t, l, "with a policy of Kubernetes")
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/namespaces/shop/networkpolicies", `
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: quiet, namespace: shop}, spec: {order: 1, selector: app == 'web', types: [Ingress], ingress: []}}`)
	settled(t, l, "with one of weft beside it")
	serverAway(t, l, server)
}

// reach leads the address of the API server in each node's namespace to the host's.
func reach(t *testing.T, l *lab.Lab, server *kube.Server) error {
	for _, node := range l.Nodes() {
		ns, err := l.Namespace(node)
		if err != nil {
			return err
		}
		defer func() { _ = ns.Close() }()
		var listener net.Listener
		if err := ns.Do(func() (err error) { listener, err = net.Listen("tcp", server.Address); return err }); err != nil {
			return fmt.Errorf("listen in %s: %w", node, err)
		}
		storetest.Forward(t, listener, "tcp", server.Address)
	}
	return nil
}

// settled waits until each pair of workloads can do what the judge says as of now.
func settled(t *testing.T, l *lab.Lab, when string) {
	t.Helper()
	judge, err := l.Judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	as(t, l, when, judge)
}

// as waits until each pair of workloads can do what a judge says.
func as(t *testing.T, l *lab.Lab, when string, judge probe.Judge) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	crew, err := l.Crew(ctx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer crew.Close()
	m, err := crew.Settle(ctx, crew.Pairs(), judge)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	for _, cell := range m.Mismatches() {
		t.Errorf("%s: %s", when, cell)
	}
	t.Logf("%s: %d flows allowed, %d denied", when, m.Count(probe.Allowed), m.Count(probe.Denied))
}

// serverAway takes the API server away, kills and starts an agent meanwhile, and brings the server back with a policy less.
func serverAway(t *testing.T, l *lab.Lab, server *kube.Server) {
	judge, err := l.Judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := l.KillAgent(t.Context(), "n2", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	as(t, l, "without an API server", judge)
	server.StartAgain(t)
	if err := l.StartAgent(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	server.Must(t, http.MethodDelete, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/database", "")
	settled(t, l, "with the API server back and a policy less")
}
