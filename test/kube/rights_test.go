// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/controllers"
	"github.com/weftnet/weft/controllers/defaultpool"
	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/store/gate"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/test/kube"
)

// TestRights has an agent and the controllers work with the rights that `weft install` gives them. They ask for nothing that they may not do, and there is no right
// that they do not use.
func TestRights(t *testing.T) {
	server := kube.Start(t, kube.New)
	manifest, err := install.Manifest(install.Options{Definitions: true})
	if err != nil {
		t.Fatal(err)
	}
	server.Apply(t, manifest)
	server.Must(t, http.MethodPost, "/api/v1/nodes", `{apiVersion: v1, kind: Node, metadata: {name: n1}}`) // as the kubelet does
	agentWorks(t, server)
	controllersWork(t, server)
	addressesMove(t, server, kube.AgentToken, "10.98.0.0/26")
	addressesMove(t, server, kube.ControllersToken, "10.99.0.0/26")
	asked := server.Requests(t)
	for r := range asked {
		if !r.Allowed {
			t.Errorf("%s may not %s %s in group %q; add it to ctl/install/rights.go", r.Account, r.Verb, r.Resource, r.Group)
		}
	}
	for _, verb := range []string{"get nodes", "delete workloadendpoints", "get pods"} { // once a node is gone for a minute, and before a leak is freed
		verb, resource, _ := strings.Cut(verb, " ")
		group := map[string]string{"workloadendpoints": "projectcalico.org"}[resource]
		asked[kube.Request{Account: "weft-controllers", Verb: verb, Group: group, Resource: resource, Allowed: true}] = true
	}
	unused(t, "weft-agent", append(install.Agent, install.AgentWaits), asked)
	unused(t, "weft-controllers", install.Controllers, asked)
}

// agentWorks starts a workload, changes its labels and deletes it.
func agentWorks(t *testing.T, server *kube.Server) {
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/ippools", // its agents have to look at namespaces
		`{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: others}, spec: {cidr: 10.97.0.0/24, namespaceSelector: has(other)}}`)
	l := labtest.Up(t, lab.Spec{
		Nodes: 1, Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken), AgentKubeconfig: server.Kubeconfig(t, "", kube.AgentToken),
		Wired: func(l *lab.Lab) error { return reach(t, l, server) },
	})
	server.InstallPolicyAPI(t) // which the agent has waited for
	server.AddPod(t, "shop", "web", "n1", map[string]string{"role": "front"})
	labtest.Attach(t, l, map[string]string{"shop/web": "n1"})
	server.Must(t, http.MethodPatch, "/api/v1/namespaces/shop/pods/web", `{"metadata":{"labels":{"role":"back"}}}`)
	labelled(t, server, "shop/web", `"role":"back"`)
	if _, err := l.AddWorkload(t.Context(), lab.Workload{Node: "n1", Namespace: "shop", Name: "gone"}); err == nil {
		t.Error("a workload without a pod was started")
	}
	if err := l.DeleteWorkload(t.Context(), "shop/web"); err != nil {
		t.Fatal(err)
	}
	gone(t, server, "/apis/projectcalico.org/v3/namespaces/shop/workloadendpoints/n1-k8s-web-eth0")
}

// gone waits until an object is.
func gone(t *testing.T, server *kube.Server, path string) {
	t.Helper()
	server.Eventually(t, path+" to go", func() error {
		code, answer, err := server.Do(t.Context(), http.MethodGet, path, "")
		if err == nil && code != http.StatusNotFound {
			err = fmt.Errorf("%d %s", code, answer)
		}
		return err
	})
}

