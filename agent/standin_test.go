// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

var errAway = errors.New("connection refused")

// policies are those that the calculation has, whatever endpoint they choose.
func (n *node) policies() (names []string) {
	table := n.table("policies")
	for _, row := range table.Rows {
		names = append(names, strings.TrimPrefix(row[0], "GlobalNetworkPolicy "))
	}
	slices.Sort(names)
	return names
}

func (n *node) table(name string) agentapi.Table {
	n.t.Helper()
	table, err := n.client().Table(n.t.Context(), name)
	if err != nil {
		n.t.Fatal(err)
	}
	return table
}

func (n *node) status() agentapi.Status {
	n.t.Helper()
	s, err := n.client().Status(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// earlier is a datastore that an agent has read, and the directory that it has left. It has a policy and an endpoint that stay, and others that go while no agent runs.
func earlier(t *testing.T) (dir string, data *memstore.Store) {
	t.Helper()
	dir, data = t.TempDir(), memstore.New()

	stays, goes := of("stays", "c1"), of("goes", "c2")
	for i, e := range []*v3.WorkloadEndpoint{stays, goes} {
		e.Spec.InterfaceName = "lo" // one that there is, so that they are not swept
		e.Spec.IPNetworks = []string{[]string{"10.0.0.1/32", "10.0.0.2/32"}[i]}
	}
	goes.Spec.InterfaceName = "eth0"
	for _, obj := range []api.Object{stays, goes, calctest.GlobalPolicy("deny", deny), calctest.GlobalPolicy("old", deny)} {
		if _, err := data.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	n := startNodeIn(t, dir, data, nil)
	n.until("ready", n.ready)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n.stop = nil
	return dir, data
}

// TestAStartFromTheLastInputs: with the datastore away they are in force, status says so, no workload is started; when it answers its state takes their
// place, and what is in both is never out of force.
func TestAStartFromTheLastInputs(t *testing.T) {
	dir, data := earlier(t)
	n := startNodeIn(t, dir, data, errAway)
	n.until("the endpoints in force", func() bool { return len(n.filter.names()) >= 1 })
	var s agentapi.Status
	n.until("a status", func() bool { s, _ = n.client().Status(t.Context()); return s.Cache != nil && len(s.Address.Value) > 0 })
	if s.InSync || s.Datastore == "" || time.Since(s.Cache.Since) > time.Minute || s.Cache.Inputs.After(s.Cache.Since) || s.Address.Value[0] != "192.0.2.1/24" {
		t.Errorf("status %+v, cache %+v", s, s.Cache)
	}
	if got := n.policies(); !slices.Equal(got, []string{"deny", "old"}) {
		t.Errorf("policies %v", got)
	}
	if err := (backend{n.agent}).Ready(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("workloads can be started: %v", err)
	}
	if err := data.Delete(t.Context(), api.KeyOf(calctest.GlobalPolicy("old", deny)), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := data.Create(t.Context(), calctest.GlobalPolicy("new", deny)); err != nil {
		t.Fatal(err)
	}
	watched := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-watched:
				return
			default:
			}
			if got := n.filter.names(); !slices.Contains(got, nameOf("stays")) {
				t.Errorf("out of force meanwhile: %v", got)
				return
			}
		}
	}()
	n.peer.Reconnect()
	n.until("ready", n.ready)
	close(watched)
	<-stopped
	if got := n.policies(); !slices.Equal(got, []string{"deny", "new"}) {
		t.Errorf("policies %v of the datastore that is back", got)
	}
	if s := n.status(); s.Cache != nil || !s.InSync {
		t.Errorf("status %+v", s)
	}
}

// TestDamagedInputsAreNotUsed: nothing is programmed, the file is named; the datastore makes it good.
func TestDamagedInputsAreNotUsed(t *testing.T) {
	dir, data := earlier(t)
	file := inputcache.Path(dir)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNodeIn(t, dir, data, errAway)
	named := func() bool {
		s, err := n.client().Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Problems, func(p agentapi.Problem) bool {
			return strings.Contains(p.Reason, file) && strings.Contains(p.Reason, "damaged")
		})
	}
	n.until("the file named", named)
	if s := n.status(); s.Cache != nil || len(n.filter.attempts) > 0 || n.ready() {
		t.Errorf("in force: %v; status %+v", n.filter.names(), s)
	}
	n.peer.Reconnect()
	n.until("ready", n.ready)
	if named() {
		t.Error("still named")
	}
	n.until("a good file", func() bool { _, err := inputcache.Load(dir, "n1"); return err == nil })
}

