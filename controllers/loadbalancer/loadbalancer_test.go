// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package loadbalancer_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers/loadbalancer"
	"github.com/weftnet/weft/store/memstore"
)

// service returns a LoadBalancer service with annotations, as name, value, ...
func service(name string, families []corev1.IPFamily, annotations ...string) *corev1.Service {
	s := &corev1.Service{}
	s.Name, s.Namespace, s.Annotations = name, "prod", map[string]string{}
	s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, IPFamilies: families, Ports: []corev1.ServicePort{{Port: 80}}}
	for i := 0; i < len(annotations); i += 2 {
		s.Annotations["projectcalico.org/"+annotations[i]] = annotations[i+1]
	}
	return s
}

var (
	v4   = []corev1.IPFamily{corev1.IPv4Protocol}
	dual = []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
)

func TestFor(t *testing.T) {
	class := func(s *corev1.Service, name string) *corev1.Service { s.Spec.LoadBalancerClass = &name; return s }
	plain := service("a", nil)
	plain.Spec.Type = corev1.ServiceTypeClusterIP
	for _, test := range []struct {
		name      string
		s         *corev1.Service
		requested bool
		want      string
	}{
		{"no LoadBalancer", plain, false, "<nil>"},
		{"any", service("a", nil), false, "&{true false [] [] [] false}"},
		{"any, but only requested ones", service("a", nil), true, "<nil>"},
		{"another's class", class(service("a", nil), "metal"), false, "<nil>"},
		{"our class", class(service("a", dual), "calico"), true, "&{true true [] [] [] true}"},
		{"pools", service("a", v4, "ipv4pools", `["x","10.0.0.0/24"]`), true, "&{true false [x 10.0.0.0/24] [] [] true}"},
		{"one address of two families", service("a", dual, "loadBalancerIPs", `["10.0.0.9"]`), true, "&{true false [] [] [10.0.0.9] true}"},
		{"no list", service("a", v4, "ipv4pools", "x"), false, `metadata.annotations[projectcalico.org/ipv4pools]: "x" is no JSON list`},
		{"no address", service("a", v4, "loadBalancerIPs", `["x"]`), false, `"x" is no IP address`},
		{"the other family", service("a", v4, "loadBalancerIPs", `["2001:db8::1"]`), false, "spec.ipFamilies does not have"},
		{"two of a family", service("a", v4, "loadBalancerIPs", `["10.0.0.1","10.0.0.2"]`), false, "more than one address"},
	} {
		w, err := loadbalancer.For(test.s, test.requested)
		got := fmt.Sprint(w)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// cluster is a store with a controller.
type cluster struct {
	t *testing.T
	*memstore.Store
	*loadbalancer.Controller
}

func (c *cluster) Close() error { c.Controller.Close(); return c.Store.Close() }

func newCluster(t *testing.T, objects ...api.Object) *cluster {
	s := memstore.New()
	c := &cluster{t, s, loadbalancer.New(s)}
	t.Cleanup(func() { _ = c.Close() })
	for _, obj := range objects {
		c.put(obj)
	}
	return c
}

func (c *cluster) put(obj api.Object) {
	c.t.Helper()
	if _, err := c.Create(c.t.Context(), obj); err != nil {
		c.t.Fatal(err)
	}
}

func pool(name, cidr string) *v3.IPPool {
	return &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: cidr, AllowedUses: []string{v3.UseLoadBalancer}}}
}

func (c *cluster) get(name string) *corev1.Service {
	c.t.Helper()
	obj, err := c.Get(c.t.Context(), api.Key{Resource: api.Services, Namespace: "prod", Name: name})
	if err != nil {
		c.t.Fatal(err)
	}
	return obj.(*corev1.Service)
}

func (c *cluster) change(name string, edit func(*corev1.Service)) {
	c.t.Helper()
	s := api.Clone(c.get(name))
	if s.Annotations == nil {
		s.Annotations = map[string]string{}
	}
	edit(s)
	if _, err := c.Update(c.t.Context(), s); err != nil {
		c.t.Fatal(err)
	}
}

// addresses reconciles and returns what the status of a service says.
func (c *cluster) addresses(name string) string {
	c.t.Helper()
	if err := c.Reconcile(c.t.Context(), false); err != nil {
		c.t.Fatal(err)
	}
	return statusOf(c.get(name))
}

func statusOf(s *corev1.Service) string {
	var out []string
	for _, i := range s.Status.LoadBalancer.Ingress {
		out = append(out, i.IP)
	}
	return strings.Join(out, " ")
}

