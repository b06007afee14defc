// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/controllers"
	"github.com/weftnet/weft/controllers/defaultpool"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/store/memstore"
	"github.com/weftnet/weft/test/kube"
)

// patience bounds waits that end with an event.
const patience = 10 * time.Second

// cluster is a store with controllers running on it.
type cluster struct {
	*memstore.Store
	t *testing.T
}

func start(t *testing.T) *cluster { return startWith(t, controllers.Options{}) }

func startWith(t *testing.T, o controllers.Options) *cluster {
	o.Log = slog.New(slog.DiscardHandler)
	c := &cluster{memstore.New(), t}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- controllers.Run(ctx, c, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		_ = c.Store.Close()
	})
	return c
}

func (c *cluster) put(obj api.Object) {
	c.t.Helper()
	if _, err := c.Update(c.t.Context(), obj); err == nil {
		return
	}
	if _, err := c.Create(c.t.Context(), obj); err != nil {
		c.t.Fatal(err)
	}
}

// until waits until the store has just these host endpoints.
func (c *cluster) until(want ...string) {
	c.t.Helper()
	var got []string
	c.await(api.HostEndpoints, func() bool {
		list, err := c.List(c.t.Context(), api.HostEndpoints, "")
		if err != nil {
			c.t.Fatal(err)
		}
		got = nil
		for _, obj := range list.Items {
			got = append(got, obj.GetName())
		}
		return slices.Equal(got, want)
	}, "host endpoints", &got, "want", want)
}

// await looks whenever a resource has changed until ok.
func (c *cluster) await(r api.Resource, ok func() bool, about ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	watch, err := c.Watch(ctx, r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer watch.Close()
	for !ok() {
		if _, err := watch.Next(ctx); err != nil {
			c.t.Fatal(append(about, err)...)
		}
	}
}

func config(autoCreate, byDefault string) *v3.KubeControllersConfiguration {
	return &v3.KubeControllersConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.KubeControllersConfigurationSpec{
		Controllers: v3.ControllersConfig{Node: &v3.NodeControllerConfig{
			HostEndpoint: &v3.AutoHostEndpointConfig{AutoCreate: autoCreate, CreateDefaultHostEndpoint: byDefault},
		}},
	}}
}

func node(name string) *v3.Node { return &v3.Node{ObjectMeta: v3.ObjectMeta{Name: name}} }

// TestAutoHostEndpoints follows the configuration, the nodes and what others do to the host endpoints; those of others stay.
func TestAutoHostEndpoints(t *testing.T) {
	c := start(t)
	c.put(&v3.HostEndpoint{ObjectMeta: v3.ObjectMeta{Name: "by-hand"}, Spec: v3.HostEndpointSpec{Node: "n1", InterfaceName: "eth0"}})
	c.put(node("n1"))
	c.put(config("Enabled", ""))
	c.until("by-hand", "n1-auto-hep")
	c.put(node("n2"))
	c.until("by-hand", "n1-auto-hep", "n2-auto-hep")
	if err := c.Delete(t.Context(), api.Key{Resource: api.HostEndpoints, Name: "n1-auto-hep"}, 0); err != nil {
		t.Fatal(err)
	}
	c.until("by-hand", "n1-auto-hep", "n2-auto-hep")
	c.put(config("Enabled", "Disabled"))
	c.until("by-hand")
	c.put(config("Enabled", "Enabled"))
	c.until("by-hand", "n1-auto-hep", "n2-auto-hep")
	if err := c.Delete(t.Context(), api.KeyOf(config("", "")), 0); err != nil {
		t.Fatal(err)
	}
	c.until("by-hand")
}

// TestBadConfigurationKeepsTheLastGood: garbage and invalid settings disable nothing, and nodes are followed meanwhile.
func TestBadConfigurationKeepsTheLastGood(t *testing.T) {
	c := start(t)
	c.put(node("n1"))
	c.put(config("Enabled", ""))
	c.until("n1-auto-hep")
	c.put(config("Sometimes", ""))
	c.put(node("n2"))
	c.until("n1-auto-hep", "n2-auto-hep")
	c.Inject(api.KeyOf(config("", "")), []byte("no JSON"))
	c.put(node("n3"))
	c.until("n1-auto-hep", "n2-auto-hep", "n3-auto-hep")
	c.put(config("Disabled", ""))
	c.until()
}