// TestNoInputsOnDisk is what a new node has.
func TestNoInputsOnDisk(t *testing.T) {
	n := startNodeIn(t, t.TempDir(), memstore.New(), errAway)
	n.until("tried", func() bool {
		_, err := n.client().Status(t.Context())
		return err == nil && errors.Is(n.agent.last.problem(), fs.ErrNotExist)
	})
	if s := n.status(); s.Cache != nil || len(s.Problems) > 0 || len(n.filter.attempts) > 0 {
		t.Errorf("status %+v", s)
	}
	n.peer.Reconnect()
	n.until("ready", n.ready)
}

// TestInputsOnDiskAreForTheStart: a datastore that goes away later leaves in force what it has said.
func TestInputsOnDiskAreForTheStart(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("ready", n.ready)
	n.until("the file", func() bool { _, err := os.Stat(inputcache.Path(n.dir)); return err == nil })
	if err := os.Remove(inputcache.Path(n.dir)); err != nil {
		t.Fatal(err)
	}
	n.peer.Disconnect(errAway)
	n.until("the loss", func() bool { return n.status().Datastore != "" })
	if err := n.agent.last.problem(); err != nil || n.status().Cache != nil {
		t.Errorf("the file was looked for: %v", err)
	}
}

// TestWhatTheDatastoreHasSaidIsNewer: inputs from disk come after a part of the first read.
func TestWhatTheDatastoreHasSaidIsNewer(t *testing.T) {
	b := newBench(t)
	newer, older := endpoint("a", "10.0.0.9/32"), endpoint("a", "10.0.0.1/32")
	b.loop.batches <- store.Batch{Revision: 9, Err: errAway, Events: []store.Event{{Key: keyOf("a"), Object: newer, Revision: 9}}}
	b.loop.last <- inputcache.State{Time: time.Now(), Revision: 5, Events: []store.Event{
		{Key: keyOf("a"), Object: older, Revision: 3}, {Key: keyOf("b"), Object: endpoint("b", "10.0.0.2/32"), Revision: 4},
	}}
	b.settle()
	addr := ""
	b.loop.ask(t.Context(), func() {
		e, _ := b.loop.graph.View().Endpoint(endpointID(keyOf("a")))
		addr = e.Addrs[0].String()
	})
	if got := b.filter.names(); addr != "10.0.0.9" || !slices.Equal(got, []string{nameOf("a"), nameOf("b")}) {
		t.Errorf("in force: %v, a with %s", got, addr)
	}
	b.sync()
	if got := b.filter.names(); !slices.Equal(got, []string{nameOf("a")}) {
		t.Errorf("in force of the datastore: %v", got)
	}
}

// TestTunnelAddressesOfTheLastInputs: the Node states them, so that tunnels come up without IPAM.
func TestTunnelAddressesOfTheLastInputs(t *testing.T) {
	got := statedAddrs(&v3.Node{Spec: v3.NodeSpec{IPv4VXLANTunnelAddr: "10.0.0.64", BGP: &v3.NodeBGPSpec{IPv4IPIPTunnelAddr: "10.0.0.65"}}})
	var texts []string
	for _, a := range got {
		if a.IsValid() {
			texts = append(texts, a.String())
		}
	}
	if !slices.Equal(texts, []string{"10.0.0.64", "10.0.0.65"}) {
		t.Errorf("%v", texts)
	}
}

func deny(s *v3.GlobalNetworkPolicySpec) { s.Selector = "all()" }
