// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/agent/driver"
	"github.com/weftnet/weft/agent/record"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/routing/bgp"
	"github.com/weftnet/weft/routing/bgp/bgptest"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
	"github.com/weftnet/weft/sys/conntrack/conntracktest"
	"github.com/weftnet/weft/sys/netlink/netlinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Close makes a fake kernel a packet filter.
func (*fakeKernel) Close() error { return nil }
func (*fakeKernel) Decision() driver.Decision {
	return driver.Decision{Driver: "fake", Reason: "a test"}
}

// fakeTracking is a table of connections whose ends are all elsewhere.
type fakeTracking struct{ conntracktest.Table }

func (*fakeTracking) Links(addrs []netip.Addr) ([]string, error) {
	return slices.Repeat([]string{"eth0"}, len(addrs)), nil
}

func (*fakeTracking) Close() error { return nil }

// fakeLinks are what set says.
type fakeLinks struct {
	mu     sync.Mutex
	list   []calc.Link
	change chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newFakeLinks() *fakeLinks {
	return &fakeLinks{change: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (f *fakeLinks) set(links ...calc.Link) {
	f.mu.Lock()
	f.list = links
	f.mu.Unlock()
	f.change <- struct{}{}
}

func (f *fakeLinks) List() ([]calc.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list, nil
}

func (f *fakeLinks) Wait() error {
	select {
	case <-f.change:
		return nil
	case <-f.closed:
		return os.ErrClosed
	}
}

func (f *fakeLinks) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// node is a whole agent on fakes: a datastore in memory, a packet filter and a speaker that remember, a route table of its own.
type node struct {
	t       *testing.T
	dir     string
	store   *memstore.Store // a client of the test's own
	peer    *memstore.Store // the agent's client
	agent   *Agent
	filter  *fakeKernel
	tunnels *fakeKernel
	fib     *netlinktest.FIB
	speaker *bgptest.Speaker
	tracked *fakeTracking
	links   *fakeLinks
	stop    func() error
}

// startNode starts an agent that has the given records.
func startNode(t *testing.T, data *memstore.Store, records ...*record.Record) *node {
	t.Helper()
	return startNodeIn(t, t.TempDir(), data, nil, records...)
}

// startNodeIn starts an agent in a directory, with a datastore that is away if away is not nil.
func startNodeIn(t *testing.T, dir string, data *memstore.Store, away error, records ...*record.Record) *node {
	t.Helper()
	n := &node{t: t, dir: dir, store: data, filter: newFakeKernel(), tunnels: newFakeKernel(), speaker: bgptest.New(), tracked: &fakeTracking{}, links: newFakeLinks()}
	kept, err := record.Open(filepath.Join(n.dir, "endpoints"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := kept.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	var monitor *netlinktest.Monitor
	n.fib, monitor = netlinktest.New()
	log := slog.New(slog.DiscardHandler)
	n.peer = data.Peer()
	if away != nil {
		n.peer.Disconnect(away)
	}
	for _, r := range records {
		n.fib.AddLink(r.HostIf)
		n.fib.SetUp(r.HostIf, true)
	}
	config := Config{Node: "n1", StateDir: n.dir, IP4: "192.0.2.1/24", IP6: noAddress, Store: n.peer, Log: log}
	speaker := func(bgp.Options) bgp.Speaker { return n.speaker }
	n.agent, err = build(config, kernel{n.filter, n.tunnels, routes.New(n.fib, monitor, log), speaker, n.tracked, n.links, newFakePaths(), nowhere{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.agent.start(ctx) }()
	n.stop = func() error { cancel(); return errors.Join(<-ended, config.Store.Close()) }
	t.Cleanup(func() {
		if n.stop == nil {
			return
		}
		if err := n.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return n
}

// until polls until ok; it fails the test after some seconds.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s does not come about", what)
		}
	}
}

func (n *node) ready() bool { return backend{n.agent}.Ready() == nil }

func (n *node) has(pod string) bool {
	_, err := n.store.Get(n.t.Context(), keyOf(pod))
	return err == nil
}

func recordOf(pod string, state record.State) *record.Record {
	e := of(pod, "c-"+pod)
	return &record.Record{State: state, ContainerID: "c-" + pod, IfName: "eth0", Handle: "h." + pod, HostIf: "cali" + pod, Endpoint: e}
}

func (n *node) client() *agentapi.Client {
	return agentapi.NewClient(filepath.Join(n.dir, "agent.sock"))
}

func TestPromisedEndpointsAreBackAfterARestart(t *testing.T) {
	data := memstore.New()
	if _, err := data.Create(t.Context(), of("half", "c-half")); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, data, recordOf("a", record.Ready), recordOf("half", record.Adding), recordOf("gone", record.Deleting))
	n.until("endpoint a in force and published", func() bool {
		return slices.Equal(n.filter.names(), []string{nameOf("a")}) && n.has("a") && !n.has("half")
	})
	n.until("no record of what was left half done", func() bool {
		left, _, err := n.agent.records.Load()
		return err == nil && len(left) == 1 && left[0].State == record.Ready
	})
}

func TestAStartWithoutTheDatastore(t *testing.T) {
	data := memstore.New()
	n := startNode(t, data)
	n.until("ready", n.ready)
	n.agent.config.Store.(*memstore.Store).Disconnect(store.ErrUnavailable)
	n.until("not ready", func() bool { return !n.ready() })
	if _, sets := n.speaker.Want(); sets == 0 {
		t.Error("the speaker was told nothing")
	}
	if s, err := n.client().Status(t.Context()); err != nil || s.InSync || s.Datastore == "" {
		t.Errorf("status %+v, %v", s, err)
	}
	n.agent.config.Store.(*memstore.Store).Reconnect()
	n.until("ready again", n.ready)
}

// A Node that somebody deletes is claimed again; one that another agent has taken is left to it, and no workload is started.
func TestTheNodeIsWatched(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("ready", n.ready)
	if err := n.store.Delete(t.Context(), nodeKey, 0); err != nil {
		t.Fatal(err)
	}
	n.until("the Node", func() bool { _, err := n.store.Get(t.Context(), nodeKey); return err == nil })
	thief := nodeIn(t, n.store)
	thief = &v3.Node{TypeMeta: thief.TypeMeta, ObjectMeta: v3.ObjectMeta{Name: "n1", Annotations: map[string]string{InstanceAnnotation: "other"}},
		Spec: v3.NodeSpec{BGP: &v3.NodeBGPSpec{IPv4Address: "192.0.2.99/24"}}}
	if _, err := n.store.Update(t.Context(), thief); err != nil {
		t.Fatal(err)
	}
	n.until("refusal", func() bool { return errors.Is(backend{n.agent}.Ready(), ErrNameTaken) })
	s, err := n.client().Status(t.Context())
	if err != nil || !slices.ContainsFunc(s.Problems, func(p agentapi.Problem) bool { return strings.Contains(p.Reason, "192.0.2.99") }) {
		t.Errorf("status does not name the other agent: %+v, %v", s.Problems, err)
	}
	if got := nodeIn(t, n.store).Annotations[InstanceAnnotation]; got != "other" {
		t.Errorf("the Node is %q's now: a fight", got)
	}
	if err := n.store.Delete(t.Context(), nodeKey, 0); err != nil {
		t.Fatal(err)
	}
	n.until("ready again", n.ready)
}

// After the state directory was lost: endpoints of a CNI plugin whose interface does not exist are deleted, all others stay.
func TestLeftoverEndpoints(t *testing.T) {
	data := memstore.New()
	alive, foreign, elsewhere := of("alive", "c1"), of("vm", "c2"), of("far", "c3")
	alive.Spec.InterfaceName = "lo" // an interface that the host has
	foreign.Spec.Orchestrator, foreign.Spec.Workload, foreign.Spec.Pod = "openstack", "vm", ""
	foreign.Name = v3.WorkloadEndpointName(&foreign.Spec)
	elsewhere.Spec.Node = "n2"
	elsewhere.Name = v3.WorkloadEndpointName(&elsewhere.Spec)
	stale := of("stale", "c4")
	for i, e := range []*v3.WorkloadEndpoint{alive, foreign, elsewhere, stale} {
		e.Spec.IPNetworks = []string{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}).String() + "/32"}
		if _, err := data.Create(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	n := startNode(t, data)
	n.until("the stale endpoint's deletion", func() bool { return !n.has("stale") })
	n.agent.publish.round(t.Context())
	list, err := data.List(t.Context(), keyOf("a").Resource, "")
	if err != nil || len(list.Items) != 3 {
		t.Errorf("left are %d endpoints, %v; want the three that are in use", len(list.Items), err)
	}
}

func TestAdminSocket(t *testing.T) {
	n := startNode(t, memstore.New(), recordOf("a", record.Ready))
	n.until("endpoint a in force", func() bool { return len(n.filter.names()) == 1 })
	var s agentapi.Status
	n.until("a status of a healthy node", func() bool {
		var err error
		s, err = n.client().Status(t.Context())
		return err == nil && s.InSync && len(s.Endpoints) == 1 && s.Dataplane.State == "programmed"
	})
	if s.Node != "n1" || !slices.Equal(s.Address.Value, []string{"192.0.2.1/24"}) || s.Endpoints[0].Interface != "calia" || !strings.Contains(s.Address.Reason, "operator") {
		t.Errorf("status %+v", s)
	}
	tables, err := n.client().Tables(t.Context())
	if err != nil || !slices.Contains(tables, kernelRoutes) || !slices.Contains(tables, "endpoints") {
		t.Errorf("tables %v, %v", tables, err)
	}
	var table agentapi.Table
	n.until("the route of a", func() bool {
		table, err = n.client().Table(t.Context(), kernelRoutes)
		return err == nil && len(table.Rows) == 1
	})
	if want := []string{"10.0.0.1/32", "local", "calia", "programmed"}; !slices.Equal(table.Rows[0], want) {
		t.Errorf("%v; want %v", table.Rows[0], want)
	}
	if _, err := n.client().Table(t.Context(), "nonsense"); err == nil || !strings.Contains(err.Error(), `no table "nonsense"; there are: `) {
		t.Errorf("unknown table: %v", err)
	}
}

func TestLearnedRoutesAndBGPErrors(t *testing.T) {
	n := startNode(t, memstore.New())
	n.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	n.fib.SetUp("eth0", true)
	n.speaker.Learned().Announce(netip.MustParsePrefix("10.9.0.0/26"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.2"))
	n.until("the learned route", func() bool {
		table, err := n.client().Table(t.Context(), kernelRoutes)
		return err == nil && len(table.Rows) == 1 && slices.Equal(table.Rows[0], []string{"10.9.0.0/26", "bgp", "192.0.2.2", "programmed"})
	})
	n.fib.Break(errors.New("reply lost"))
	n.speaker.Learned().Announce(netip.MustParsePrefix("10.9.1.0/26"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.2"))
	n.fib.Break(nil)
	n.until("the route that was refused at first", func() bool {
		table, err := n.client().Table(t.Context(), kernelRoutes)
		return err == nil && len(table.Rows) == 2 && table.Rows[1][3] == "programmed"
	})
	n.until("ready", n.ready)
	n.speaker.FailWith(errors.New("port 179 is taken"))
	node := nodeIn(t, n.store)
	node = &v3.Node{TypeMeta: node.TypeMeta, ObjectMeta: node.ObjectMeta, Spec: node.Spec}
	node.Spec.BGP = &v3.NodeBGPSpec{IPv4Address: "192.0.2.1/24", RouteReflectorClusterID: "1.2.3.4"}
	if _, err := n.store.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	n.until("the error in the status", func() bool {
		s, err := n.client().Status(t.Context())
		return err == nil && strings.Contains(s.BGP.Error, "port 179")
	})
}

// The parts end with the agent, and what was programmed stays.
func TestStopLeavesEverythingInForce(t *testing.T) {
	n := startNode(t, memstore.New(), recordOf("a", record.Ready))
	n.until("endpoint a in force", func() bool { return len(n.filter.names()) == 1 && n.ready() })
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n.stop = nil
	if got := n.filter.names(); !slices.Equal(got, []string{nameOf("a")}) {
		t.Errorf("in force after the end: %v", got)
	}
	if list, err := n.fib.List(0); err != nil || len(list) != 1 {
		t.Errorf("routes after the end: %v, %v", list, err)
	}
	if _, err := n.client().Status(t.Context()); err == nil {
		t.Error("the socket still answers")
	}
}

// TestHostEndpointsFollowTheLinks: a host endpoint with expectedIPs is in force on the interface that has the address, and follows it.
func TestHostEndpointsFollowTheLinks(t *testing.T) {
	data := memstore.New()
	hep := &v3.HostEndpoint{Spec: v3.HostEndpointSpec{Node: "n1", ExpectedIPs: []string{"192.0.2.9"}}}
	hep.Name = "outside"
	if _, err := data.Create(t.Context(), hep); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, data)
	interfaces := func() (names []string) {
		n.agent.loop.ask(t.Context(), func() {
			for e := range n.agent.loop.graph.View().HostEndpoints() {
				names = append(names, e.Interface)
			}
		})
		return names
	}
	addr := []netip.Addr{netip.MustParseAddr("192.0.2.9")}
	n.until("in sync", n.ready)
	if got := interfaces(); len(got) != 0 {
		t.Errorf("in force on %v without the address", got)
	}
	for _, name := range []string{"eth0", "eth1"} {
		n.links.set(calc.Link{Name: name, Addrs: addr})
		n.until("in force on "+name, func() bool { return slices.Equal(interfaces(), []string{name}) })
	}
}
