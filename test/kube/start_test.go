// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/test/kube"
)

// TestFaultsAtPodStart has the API server change its mind and fail while a pod is being added, and a node made anew while its agent runs.
func TestFaultsAtPodStart(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	server.Must(t, http.MethodPost, "/api/v1/nodes", `{apiVersion: v1, kind: Node, metadata: {name: n1}}`) // as the kubelet does
	between := kube.NewMiddle(t, server)
	l := labtest.Up(t, lab.Spec{Nodes: 1, Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken), Wired: func(l *lab.Lab) error { return reachBy(t, l, server, between.Address) }})
	server.AddPod(t, "shop", "stays", "n1", nil)
	server.AddPod(t, "shop", "visits", "n1", nil)
	labtest.Attach(t, l, map[string]string{"shop/stays": "n1", "shop/visits": "n1"})
	t.Run("PodDeleted", func(t *testing.T) { podDeletedMeanwhile(t, l, server, between) })
	t.Run("ServerFails", func(t *testing.T) { serverFailsMeanwhile(t, l, server, between) })
	t.Run("NodeMadeAnew", func(t *testing.T) { nodeMadeAnew(t, l, server) })
}

func isWrite(r *http.Request, resource string) bool {
	return r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/"+resource)
}

// podDeletedMeanwhile deletes a pod after its agent has read it and before it has an address. Whatever the ADD says, nothing is left after the DEL that follows.
func podDeletedMeanwhile(t *testing.T, l *lab.Lab, server *kube.Server, between *kube.Middle) {
	server.AddPod(t, "shop", "short", "n1", nil)
	var deleted atomic.Int32
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if isWrite(r, "ipamblocks") && deleted.CompareAndSwap(0, 1) {
			if code, _, err := server.Do(r.Context(), http.MethodDelete, "/api/v1/namespaces/shop/pods/short?gracePeriodSeconds=0", ""); err == nil {
				deleted.Store(int32(code))
			}
		}
		pass(w, r)
	})
	defer between.Use(nil)
	_, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "short"})
	if deleted.Load() != http.StatusOK {
		t.Errorf("the pod was not deleted meanwhile: %d", deleted.Load())
	}
	t.Logf("ADD: %v", err)
	if err == nil {
		if err := l.DeleteWorkload(t.Context(), "shop/short"); err != nil {
			t.Error(err)
		}
	}
	nothingOf(t, server, "short")
}

// serverFailsMeanwhile answers 429 and 500: an ADD waits where the server says so, and one that fails leaves nothing and can be made again.
func serverFailsMeanwhile(t *testing.T, l *lab.Lab, server *kube.Server, between *kube.Middle) {
	defer between.Use(nil)
	fail := func(code int, resource string, times int32) {
		var left atomic.Int32
		left.Store(times)
		between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
			if !isWrite(r, resource) || left.Add(-1) < 0 {
				pass(w, r)
				return
			}
			w.Header().Set("Retry-After", "1")
			http.Error(w, "as the test wants", code)
		})
	}
	start := func(name string) error {
		server.AddPod(t, "shop", name, "n1", nil)
		_, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: name})
		return err
	}
	fail(http.StatusTooManyRequests, "ipamblocks", 2)
	if err := start("busy"); err != nil {
		t.Errorf("with an API server that is busy: %v", err)
	}
	fail(http.StatusInternalServerError, "ipamblocks", 1)
	err := start("failing")
	t.Logf("ADD with an API server that fails once: %v", err)
	between.Use(nil)
	if err != nil {
		_, err = l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "failing"})
	}
	if err != nil {
		t.Errorf("once more: %v", err)
	}
	fail(http.StatusInternalServerError, "workloadendpoints", 3)
	if err := start("unseen"); err != nil {
		t.Errorf("with an API server that takes no endpoints for a while: %v", err)
	}
	for _, name := range []string{"busy", "failing", "unseen"} {
		server.WaitServed(t, "/apis/projectcalico.org/v3/namespaces/shop/workloadendpoints/n1-k8s-"+name+"-eth0")
		if err := l.DeleteWorkload(t.Context(), "shop/"+name); err != nil {
			t.Error(err)
		}
		nothingOf(t, server, name)
	}
}

// nodeMadeAnew deletes a Node and makes one of the same name. Its agent says again what others need to know, and its workloads keep what they have.
func nodeMadeAnew(t *testing.T, l *lab.Lab, server *kube.Server) {
	const node, endpoint = "/api/v1/nodes/n1", "/apis/projectcalico.org/v3/namespaces/shop/workloadendpoints/n1-k8s-stays-eth0"
	before := server.Must(t, http.MethodGet, endpoint, "")
	server.Must(t, http.MethodDelete, node, "")
	_, _, _ = server.Do(t.Context(), http.MethodPost, "/api/v1/nodes", `{apiVersion: v1, kind: Node, metadata: {name: n1}}`) // as the kubelet does, or the agent was faster
	server.Must(t, http.MethodPatch, node, `{"metadata":{"labels":{"made":"anew"}}}`)
	server.Eventually(t, "the agent to tell its addresses again", func() error {
		answer := server.Must(t, http.MethodGet, node, "")
		for _, note := range []string{`"projectcalico.org/IPv4Address":"172.30.1.11/24"`, `"made":"anew"`} {
			if !strings.Contains(answer, note) {
				return fmt.Errorf("no %s in %s", note, answer)
			}
		}
		return nil
	})
	if now := server.Must(t, http.MethodGet, endpoint, ""); now != before {
		t.Errorf("the endpoint was\n%s\nand is\n%s", before, now)
	}
	settled(t, l, "with a node made anew")
}

// nothingOf waits until no trace of a pod is left in the datastore.
func nothingOf(t *testing.T, server *kube.Server, pod string) {
	t.Helper()
	for _, resource := range []string{"workloadendpoints", "ipamhandles", "ipamblocks"} {
		server.Eventually(t, resource+" without "+pod, func() error {
			if answer := server.Must(t, http.MethodGet, "/apis/projectcalico.org/v3/"+resource, ""); strings.Contains(answer, `"`+pod+`"`) {
				return fmt.Errorf("%s", answer)
			}
			return nil
		})
	}
}