// controllersWork has a pool made, a host endpoint made and deleted, a tier judged, and a service get an address.
func controllersWork(t *testing.T, server *kube.Server) {
	const v3 = "/apis/projectcalico.org/v3/"
	server.Must(t, http.MethodDelete, v3+"ippools/pool-2", "") // the IPv6 pool of the lab
	server.Must(t, http.MethodPost, v3+"ippools", `{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: services}, spec: {cidr: 198.51.100.0/24, allowedUses: [LoadBalancer]}}`)
	server.Must(t, http.MethodPost, v3+"tiers", `{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: front}, spec: {order: 5}}`)
	server.Must(t, http.MethodPost, v3+"kubecontrollersconfigurations", `{apiVersion: projectcalico.org/v3, kind: KubeControllersConfiguration, metadata: {name: default},
  spec: {controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}}`)
	server.Must(t, http.MethodPost, "/api/v1/namespaces/shop/services", `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}`)
	direct, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.ControllersToken)})
	if err != nil {
		t.Fatal(err)
	}
	pools, err := defaultpool.New([]netip.Prefix{netip.MustParsePrefix("fd00:77::/48")}, "Never")
	if err != nil {
		t.Fatal(err)
	}
	s := gate.New(direct) // as the command does
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- controllers.Run(ctx, s, controllers.Options{Log: slog.New(slog.DiscardHandler), Identity: "test", LeaseNamespace: install.DefaultNamespace, Pools: pools})
	}()
	server.WaitServed(t, v3+"ippools/"+defaultpool.NameIPv6)
	server.WaitServed(t, v3+"hostendpoints/n1-auto-hep")
	server.Must(t, http.MethodPatch, "/api/v1/nodes/n1", `{"metadata":{"labels":{"rack":"one"}}}`)
	server.Eventually(t, "the address of the service", func() error {
		answer := server.Must(t, http.MethodGet, "/api/v1/namespaces/shop/services/web", "")
		if !strings.Contains(answer, `"ip":"198.51.100.`) {
			return fmt.Errorf("%s", answer)
		}
		return nil
	})
	server.Eventually(t, "the condition of the tier", func() error {
		if answer := server.Must(t, http.MethodGet, v3+"tiers/front", ""); !strings.Contains(answer, `"type":"Ready"`) {
			return fmt.Errorf("%s", answer)
		}
		return nil
	})
	server.Must(t, http.MethodDelete, "/api/v1/namespaces/shop/services/web", "")
	server.Must(t, http.MethodPatch, v3+"kubecontrollersconfigurations/default", `{"spec":{"controllers":{"node":{"hostEndpoint":{"autoCreate":"Disabled"}}}}}`)
	gone(t, server, v3+"hostendpoints/n1-auto-hep")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// addressesMove has two nodes share a pool of one block, so that one borrows addresses of the other, and gives all of it back.
func addressesMove(t *testing.T, server *kube.Server, token, pool string) {
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/ippools",
		`{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: `+token+`}, spec: {cidr: `+pool+`, blockSize: 26}}`)
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/blockaffinities", // as a killed process leaves it
		`{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: `+ipam.AffinityName("owner", netip.MustParsePrefix(pool))+`},
  spec: {state: pending, node: owner, type: host, cidr: `+pool+`}}`)
	s, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", token)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	owner, guest := ipam.New(s, ipam.Options{Node: "owner"}), ipam.New(s, ipam.Options{Node: "guest"})
	defer owner.Close()
	defer guest.Close()
	for _, a := range []*ipam.Allocator{owner, guest, guest} {
		if _, err := a.Assign(t.Context(), ipam.Request{Handle: token, IPv4: true, Namespace: "shop", Pools4: []string{pool}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := guest.ReleaseHandle(t.Context(), token); err != nil {
		t.Error(err)
	}
	if err := owner.ReleaseNode(t.Context(), "owner"); err != nil {
		t.Error(err)
	}
}

// unused fails for rights that nobody has made use of.
func unused(t *testing.T, account string, rights []install.Right, asked map[kube.Request]bool) {
	for _, right := range rights {
		for _, resource := range right.Resources {
			for _, verb := range right.Verbs {
				r := kube.Request{Account: account, Verb: verb, Group: right.Group, Resource: resource, Allowed: true}
				used := asked[r]
				if r.Verb = "watch"; verb == "list" {
					used = used || asked[r] // where the API server has no streaming lists
				}
				if !used {
					t.Errorf("%s need not %s %s in group %q", account, verb, resource, right.Group)
				}
			}
		}
	}
}