func (c *cluster) handles() int {
	c.t.Helper()
	list, err := c.List(c.t.Context(), api.IPAMHandles, "")
	if err != nil {
		c.t.Fatal(err)
	}
	return len(list.Items)
}

// TestLifeOfAService follows a service from its first address to its deletion.
func TestLifeOfAService(t *testing.T) {
	c := newCluster(t, pool("lb4", "10.7.0.0/24"), pool("lb6", "2001:db8:7::/120"), pool("other", "10.8.0.0/24"), service("web", v4, "ipv4pools", `["lb4"]`))
	first := c.addresses("web")
	if !strings.HasPrefix(first, "10.7.0.") {
		t.Fatalf("address %q", first)
	}
	before := c.get("web").ResourceVersion
	if again := c.addresses("web"); again != first || c.get("web").ResourceVersion != before {
		t.Errorf("a second look changed something: %s, %s", first, again)
	}
	c.change("web", func(s *corev1.Service) { s.Status = corev1.ServiceStatus{} })
	if again := c.addresses("web"); again != first {
		t.Errorf("after the status was lost: %q, had %q", again, first)
	}
	c.change("web", func(s *corev1.Service) { s.Spec.IPFamilies = dual })
	if both := c.addresses("web"); !strings.HasPrefix(both, first+" 2001:db8:7::") {
		t.Errorf("with both families: %q", both)
	}
	c.change("web", func(s *corev1.Service) { s.Annotations["projectcalico.org/loadBalancerIPs"] = `["10.8.0.77"]` })
	if exact := c.addresses("web"); exact != "10.8.0.77" || c.handles() != 1 {
		t.Errorf("by value: %q, %d handles", exact, c.handles())
	}
	c.change("web", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP })
	if none := c.addresses("web"); none != "" || c.handles() != 0 {
		t.Errorf("no LoadBalancer any more: %q, %d handles", none, c.handles())
	}
	c.change("web", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer })
	c.addresses("web")
	if err := c.Delete(t.Context(), api.KeyOf(service("web", nil)), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Reconcile(t.Context(), false); err != nil || c.handles() != 0 {
		t.Errorf("after its deletion: %d handles, %v", c.handles(), err)
	}
}

// TestOthersAreLeftAlone: without pools for LoadBalancers somebody else serves the services; one that asks us is told.
func TestOthersAreLeftAlone(t *testing.T) {
	c := newCluster(t, service("web", v4))
	c.change("web", func(s *corev1.Service) {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.1"}}
	})
	if got := c.addresses("web"); got != "198.51.100.1" {
		t.Errorf("status %q", got)
	}
	c.put(service("asks", v4, "ipv4pools", `["lb"]`))
	if err := c.Reconcile(t.Context(), false); err == nil || !strings.Contains(err.Error(), "service prod/asks: ") {
		t.Errorf("error %v", err)
	}
}

// TestOneBadServiceDoesNotStopOthers: a broken annotation and an address of no pool keep what is there, and the next service is served.
func TestOneBadServiceDoesNotStopOthers(t *testing.T) {
	c := newCluster(t, pool("lb", "10.7.0.0/26"), service("a", v4), service("b", v4))
	first := c.addresses("a")
	c.change("a", func(s *corev1.Service) { s.Annotations["projectcalico.org/ipv4pools"] = "lb" })
	c.change("b", func(s *corev1.Service) { s.Annotations["projectcalico.org/loadBalancerIPs"] = `["192.0.2.1"]` })
	c.put(service("c", v4))
	err := c.Reconcile(t.Context(), false)
	if err == nil || !strings.Contains(err.Error(), "service prod/a: ") || !strings.Contains(err.Error(), "192.0.2.1 lies in no IPPool") {
		t.Errorf("error %v", err)
	}
	if statusOf(c.get("a")) != first || statusOf(c.get("b")) == "" || statusOf(c.get("c")) == "" {
		t.Errorf("a %q, b %q, c %q", statusOf(c.get("a")), statusOf(c.get("b")), statusOf(c.get("c")))
	}
}

// TestUnreadableServiceKeepsItsAddress: nothing is freed while a service cannot be read.
func TestUnreadableServiceKeepsItsAddress(t *testing.T) {
	c := newCluster(t, pool("lb", "10.7.0.0/26"), service("a", v4))
	c.addresses("a")
	c.Inject(api.KeyOf(service("a", nil)), []byte("no JSON"))
	if err := c.Reconcile(t.Context(), false); err != nil || c.handles() != 1 {
		t.Errorf("%d handles, %v", c.handles(), err)
	}
}
