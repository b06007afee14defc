// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/store/memstore"
	"github.com/weftnet/weft/store/storetest"
	"github.com/weftnet/weft/store/transfer"
	"github.com/weftnet/weft/test/kube"
)

// filled returns a datastore with an object of every kind.
func filled(t *testing.T) *memstore.Store {
	t.Helper()
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	for kind := range api.Kinds() {
		if kind.Resource == api.Leases {
			continue // says who leads now, and is not copied
		}
		obj := storetest.Sample(kind)
		if kind.Resource == api.ClusterInformations {
			obj = &v3.ClusterInformation{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.ClusterInformationSpec{ClusterGUID: "g-1"}}
		}
		put(t, s, obj)
	}
	return s
}

func put(t *testing.T, s store.Store, obj api.Object) {
	t.Helper()
	if _, err := s.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Store) []api.Object {
	t.Helper()
	out, err := transfer.Read(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustCopy copies, and expects no difference.
func mustCopy(t *testing.T, objects []api.Object, to store.Store, o transfer.Options) transfer.Report {
	t.Helper()
	r, err := transfer.Copy(t.Context(), objects, to, o)
	if err != nil || len(r.Differences) > 0 {
		t.Fatalf("copy: %+v, %v", r, err)
	}
	return r
}

func information(t *testing.T, s store.Store) *v3.ClusterInformation {
	t.Helper()
	obj, err := s.Get(t.Context(), api.Key{Resource: api.ClusterInformations, Name: "default"})
	if err != nil {
		t.Fatal(err)
	}
	return obj.(*v3.ClusterInformation)
}

// TestEveryKindIsCopied sends an object of every kind from memory to etcd, back, and to Kubernetes where that is built. Nothing differs.
func TestEveryKindIsCopied(t *testing.T) {
	from := filled(t)
	objects := read(t, from)
	if kinds := len(slices.Collect(api.Kinds())) - 1; len(objects) != kinds {
		t.Fatalf("read %d objects of %d kinds: a kind is missing in the order of writing", len(objects), kinds)
	}
	etcd := startEtcd(t)
	if r := mustCopy(t, objects, etcd, transfer.Options{Source: "memory"}); r.Created != len(objects)-1 {
		t.Errorf("report %+v", r)
	}
	back := memstore.New()
	defer back.Close()
	mustCopy(t, read(t, etcd), back, transfer.Options{Source: "etcd"})
	if d, err := transfer.Compare(objects, read(t, back)); err != nil || len(d) > 0 {
		t.Errorf("there and back again: %v, %v", d, err)
	}
	info := information(t, back)
	if info.Spec.ClusterGUID != "g-1" || info.Annotations[store.SchemaAnnotation] != store.SchemaMark() || len(info.Annotations) != 1 {
		t.Errorf("ClusterInformation %+v", info)
	}
}

func startEtcd(t *testing.T) store.Store {
	t.Helper()
	e, err := etcdstore.StartEmbedded(t.Context(), etcdstore.EmbeddedConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := etcdstore.New(etcdstore.Config{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestKubernetes copies to a real Kubernetes API and back.
func TestKubernetes(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	server.InstallPolicyAPI(t)
	cluster, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	objects := read(t, filled(t))
	o := transfer.Options{Source: "memory", Kubernetes: true}
	if _, err := transfer.Copy(t.Context(), objects, cluster, o); err == nil || !strings.Contains(err.Error(), "no namespace prod") {
		t.Fatalf("without the namespace: %v", err)
	}
	server.Must(t, "POST", "/api/v1/namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: prod}}")
	server.Must(t, "POST", "/api/v1/nodes", "{apiVersion: v1, kind: Node, metadata: {name: x.y-1, labels: {app: backend}}}")
	r := mustCopy(t, objects, cluster, o)
	if len(r.Skipped) != 4 || r.Created < 25 {
		t.Errorf("report %+v", r)
	}
	if r := mustCopy(t, objects, cluster, transfer.Options{Source: "memory", Kubernetes: true, Existing: transfer.Merge}); r.Created+r.Replaced > 0 {
		t.Errorf("the same again: %+v", r)
	}
	back := memstore.New()
	defer back.Close()
	mustCopy(t, read(t, cluster), back, transfer.Options{Source: "kubernetes"})
}

// TestKubernetesKeepsItsOwn: what Kubernetes makes is neither written nor taken for a full target, and a Node gets weft's fields.
func TestKubernetesKeepsItsOwn(t *testing.T) {
	from := filled(t)
	put(t, from, &v3.Node{ObjectMeta: v3.ObjectMeta{Name: "n1"}, Spec: v3.NodeSpec{BGP: &v3.NodeBGPSpec{IPv4Address: "192.0.2.1/24"}}})
	to := memstore.New()
	defer to.Close()
	for _, text := range []string{`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod"}}`, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other"}}`} {
		ns, err := api.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		put(t, to, ns)
	}
	kubelet := &v3.Node{ObjectMeta: v3.ObjectMeta{Name: "n1", Labels: map[string]string{"os": "linux"}}}
	kubelet.Spec.Addresses = []v3.NodeAddress{{Address: "192.0.2.1", Type: "InternalIP"}}
	put(t, to, kubelet)
	r := mustCopy(t, read(t, from), to, transfer.Options{Source: "memory", Kubernetes: true})
	if got := fmt.Sprint(r.Skipped); !strings.Contains(got, "nodes.projectcalico.org x.y-1: Kubernetes has no such node") || len(r.Skipped) != 5 {
		t.Errorf("skipped %s", got)
	}
	obj, err := to.Get(t.Context(), api.KeyOf(kubelet))
	if err != nil {
		t.Fatal(err)
	}
	if n := obj.(*v3.Node); n.Spec.BGP == nil || len(n.Spec.Addresses) != 1 || n.Labels["os"] != "linux" {
		t.Errorf("node %+v", n)
	}
}

func TestTargetIsNotEmpty(t *testing.T) {
	from, to := filled(t), memstore.New()
	defer to.Close()
	objects := read(t, from)
	mine := &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "mine"}, Spec: v3.IPPoolSpec{CIDR: "10.9.0.0/16"}}
	put(t, to, mine)
	if _, err := transfer.Copy(t.Context(), objects, to, transfer.Options{Source: "a"}); err == nil || !strings.Contains(err.Error(), "not empty: it has ippools.projectcalico.org mine") {
		t.Errorf("refused with %v", err)
	}
	if len(read(t, to)) != 1 {
		t.Error("something was written")
	}
	if r := mustCopy(t, objects, to, transfer.Options{Source: "a", Existing: transfer.Merge, DryRun: true}); r.Created != len(objects)-1 || len(read(t, to)) != 1 {
		t.Errorf("dry run: %+v", r)
	}
	mustCopy(t, objects, to, transfer.Options{Source: "a", Existing: transfer.Merge})

	changed, err := to.Get(t.Context(), api.Key{Resource: api.IPPools, Name: "x.y-1"})
	if err != nil {
		t.Fatal(err)
	}
	pool := api.Clone(changed.(*v3.IPPool))
	pool.Spec.CIDR = "10.8.0.0/16"
	if _, err := to.Update(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), objects, to, transfer.Options{Source: "a", Existing: transfer.Merge}); err == nil || !strings.Contains(err.Error(), "x.y-1 in another form") {
		t.Errorf("merged over a difference: %v", err)
	}
	if r := mustCopy(t, objects, to, transfer.Options{Source: "a", Existing: transfer.Overwrite}); r.Replaced != 1 || r.Created != 0 {
		t.Errorf("overwritten: %+v", r)
	}
	if _, err := to.Get(t.Context(), api.KeyOf(mine)); err != nil {
		t.Errorf("what the target had besides: %v", err)
	}
}

// failing lets some writes through, then is gone as a process is that was killed: nothing more is written, at whatever step that is.
type failing struct {
	store.Store
	left atomic.Int32
}

var errKilled = errors.New("killed")

func (f *failing) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	if f.left.Add(-1) < 0 {
		return nil, errKilled
	}
	return f.Store.Create(ctx, obj)
}

func (f *failing) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	if f.left.Add(-1) < 0 {
		return nil, errKilled
	}
	return f.Store.Update(ctx, obj)
}

// TestInterruptedCopyGoesOn kills a copy at every write. What is there then is whole objects; another copy is refused, the same one goes on.
func TestInterruptedCopyGoesOn(t *testing.T) {
	objects := read(t, filled(t))
	for n := 0; ; n++ {
		to := memstore.New()
		f := &failing{Store: to}
		f.left.Store(int32(n))
		_, err := transfer.Copy(t.Context(), objects, f, transfer.Options{Source: "a"})
		if err == nil {
			if n != len(objects)+1 { // the mark, the objects but one, its end
				t.Errorf("complete after %d writes", n)
			}
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("after %d writes: %v", n, err)
		}
		if n > 0 && n <= len(objects) {
			if _, err := transfer.Copy(t.Context(), objects, to, transfer.Options{Source: "b"}); err == nil || !strings.Contains(err.Error(), "interrupted copy from a") {
				t.Fatalf("another source after %d writes: %v", n, err)
			}
		}
		r := mustCopy(t, objects, to, transfer.Options{Source: "a"})
		if r.Resumed != (n > 0) || r.Created+r.Same != len(objects)-1 {
			t.Fatalf("gone on after %d writes: %+v", n, r)
		}
		if left := information(t, to).Annotations; len(left) != 1 {
			t.Fatalf("marks left: %v", left)
		}
	}
}

// TestDifferencesAreNamed: what somebody else writes to the target meanwhile is found.
func TestDifferencesAreNamed(t *testing.T) {
	to := memstore.New()
	defer to.Close()
	objects := read(t, filled(t))
	o := transfer.Options{Source: "a", Progress: func(done, total int) {
		if done == total {
			put(t, to, &v3.GlobalNetworkSet{ObjectMeta: v3.ObjectMeta{Name: "intruder"}})
			if err := to.Delete(t.Context(), api.Key{Resource: api.IPPools, Name: "x.y-1"}, 0); err != nil {
				t.Error(err)
			}
		}
	}}
	r, err := transfer.Copy(t.Context(), objects, to, o)
	want := "[globalnetworksets.projectcalico.org intruder: is there besides ippools.projectcalico.org x.y-1: is missing]"
	if got := fmt.Sprint(r.Differences); err != nil || got != want {
		t.Errorf("differences %s, %v", got, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	newer, broken, empty := memstore.New(), memstore.New(), memstore.New()
	for s, mark := range map[store.Store]string{newer: "99", broken: "many"} {
		put(t, s, &v3.ClusterInformation{ObjectMeta: v3.ObjectMeta{Name: "default", Annotations: map[string]string{store.SchemaAnnotation: mark}}})
	}
	if _, err := transfer.Read(t.Context(), newer); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("read: %v", err)
	}
	if _, err := transfer.Copy(t.Context(), nil, newer, transfer.Options{Source: "a", Existing: transfer.Overwrite}); err == nil || !strings.Contains(err.Error(), "the target") {
		t.Errorf("write: %v", err)
	}
	if _, err := transfer.Read(t.Context(), broken); err == nil || !strings.Contains(err.Error(), `"many"`) {
		t.Errorf("broken: %v", err)
	}
	if _, err := transfer.Read(t.Context(), empty); err != nil {
		t.Errorf("without a mark: %v", err)
	}
}

func TestUnreadableSource(t *testing.T) {
	s := memstore.New()
	s.Inject(api.Key{Resource: api.IPPools, Name: "p"}, []byte("no JSON"))
	if _, err := transfer.Read(t.Context(), s); err == nil || !strings.Contains(err.Error(), "ippools.projectcalico.org p") {
		t.Errorf("read: %v", err)
	}
}
