// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/test/kube"
)

// TestFaults goes through what can be wrong with a real API server, one after the other.
func TestFaults(t *testing.T) {
	server := kube.Start(t, kube.Old)
	admin := func(t *testing.T) *Store {
		return client(t, Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	}
	t.Run("DefinitionsMissing", func(t *testing.T) { definitionsMissing(t, server, admin(t)) })
	t.Run("OptionalKindComes", func(t *testing.T) { optionalKindComes(t, server, admin(t)) })
	t.Run("Corpus", func(t *testing.T) { corpus(t, admin(t)) })
	t.Run("DefinitionOlder", func(t *testing.T) { definitionOlder(t, server, admin(t)) })
	t.Run("Permissions", func(t *testing.T) { permissions(t, server) })
	t.Run("TokenRunsOut", func(t *testing.T) { tokenRunsOut(t, server) })
	t.Run("TooLarge", func(t *testing.T) { tooLargeObject(t, admin(t)) })
	t.Run("NodeIsKubernetes", func(t *testing.T) { nodeIsKubernetes(t, server, admin(t)) })
	t.Run("PodsOfNode", func(t *testing.T) { podsOfNode(t, server, admin(t)) })
	t.Run("Deaf", func(t *testing.T) { deafServer(t, server) })
	between := kube.NewMiddle(t, server)
	through := func(t *testing.T) *Store {
		t.Cleanup(func() { between.Use(nil) })
		return client(t, Config{Kubeconfig: server.Kubeconfig(t, between.Address, kube.AdminToken)})
	}
	t.Run("Slow", func(t *testing.T) { slowServer(t, between, through(t)) })
	t.Run("Busy", func(t *testing.T) { busyServer(t, between, through(t)) })
	t.Run("Failing", func(t *testing.T) { failingServer(t, between, through(t)) })
	t.Run("CutInAnEvent", func(t *testing.T) { cutInAnEvent(t, between, through(t), admin(t)) })
	t.Run("TokenRunsOutInAWatch", func(t *testing.T) { tokenRunsOutInAWatch(t, server, between) })
	t.Run("StaleCache", func(t *testing.T) { staleCache(t, between, through(t), admin(t)) })
	t.Run("GoneAndBack", func(t *testing.T) { goneAndBack(t, server, admin(t)) })
}

// follower applies what a watch delivers.
type follower struct {
	t       *testing.T
	w       store.Watcher
	objects map[api.Key]api.Object
	last    store.Batch

	patience time.Duration // bounds each wait
}

func follow(t *testing.T, s *Store, resources ...api.Resource) *follower {
	t.Helper()
	w, err := s.Watch(t.Context(), resources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &follower{t: t, w: w, objects: map[api.Key]api.Object{}, patience: time.Minute}
}

// until takes batches until ok holds.
func (f *follower) until(what string, ok func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), f.patience)
	defer cancel()
	for !ok() {
		b, err := f.w.Next(ctx)
		if err != nil {
			f.t.Fatalf("waiting for %s: %v; last batch: in sync %v at %d: %v", what, err, f.last.InSync, f.last.Revision, f.last.Err)
		}
		f.last = b
		for _, e := range b.Events {
			if e.Object == nil && e.Err == nil {
				delete(f.objects, e.Key)
			} else if e.Err == nil {
				f.objects[e.Key] = e.Object
			}
		}
	}
}

func (f *follower) inSync() bool { return f.last.InSync }

func (f *follower) says(texts ...string) func() bool {
	return func() bool {
		for _, text := range texts {
			if f.last.Err == nil || !strings.Contains(f.last.Err.Error(), text) {
				return false
			}
		}
		return true
	}
}

func pool(name string) *v3.IPPool {
	return &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/16"}}
}

// definitionsMissing starts with an API server that knows nothing of weft.
func definitionsMissing(t *testing.T, server *kube.Server, s *Store) {
	_, err := s.Create(t.Context(), pool("a"))
	wantText(t, err, "create ippools.projectcalico.org a", "no resource ippools in projectcalico.org/v3", "CustomResourceDefinition")
	_, err = s.Get(t.Context(), api.KeyOf(pool("a")))
	if errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing definition is taken for a missing object: %v", err)
	}
	f := follow(t, s, api.IPPools, api.Namespaces)
	f.until("the missing kind", f.says("ippools", "CustomResourceDefinition"))
	server.InstallSchema(t)
	f.until("the snapshot", f.inSync)
}

