// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
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
  podSelector: {matchLabels: {role: database}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {role: front}}}]}]
`

// TestAgentsOnKubernetes has the agents of two nodes use a real Kubernetes API as their datastore, and take labels from its Pods. Packets pass as the judge
// says, before a policy, with it, when a label changes, while the API server and an agent are away, and after they are back.
func TestAgentsOnKubernetes(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	l := labtest.Up(t, lab.Spec{Nodes: 2, Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken), Wired: func(l *lab.Lab) error { return reach(t, l, server) }})
	server.AddPod(t, "shop", "web", "n1", map[string]string{"role": "front"})
	server.AddPod(t, "shop", "db", "n2", map[string]string{"role": "database"})
	server.AddPod(t, "shop", "other", "n1", map[string]string{"role": "back"})
	labtest.Attach(t, l, map[string]string{"shop/web": "n1", "shop/db": "n2", "shop/other": "n1"})
	settled(t, l, "without policy")
	server.Must(t, http.MethodPost, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", allowed)
	settled(t, l, "with a policy of Kubernetes")
	reaches(t, l, "shop/web", "shop/db", true)
	reaches(t, l, "shop/other", "shop/db", false)
	server.Must(t, http.MethodPatch, "/api/v1/namespaces/shop/pods/other", `{"metadata":{"labels":{"role":"front"}}}`)
	labelled(t, server, "shop/other", `"role":"front"`)
	settled(t, l, "with a label changed")
	reaches(t, l, "shop/other", "shop/db", true)
	podGone(t, l, server)
	writesOfStart(t, l, server)
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/namespaces/shop/networkpolicies", `
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: quiet, namespace: shop}, spec: {order: 1, selector: role == 'front', types: [Ingress], ingress: []}}`)
	settled(t, l, "with one of weft beside it")
	serverAway(t, l, server)
}

// reach leads the address of the API server in each node's namespace to the host's.
func reach(t *testing.T, l *lab.Lab, server *kube.Server) error {
	return reachBy(t, l, server, server.Address)
}

// reachBy leads it to another address, such as that of what stands between.
func reachBy(t *testing.T, l *lab.Lab, server *kube.Server, target string) error {
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
		storetest.Forward(t, listener, "tcp", target)
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
	m := settle(t, l, when, func(crew *lab.Crew) ([]probe.Flow, error) { return crew.Pairs(), nil }, judge)
	t.Logf("%s: %d flows allowed, %d denied", when, m.Count(probe.Allowed), m.Count(probe.Denied))
}

// settle waits until flows, of which there must be some, are as a judge says.
func settle(t *testing.T, l *lab.Lab, when string, choose func(*lab.Crew) ([]probe.Flow, error), judge probe.Judge) probe.Matrix {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	crew, err := l.Crew(ctx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer crew.Close()
	flows, err := choose(crew)
	if err != nil {
		t.Fatal(err)
	}
	m, err := crew.Settle(ctx, flows, judge)
	if err != nil || len(flows) == 0 {
		t.Fatalf("%s: %d flows, %v", when, len(flows), err)
	}
	for _, cell := range m.Mismatches() {
		t.Errorf("%s: %s", when, cell)
	}
	return m
}

// serverAway takes the API server away, kills an agent and starts it meanwhile, which changes nothing, and brings the server back with a policy less.
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
	started := make(chan error, 1)
	go func() { started <- l.StartAgent(t.Context(), "n2") }()
	waits(t, l, "n2")
	as(t, l, "with an agent that has started without an API server", judge)
	server.StartAgain(t)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	server.Must(t, http.MethodDelete, "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/database", "")
	settled(t, l, "with the API server back and a policy less")
}

// waits waits until an agent says that it cannot reach its datastore.
func waits(t *testing.T, l *lab.Lab, node string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // between two questions
		status, err := l.Agent(node).Status(t.Context())
		if err == nil && !status.InSync && status.Datastore != "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("agent of %s: in sync %v, datastore %q, %v", node, status.InSync, status.Datastore, err)
		}
	}
}

// reaches waits until a workload can reach another one, or cannot.
func reaches(t *testing.T, l *lab.Lab, src, dst string, want bool) {
	t.Helper()
	verdict := map[bool]probe.Verdict{true: probe.Allowed, false: probe.Denied}[want]
	settle(t, l, src+" to "+dst, func(crew *lab.Crew) ([]probe.Flow, error) { return crew.Between(src, dst) },
		func(probe.Flow) (probe.Verdict, string) { return verdict, "the test says so" })
}

// labelled waits until the endpoint of a pod of n1, which other nodes read, has a label.
func labelled(t *testing.T, server *kube.Server, pod, label string) {
	t.Helper()
	namespace, name, _ := strings.Cut(pod, "/")
	server.Eventually(t, "the endpoint of "+pod+" to have "+label, func() error {
		code, answer, err := server.Do(t.Context(), http.MethodGet, "/apis/projectcalico.org/v3/namespaces/"+namespace+"/workloadendpoints/n1-k8s-"+name+"-eth0", "")
		if err == nil && !strings.Contains(answer, label) {
			err = fmt.Errorf("%d %s", code, answer)
		}
		return err
	})
}

// podGone starts a workload whose pod was deleted meanwhile: it is refused, and nothing is left of it.
func podGone(t *testing.T, l *lab.Lab, server *kube.Server) {
	_, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "gone"})
	if err == nil || !strings.Contains(err.Error(), "pod shop/gone is not in the Kubernetes API") {
		t.Errorf("a pod that is gone: %v", err)
	}
	for _, resource := range []string{"workloadendpoints", "ipamhandles", "ipamblocks"} {
		if answer := server.Must(t, http.MethodGet, "/apis/projectcalico.org/v3/"+resource, ""); strings.Contains(answer, `"gone"`) {
			t.Errorf("left of it: %s", answer)
		}
	}
}

// writesOfStart counts what the API server is asked to write for the start of a pod with one address, and for its end. Each further family is a block more.
func writesOfStart(t *testing.T, l *lab.Lab, server *kube.Server) {
	server.AddPod(t, "shop", "late", "n1", map[string]string{"role": "late"}, `ipFamilies=["IPv4"]`)
	before := server.Writes(t)
	labtest.Attach(t, l, map[string]string{"shop/late": "n1"})
	labelled(t, server, "shop/late", `"role":"late"`)
	started := server.Writes(t)
	start, n := kube.Since(started, before)
	if n > 2 {
		t.Errorf("the start of a pod took %d writes, want 2 at most: %v", n, start)
	}
	if err := l.DeleteWorkload(t.Context(), "shop/late"); err != nil {
		t.Fatal(err)
	}
	server.DeletePod(t, "shop", "late")
	server.Eventually(t, "the endpoint to go", func() error {
		code, answer, err := server.Do(t.Context(), http.MethodGet, "/apis/projectcalico.org/v3/namespaces/shop/workloadendpoints/n1-k8s-late-eth0", "")
		if err == nil && code != http.StatusNotFound {
			err = fmt.Errorf("%d %s", code, answer)
		}
		return err
	})
	end, _ := kube.Since(server.Writes(t), started)
	t.Logf("writes of a pod start: %v, of its end: %v", start, end)
}
