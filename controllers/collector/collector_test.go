// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// cluster is a store with a pool, a collector and its clock.
type cluster struct {
	t *testing.T
	*memstore.Store
	collector *Collector
	time      time.Time
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, Store: memstore.New(), time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.collector = New(c.Store)
	c.collector.now = func() time.Time { return c.time }
	t.Cleanup(func() { c.collector.Close(); _ = c.Store.Close() })
	c.put(&v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "p"}, Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/24"}})
	return c
}

func (c *cluster) put(obj api.Object) {
	c.t.Helper()
	if _, err := c.Create(c.t.Context(), obj); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) node(name string) {
	c.t.Helper()
	c.put(&v3.Node{ObjectMeta: v3.ObjectMeta{Name: name, Annotations: map[string]string{v3.AgentInstanceAnnotation: "i"}}})
}

func (c *cluster) deleteNode(name string) {
	c.t.Helper()
	if err := c.Delete(c.t.Context(), api.Key{Resource: api.Nodes, Name: name}, 0); err != nil {
		c.t.Fatal(err)
	}
}

// pod assigns an address as a node does, adds the endpoint if asked, and returns the address.
func (c *cluster) pod(node, name string, endpoint bool) string {
	c.t.Helper()
	a := ipam.New(c.Store, ipam.Options{Node: node})
	defer a.Close()
	r, err := a.Assign(c.t.Context(), ipam.Request{Handle: name, IPv4: true, Attrs: map[string]string{"node": node, "namespace": "prod", "pod": name}})
	if err != nil {
		c.t.Fatal(err)
	}
	if endpoint {
		e := &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Name: name, Namespace: "prod"}}
		e.Spec.Node, e.Spec.IPNetworks = node, []string{r.Addrs[0].String() + "/32"}
		c.put(e)
	}
	return r.Addrs[0].String()
}

// look advances the clock, reconciles and returns what was done.
func (c *cluster) look(after time.Duration) string {
	c.t.Helper()
	c.time = c.time.Add(after)
	r, err := c.collector.Reconcile(c.t.Context(), 15*time.Minute)
	if err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, leak := range r.Freed {
		out = append(out, leak.Handle)
	}
	return strings.TrimSpace(strings.Join(append(out, r.Nodes...), " "))
}

func (c *cluster) count(resource api.Resource) int {
	c.t.Helper()
	list, err := c.List(c.t.Context(), resource, "")
	if err != nil {
		c.t.Fatal(err)
	}
	return len(list.Items)
}

func (c *cluster) expect(when, got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%s: freed %q, want %q", when, got, want)
	}
}

func TestLeakIsFreedAfterItsGrace(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.pod("n1", "alive", true)
	c.pod("n1", "gone", false)
	c.expect("first look", c.look(0), "")
	c.expect("within the grace", c.look(14*time.Minute), "")
	c.expect("after it", c.look(time.Minute), "gone")
	c.expect("again", c.look(time.Hour), "")
	if n := c.count(api.IPAMHandles); n != 1 {
		t.Errorf("%d handles", n)
	}
}

// TestFirstLookFreesNothing: however long a collector was away, it looks twice.
func TestFirstLookFreesNothing(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.pod("n1", "gone", false)
	c.expect("long after", c.look(24*time.Hour), "")
	r, err := c.collector.Reconcile(t.Context(), 0)
	if err != nil || len(r.Freed) > 0 || r.Next != 0 {
		t.Errorf("turned off: %+v, %v", r, err)
	}
}

// TestOwnerComesMeanwhile: an address that is in use at the second look, or that another workload has by then, starts anew.
func TestOwnerComesMeanwhile(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.pod("n1", "slow", false)
	c.look(0)
	list, err := c.List(t.Context(), api.IPAMBlocks, "")
	if err != nil {
		t.Fatal(err)
	}
	addr := ipam.Leaks(append(list.Items, &v3.Node{ObjectMeta: v3.ObjectMeta{Name: "n1", Annotations: map[string]string{v3.AgentInstanceAnnotation: "i"}}}))[0].Addrs[0].Addr
	e := &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Name: "slow", Namespace: "prod"}, Spec: v3.WorkloadEndpointSpec{Node: "n1", IPNetworks: []string{addr.String()}}}
	c.put(e)
	c.expect("with an owner", c.look(time.Hour), "")
	if err := c.Delete(t.Context(), api.KeyOf(e), 0); err != nil {
		t.Fatal(err)
	}
	c.expect("the owner has just left", c.look(time.Hour), "")
	c.expect("long enough", c.look(15*time.Minute), "slow")
}

// TestDeletedNode: endpoints, addresses, tunnel addresses and blocks of a node that is gone for a while go, those of others stay.
func TestDeletedNode(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.node("n2")
	c.pod("n1", "a", true)
	c.pod("n2", "b", true)
	tunnel := ipam.New(c.Store, ipam.Options{Node: "n1"})
	defer tunnel.Close()
	if _, err := tunnel.Assign(t.Context(), ipam.Request{Handle: "vxlan-tunnel-addr-n1", IPv4: true, Use: v3.UseTunnel,
		Attrs: map[string]string{"node": "n1", "type": "vxlanTunnelAddress"}}); err != nil {
		t.Fatal(err)
	}
	c.deleteNode("n1")
	c.expect("first look", c.look(0), "")
	c.expect("after the grace", c.look(NodeGrace), "a vxlan-tunnel-addr-n1 n1")
	if e, a, b, h := c.count(api.WorkloadEndpoints), c.count(api.BlockAffinities), c.count(api.IPAMBlocks), c.count(api.IPAMHandles); e+a+b+h != 4 {
		t.Errorf("%d endpoints, %d affinities, %d blocks, %d handles left", e, a, b, h)
	}
}