// TestDatastoreAway: what could not be written is written once the datastore is back.
func TestDatastoreAway(t *testing.T) {
	c := start(t)
	c.put(node("n1"))
	c.put(config("Enabled", ""))
	c.until("n1-auto-hep")
	other := c.Peer()
	c.Disconnect(store.ErrUnavailable)
	if _, err := other.Create(t.Context(), node("n2")); err != nil {
		t.Fatal(err)
	}
	c.Reconnect()
	c.until("n1-auto-hep", "n2-auto-hep")
}

// TestServicesGetAddresses: a service and a pool, in whatever order, lead to an address at once.
func TestServicesGetAddresses(t *testing.T) {
	c := start(t)
	s := &corev1.Service{}
	s.Name, s.Namespace, s.Spec.Type = "web", "prod", corev1.ServiceTypeLoadBalancer
	c.put(s)
	c.put(&v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "lb"}, Spec: v3.IPPoolSpec{CIDR: "10.7.0.0/24", AllowedUses: []string{v3.UseLoadBalancer}}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watch, err := c.Watch(ctx, api.Services)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	for {
		b, err := watch.Next(ctx)
		if err != nil {
			t.Fatalf("the service got no address: %v", err)
		}
		for _, e := range b.Events {
			if s, ok := e.Object.(*corev1.Service); ok && len(s.Status.LoadBalancer.Ingress) == 1 {
				return
			}
		}
	}
}

// TestHealth: ready with the datastore, and what cannot be done is listed.
func TestHealth(t *testing.T) {
	health := &controllers.Health{}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		health.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("before the start: %d", code)
	}
	if code, _ := get("/livez"); code != http.StatusOK {
		t.Errorf("alive: %d", code)
	}
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- controllers.Run(ctx, s, controllers.Options{Log: slog.New(slog.DiscardHandler), Health: health})
		}()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if code, body := get("/readyz"); code != http.StatusOK || body != "{\"ready\":true}\n" {
			t.Errorf("running: %d %s", code, body)
		}
		s.Inject(api.Key{Resource: api.Nodes, Name: "n1"}, []byte("no JSON"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if code, body := get("/readyz"); code != http.StatusOK || !strings.Contains(body, `"leaked addresses":"leaked addresses: nodes.projectcalico.org n1 cannot be read`) {
			t.Errorf("with a node that cannot be read: %d %s", code, body)
		}
		off := &v3.KubeControllersConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.KubeControllersConfigurationSpec{HealthChecks: "Disabled"}}
		if _, err := s.Create(ctx, off); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if code, _ := get("/livez"); code != http.StatusNotFound {
			t.Errorf("turned off: %d", code)
		}
	})
}

// TestOneOfTwoActs: the other follows, is ready, and takes over.
func TestOneOfTwoActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		defer s.Close()
		enter := func(name string) (*controllers.Health, func()) {
			ctx, cancel := context.WithCancel(t.Context())
			health, ended := &controllers.Health{}, make(chan error, 1)
			go func() {
				ended <- controllers.Run(ctx, s, controllers.Options{Log: slog.New(slog.DiscardHandler), Health: health, Identity: name})
			}()
			synctest.Wait()
			return health, func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}
		status := func(h *controllers.Health) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			return strings.TrimSpace(w.Body.String())
		}
		a, leaveA := enter("a")
		b, leaveB := enter("b")
		time.Sleep(time.Minute)
		if x, y := status(a), status(b); x != `{"ready":true}` || y != `{"ready":true,"leader":"a"}` {
			t.Errorf("a %s, b %s", x, y)
		}
		leaveA()
		time.Sleep(time.Minute)
		if y := status(b); y != `{"ready":true}` {
			t.Errorf("alone: b %s", y)
		}
		leaveB()
	})
}