// optionalKindComes follows kinds that this cluster does not have yet.
func optionalKindComes(t *testing.T, server *kube.Server, s *Store) {
	f := follow(t, s, api.AdminNetworkPolicies, api.IPPools)
	f.until("being in sync without the kind", f.inSync)
	server.InstallPolicyAPI(t)
	server.Must(t, http.MethodPost, "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies",
		`{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: a}, spec: {priority: 1, subject: {namespaces: {}}}}`)
	f.until("the policy", func() bool { return f.objects[api.Key{Resource: api.AdminNetworkPolicies, Name: "a"}] != nil })
}

// definitionOlder takes a field out of a definition, as one of an earlier version lacks it.
func definitionOlder(t *testing.T, server *kube.Server, s *Store) {
	definition := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/globalnetworksets.projectcalico.org"
	text, err := os.ReadFile("../../api/schema/projectcalico.org_globalnetworksets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	server.Must(t, http.MethodDelete, definition, "")
	server.Eventually(t, "the definition to go", func() error {
		if code, _, err := server.Do(t.Context(), http.MethodGet, definition, ""); err != nil || code != http.StatusNotFound {
			return fmt.Errorf("%d %w", code, err)
		}
		return nil
	})
	server.Must(t, http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", strings.Replace(string(text), "nets:", "older:", 1))
	server.WaitServed(t, "/apis/projectcalico.org/v3/globalnetworksets")
	set := &v3.GlobalNetworkSet{ObjectMeta: v3.ObjectMeta{Name: "a"}, Spec: v3.NetworkSetSpec{Nets: []string{"10.0.0.0/8"}}}
	_, err = s.Create(t.Context(), set)
	wantText(t, err, "create globalnetworksets.projectcalico.org a", "older than this weft", "spec.nets")
}

// permissions asks as a user whom nobody allowed anything, then one who may do all but one thing.
func permissions(t *testing.T, server *kube.Server) {
	s := client(t, Config{Kubeconfig: server.Kubeconfig(t, "", kube.UserToken)})
	_, err := s.List(t.Context(), api.IPPools, "")
	wantText(t, err, "list ippools.projectcalico.org", `allow "list" on ippools in group "projectcalico.org"`)
	_, err = s.Create(t.Context(), pool("a"))
	wantText(t, err, `allow "create" on ippools`)
	_, err = s.Pod(t.Context(), "prod", "web")
	wantText(t, err, "get pods.core prod/web", `allow "get" on pods in group ""`)
	podWatch, err := s.WatchPods(t.Context(), "n1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(podWatch.Close)
	pods := &follower{t: t, w: podWatch, objects: map[api.Key]api.Object{}, patience: time.Minute}
	pods.until("the verb for pods", pods.says(`allow "watch" on pods in group ""`))
	f := follow(t, s, api.NetworkPolicies)
	f.until("the verb", f.says(`"watch" on networkpolicies`))
	for _, body := range []string{
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: weft}, rules: [{apiGroups: [projectcalico.org], resources: ["*"], verbs: [get, list, watch]}]}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: weft}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: weft}, subjects: [{kind: User, name: weft, apiGroup: rbac.authorization.k8s.io}]}`,
	} {
		path := "/apis/rbac.authorization.k8s.io/v1/clusterroles"
		if strings.Contains(body, "Binding") {
			path += "bindings"
			path = strings.Replace(path, "clusterrolesbindings", "clusterrolebindings", 1)
		}
		server.Must(t, http.MethodPost, path, body)
	}
	f.until("the snapshot", f.inSync)
	_, err = s.Create(t.Context(), pool("a"))
	wantText(t, err, `allow "create" on ippools`)
}

// tokenRunsOut has a token in a file that is renewed in place.
func tokenRunsOut(t *testing.T, server *kube.Server) {
	token := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("run-out")
	path := server.Kubeconfig(t, "", "x")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "token: x", "tokenFile: "+token, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := client(t, Config{Kubeconfig: path})
	_, err = s.List(t.Context(), api.IPPools, "")
	wantText(t, err, "does not know this identity", "check the token")
	f := follow(t, s, api.IPPools)
	f.until("the refusal", f.says("does not know this identity"))
	write(kube.AdminToken)
	if _, err := s.List(t.Context(), api.IPPools, ""); err != nil {
		t.Errorf("with a new token in the file: %v", err)
	}
	f.until("the snapshot", f.inSync)
}

func tooLargeObject(t *testing.T, s *Store) {
	set := &v3.NetworkSet{ObjectMeta: v3.ObjectMeta{Namespace: "prod", Name: "big"}}
	for i := range 200_000 {
		set.Spec.Nets = append(set.Spec.Nets, fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255))
	}
	_, err := s.Create(t.Context(), set)
	wantText(t, err, "create networksets.projectcalico.org prod/big", "larger than the Kubernetes API takes")
}

// nodeIsKubernetes reads and writes a Node that a kubelet registered.
func nodeIsKubernetes(t *testing.T, server *kube.Server, s *Store) {
	server.Must(t, http.MethodPost, "/api/v1/nodes", `{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {rack: a}, annotations: {mine: "1", projectcalico.org/ASNumber: "64513"}}, spec: {podCIDRs: ["10.1.0.0/24"], podCIDR: 10.1.0.0/24}}`)
	server.Must(t, http.MethodPatch, "/api/v1/nodes/n1/status", `{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"},{"type":"Hostname","address":"n1"}]}}`)
	key := api.Key{Resource: api.Nodes, Name: "n1"}
	obj, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	n := obj.(*v3.Node)
	if n.Labels["rack"] != "a" || n.Spec.BGP == nil || n.Spec.BGP.ASNumber.Value != 64513 || len(n.Spec.Addresses) != 1 || n.Status.PodCIDRs[0] != "10.1.0.0/24" {
		t.Errorf("read %+v %+v", n.Spec, n.Status)
	}
	next := api.Clone(n)
	next.Spec.BGP = &v3.NodeBGPSpec{IPv4Address: "192.0.2.1/24"}
	next.Status.WireguardPublicKey = "key"
	if _, err := s.Update(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	answer := server.Must(t, http.MethodGet, "/api/v1/nodes/n1", "")
	for _, text := range []string{`"projectcalico.org/IPv4Address":"192.0.2.1/24"`, `"projectcalico.org/WireguardPublicKey":"key"`, `"mine":"1"`, `"podCIDR":"10.1.0.0/24"`} {
		if !strings.Contains(answer, text) {
			t.Errorf("the Node lacks %s: %s", text, answer)
		}
	}
	if strings.Contains(answer, `"projectcalico.org/ASNumber"`) {
		t.Errorf("a field that was taken out is still there: %s", answer)
	}
	if _, err := s.Update(t.Context(), next); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an update of an old revision: %v", err)
	}
	wantText(t, s.Delete(t.Context(), key, 0), "kubectl delete node n1")
}

