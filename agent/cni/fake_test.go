// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"os"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// fake is a backend without datastore and policy. It does program host routes, so that packets flow.
type fake struct {
	mu    sync.Mutex
	state fakeState
	file  string // where the state survives the process; empty: nowhere

	ready, assignErr, registerErr, releaseErr error
	hang                                      bool               // Register waits until its context ends
	step                                      func(name string)  // called at every step, for crashes
	published                                 map[api.Key]func() // what Unregister owes while hold is set
	hold                                      bool               // the datastore does not forget
	programmed                                error
	mtu                                       int // 1280 at least
	pod                                       func() (Pod, error)
	labels                                    map[string]map[string]string // of endpoints, as last put in force, by name
}

// fakeState is what a datastore would hold.
type fakeState struct {
	Last      int                     `json:"last"`
	Handles   map[string][]netip.Addr `json:"handles"`
	Endpoints map[string]string       `json:"endpoints"` // key to container ID
}

func newFake(file string) *fake {
	f := &fake{file: file, step: func(string) {}, published: map[api.Key]func(){}, labels: map[string]map[string]string{}}
	if data, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(data, &f.state)
	}
	if f.state.Handles == nil {
		f.state.Handles, f.state.Endpoints = map[string][]netip.Addr{}, map[string]string{}
	}
	return f
}

// set changes fields of a running fake.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// save is called with the lock held.
func (f *fake) save() {
	if f.file == "" {
		return
	}
	data, _ := json.Marshal(f.state)
	_ = os.WriteFile(f.file, data, 0o600)
}

func (f *fake) snapshot() fakeState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fakeState{Handles: maps.Clone(f.state.Handles), Endpoints: maps.Clone(f.state.Endpoints)}
}

func (f *fake) MTU(context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.mtu, 1280), nil
}

func (f *fake) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}

func (f *fake) Assign(_ context.Context, a Allocation) ([]netip.Addr, error) {
	f.step("assign")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.assignErr != nil {
		return nil, f.assignErr
	}
	f.state.Last++
	var addrs []netip.Addr
	if a.IPv4 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{10, 65, byte(f.state.Last >> 8), byte(f.state.Last)}))
	}
	if a.IPv6 {
		addrs = append(addrs, netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x65, 14: byte(f.state.Last >> 8), 15: byte(f.state.Last)}))
	}
	f.state.Handles[a.Handle] = append(f.state.Handles[a.Handle], addrs...)
	f.save()
	f.step("assigned")
	return addrs, nil
}

func (f *fake) Release(ctx context.Context, handle string) error {
	f.step("release")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.releaseErr != nil {
		return f.releaseErr
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	delete(f.state.Handles, handle)
	f.save()
	f.step("released")
	return nil
}

func (f *fake) Register(ctx context.Context, endpoint *v3.WorkloadEndpoint) error {
	f.step("register")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return errors.Join(errors.New("waiting for policy"), ctx.Err())
	}
	if f.registerErr != nil {
		return f.registerErr
	}
	if err := program(endpoint); err != nil {
		return err
	}
	f.state.Endpoints[api.KeyOf(endpoint).String()] = endpoint.Spec.ContainerID
	f.labels[endpoint.Name] = endpoint.Labels
	f.save()
	f.step("registered")
	return nil
}

func (f *fake) Pod(context.Context, string, string, types.UID) (Pod, error) {
	f.mu.Lock()
	ask := f.pod
	f.mu.Unlock()
	if ask == nil {
		return Pod{}, nil
	}
	return ask()
}

func (f *fake) Update(endpoint *v3.WorkloadEndpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.labels[endpoint.Name] = endpoint.Labels
	return nil
}

func (f *fake) Unregister(endpoint *v3.WorkloadEndpoint, done func()) {
	f.step("unregister")
	f.mu.Lock()
	defer f.mu.Unlock()
	key := api.KeyOf(endpoint)
	if f.state.Endpoints[key.String()] == endpoint.Spec.ContainerID {
		delete(f.state.Endpoints, key.String())
	}
	f.save()
	if f.hold {
		f.published[key] = done
		return
	}
	go done()
}

func (f *fake) Programmed(*v3.WorkloadEndpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.programmed
}

// program adds the host routes.
func program(endpoint *v3.WorkloadEndpoint) error {
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return err
	}
	links, err := conn.LinkStates([]string{endpoint.Spec.InterfaceName})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	var changes []netlink.RouteChange
	for _, addr := range addrsOf(endpoint) {
		changes = append(changes, netlink.RouteChange{Op: netlink.RouteReplace, Route: netlink.Route{
			Dst: netip.PrefixFrom(addr, addr.BitLen()), Type: netlink.RouteUnicast, Protocol: own.RouteProtocol, Metric: own.RouteMetric,
			NextHops: []netlink.NextHop{{Link: links[endpoint.Spec.InterfaceName].Index}},
		}})
	}
	failed, err := conn.Change(changes)
	err = errors.Join(err, conn.Close())
	for _, f := range failed {
		err = errors.Join(err, f)
	}
	return err
}

var _ Backend = (*fake)(nil)

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