// TestOnKubernetes runs the controllers on a real Kubernetes API: they take the Lease, give a service an address in its status, and free it again.
func TestOnKubernetes(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	s, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, "", kube.AdminToken)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/ippools",
		"{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: lb}, spec: {cidr: 10.7.0.0/24, allowedUses: [LoadBalancer]}}")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- controllers.Run(ctx, s, controllers.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Identity: "me"})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	const service = "/api/v1/namespaces/default/services"
	server.Must(t, http.MethodPost, service, "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}")
	answer := func(path, want string, there bool) {
		t.Helper()
		server.Eventually(t, want, func() error {
			_, body, err := server.Do(t.Context(), http.MethodGet, path, "")
			if err == nil && strings.Contains(body, want) != there {
				err = errors.New(body)
			}
			return err
		})
	}
	answer(service+"/web/status", `"ingress":[{"ip":"10.7.0.`, true)
	answer("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/weft-controllers", `"holderIdentity":"me"`, true)
	server.Must(t, http.MethodDelete, service+"/web", "")
	answer("/apis/projectcalico.org/v3/ipamhandles", `"handleID"`, false)

	const pools, tiers = "/apis/projectcalico.org/v3/ippools", "/apis/projectcalico.org/v3/tiers"
	server.Must(t, http.MethodPost, pools, "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: bits}, spec: {cidr: 'fd00::1/64'}}")
	server.Must(t, http.MethodPost, tiers, "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: front}, spec: {order: 5}}")
	answer(pools+"/lb", `"reason":"InForce","status":"True","type":"Allocatable"`, true)
	answer(pools+"/bits", "fd00::1/64 has host bits set", true)
	answer(tiers+"/front", `"reason":"InForce","status":"True","type":"Ready"`, true)
}

// TestLeaderLosesItsToken: on a real Kubernetes API the leader's token runs out. The other one takes the Lease and acts, and keeps on when the token is good again.
func TestLeaderLosesItsToken(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	between := kube.NewMiddle(t, server)
	server.Must(t, http.MethodPost, "/apis/projectcalico.org/v3/ippools",
		"{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: lb}, spec: {cidr: 10.7.0.0/24, allowedUses: [LoadBalancer]}}")
	first := enterOn(t, server, between.Address, "first")
	answers(t, server, lease, `"holderIdentity":"first"`)
	second := enterOn(t, server, "", "second")
	follows(t, server, second, "first")
	between.Use(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`, http.StatusUnauthorized)
	})
	answers(t, server, lease, `"holderIdentity":"second"`)
	const service = "/api/v1/namespaces/default/services"
	server.Must(t, http.MethodPost, service, "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}")
	answers(t, server, service+"/web/status", `"ingress":[{"ip":"10.7.0.`)
	between.Use(nil)
	follows(t, server, first, "second")
	answers(t, server, lease, `"holderIdentity":"second"`)
}

const lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/weft-controllers"

// enterOn runs controllers on an API server, at an address of it, until the end of the test.
func enterOn(t *testing.T, server *kube.Server, address, identity string) *controllers.Health {
	t.Helper()
	s, err := kubestore.New(kubestore.Config{Kubeconfig: server.Kubeconfig(t, address, kube.AdminToken)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	health, ended := &controllers.Health{}, make(chan error, 1)
	go func() {
		ended <- controllers.Run(ctx, s, controllers.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Health: health, Identity: identity})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = s.Close()
	})
	return health
}

// answers waits until the API server answers with a text.
func answers(t *testing.T, server *kube.Server, path, want string) {
	t.Helper()
	server.Eventually(t, want, func() error {
		_, body, err := server.Do(t.Context(), http.MethodGet, path, "")
		if err == nil && !strings.Contains(body, want) {
			err = errors.New(body)
		}
		return err
	})
}

// follows waits until controllers say who leads.
func follows(t *testing.T, server *kube.Server, h *controllers.Health, leader string) {
	t.Helper()
	server.Eventually(t, "to follow "+leader, func() error {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if body := w.Body.String(); !strings.Contains(body, `"leader":"`+leader+`"`) {
			return errors.New(body)
		}
		return nil
	})
}

// TestDefaultPools: they are made when the controllers start, and stay away once somebody has deleted them.
func TestDefaultPools(t *testing.T) {
	pools, err := defaultpool.New([]netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, "CrossSubnet")
	if err != nil {
		t.Fatal(err)
	}
	c := startWith(t, controllers.Options{Pools: pools})
	key := api.Key{Resource: api.IPPools, Name: defaultpool.NameIPv4}
	c.await(api.IPPools, func() bool { _, err := c.Get(t.Context(), key); return err == nil })
	if err := c.Delete(t.Context(), key, 0); err != nil {
		t.Fatal(err)
	}
	c.put(node("n1"))
	c.put(config("Enabled", "")) // whatever comes next
	c.until("n1-auto-hep")
	if _, err := c.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the pool is there again: %v", err)
	}
}