// TestNodeComesAgain: a node that was made anew within the grace keeps what it had.
func TestNodeComesAgain(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.pod("n1", "a", true)
	c.deleteNode("n1")
	c.look(0)
	c.node("n1")
	c.expect("there again", c.look(time.Hour), "")
	c.deleteNode("n1")
	c.expect("gone once more", c.look(time.Hour), "")
	if n := c.count(api.WorkloadEndpoints); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

// TestNothingIsJudgedBlind: with an endpoint or a node that cannot be read, nothing is freed.
func TestNothingIsJudgedBlind(t *testing.T) {
	for _, key := range []api.Key{{Resource: api.WorkloadEndpoints, Namespace: "prod", Name: "x"}, {Resource: api.Nodes, Name: "x"}} {
		c := newCluster(t)
		c.node("n1")
		c.pod("n1", "gone", false)
		c.look(0)
		c.Inject(key, []byte("no JSON"))
		c.time = c.time.Add(time.Hour)
		r, err := c.collector.Reconcile(t.Context(), time.Minute)
		if err == nil || !strings.Contains(err.Error(), key.String()) || len(r.Freed)+len(r.Nodes) > 0 {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
	}
}

// withPods is a store of a cluster whose workloads are Pods.
type withPods struct {
	*memstore.Store
	pods map[string]*corev1.Pod // by namespace/name
	err  error
}

func (w *withPods) WatchPods(context.Context, string) (store.Watcher, error) {
	return nil, errors.New("not asked for")
}

func (w *withPods) Pod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	if pod := w.pods[namespace+"/"+name]; pod != nil || w.err != nil {
		return pod, w.err
	}
	return nil, &store.KeyError{Op: "get", Key: store.PodKey(namespace, name), Err: store.ErrNotFound}
}

func podIPs(pod *corev1.Pod) []corev1.PodIP {
	if pod == nil {
		return nil
	}
	return pod.Status.PodIPs
}

// TestPodsThatLive: on Kubernetes an address is not freed while a pod has it, running or being deleted, though no endpoint says so; it is when the pod is over, is gone, or
// is another one of the name.
func TestPodsThatLive(t *testing.T) {
	const its = "its own" // the address of the leak
	pod := func(phase corev1.PodPhase, addrs ...string) *corev1.Pod {
		p := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
		for _, a := range addrs {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: a})
		}
		return p
	}
	deleted := pod(corev1.PodRunning, its)
	deleted.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	onHost := pod(corev1.PodRunning, "192.0.2.1")
	onHost.Spec.HostNetwork = true
	for name, test := range map[string]struct {
		pod   *corev1.Pod
		err   error
		freed string
		says  string
	}{
		"runs":                      {pod: pod(corev1.PodRunning, "fd00::1", its), says: "pod prod/web has ADDRESS, but no WorkloadEndpoint says so"},
		"is being deleted":          {pod: deleted, says: "pod prod/web has ADDRESS"},
		"starts, has none yet":      {pod: pod(corev1.PodPending), freed: "web"}, // the grace is over
		"job that is done":          {pod: pod(corev1.PodSucceeded, its), freed: "web"},
		"job that failed":           {pod: pod(corev1.PodFailed, its), freed: "web"},
		"gone":                      {freed: "web"},
		"made anew with the name":   {pod: pod(corev1.PodRunning, "192.0.2.9"), freed: "web"},
		"made anew, host's network": {pod: onHost, freed: "web"},
		"cannot be read":            {err: store.ErrUnavailable, says: store.ErrUnavailable.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			pods := &withPods{Store: c.Store, pods: map[string]*corev1.Pod{}, err: test.err}
			if test.pod != nil {
				pods.pods["prod/web"] = test.pod
			}
			c.collector.store = pods
			c.node("n1")
			addr := c.pod("n1", "web", false)
			for i, ip := range podIPs(test.pod) {
				if ip.IP == its {
					test.pod.Status.PodIPs[i].IP = addr
				}
			}
			c.look(0)
			c.time = c.time.Add(time.Hour)
			r, err := c.collector.Reconcile(t.Context(), 15*time.Minute)
			got := ""
			for _, leak := range r.Freed {
				got += leak.Handle
			}
			if got != test.freed || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), strings.ReplaceAll(test.says, "ADDRESS", addr)) {
				t.Errorf("freed %q, %v; want %q, %q", got, err, test.freed, test.says)
			}
		})
	}
}

// TestPodOfDeletedNode: what Kubernetes still says of pods on a node that is gone keeps nothing.
func TestPodOfDeletedNode(t *testing.T) {
	c := newCluster(t)
	ghost := &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: "10.0.0.0"}}}}
	c.collector.store = &withPods{Store: c.Store, pods: map[string]*corev1.Pod{"prod/a": ghost}}
	c.node("n1")
	c.pod("n1", "a", true)
	c.deleteNode("n1")
	c.look(0)
	c.expect("after the grace", c.look(NodeGrace), "a n1")
}

// TestNext: the collector says when to look again.
func TestNext(t *testing.T) {
	c := newCluster(t)
	c.node("n1")
	c.pod("n1", "gone", false)
	c.pod("n9", "away", false)
	r, err := c.collector.Reconcile(t.Context(), 15*time.Minute)
	if got := fmt.Sprint(r.Next); err != nil || got != "1m0s" {
		t.Errorf("next look in %s, %v", got, err)
	}
}