// deafServer keeps connections open and answers nothing.
func deafServer(t *testing.T, server *kube.Server) {
	proxy := kube.NewProxy(t, server.Address)
	hurried := quick
	hurried.silence = 300 * time.Millisecond
	s, err := newStore(Config{Kubeconfig: server.Kubeconfig(t, proxy.Address, kube.AdminToken)}, hurried)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	proxy.Deafen()
	f := follow(t, s, api.IPPools)
	f.until("the silence", f.says("no sign of life"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Create(ctx, pool("unknown")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("create: %v", err)
	}
	proxy.Cut()
	proxy.Mend()
	f.until("the snapshot", f.inSync)
}

// goneAndBack kills the API server, whose watches then have to start from a server without memory of them.
func goneAndBack(t *testing.T, server *kube.Server, s *Store) {
	f := follow(t, s, api.IPPools, api.NetworkPolicies, api.Namespaces)
	f.until("the snapshot", f.inSync)
	if _, err := s.Create(t.Context(), pool("before")); err != nil {
		t.Fatal(err)
	}
	f.until("the pool", func() bool { return f.objects[api.KeyOf(pool("before"))] != nil })
	server.Stop()
	f.until("the loss", func() bool { return !f.last.InSync && errors.Is(f.last.Err, store.ErrUnavailable) })
	if len(f.objects) == 0 {
		t.Error("what was known is gone with the server")
	}
	server.StartAgain(t)
	if err := s.Delete(t.Context(), api.KeyOf(pool("before")), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), pool("after")); err != nil {
		t.Fatal(err)
	}
	f.until("what came after", func() bool {
		return f.last.InSync && f.objects[api.KeyOf(pool("after"))] != nil && f.objects[api.KeyOf(pool("before"))] == nil
	})
}

func wantText(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v; want one with %q", err, text)
		}
	}
}
