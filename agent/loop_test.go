// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/store"
)

// fakeKernel is a writer that programs by remembering, and fails when told.
type fakeKernel struct {
	mu       sync.Mutex
	held     map[desired.EndpointID]bool
	tunnels  desired.TunnelAddrs
	keys     [desired.TunnelKinds]desired.Key
	met      map[desired.TunnelPeerID]struct{}
	meetings chan struct{}
	fail     error
	left     error // of the next Settle
	refused  map[dataplane.Setting]error
	closed   map[desired.EndpointID]error
	full     int // applies that compared everything
	damage   int // what the next of those repairs
	deltas   int
	events   chan struct{}
	attempts chan struct{}
}

// Hits implements packetFilter: rule "r1" has decided two packets.
func (f *fakeKernel) Hits() (map[rule.ID]uint64, error) { return map[rule.ID]uint64{"r1": 2}, nil }

func newFakeKernel() *fakeKernel {
	return &fakeKernel{held: map[desired.EndpointID]bool{}, events: make(chan struct{}, 1), attempts: make(chan struct{}, 1000), meetings: make(chan struct{}, 1)}
}

func (f *fakeKernel) Events() <-chan struct{} { return f.events }

func (f *fakeKernel) Apply(_ context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts <- struct{}{}
	if f.fail != nil {
		return dataplane.Report{}, f.fail
	}
	f.tunnels = desired.TunnelAddrs{}
	for t := range view.Tunnels() {
		f.tunnels[t.Kind] = t.Addr
		if t.Kind.Encrypts() {
			f.keys[t.Kind][1] = 1
		}
	}
	report := dataplane.Report{Settings: f.refused, Failed: f.closed}
	if delta == nil {
		f.full++
		report.Repaired, f.damage = f.damage, 0
		clear(f.held)
		for e := range view.Endpoints() {
			f.held[e.ID] = true
			report.Programmed = append(report.Programmed, e.ID)
		}
		return report, nil
	}
	f.deltas++
	for _, e := range delta.Endpoints {
		f.held[e.ID] = true
		report.Programmed = append(report.Programmed, e.ID)
	}
	for _, id := range delta.EndpointsRemoved {
		delete(f.held, id)
	}
	return report, nil
}

// Settle implements tunnelWriter.
func (f *fakeKernel) Settle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.left
	f.left = nil
	return err
}

// InForce implements tunnelWriter.
func (f *fakeKernel) InForce() desired.TunnelAddrs {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tunnels
}

// PublicKeys implements tunnelWriter.
func (f *fakeKernel) PublicKeys() [desired.TunnelKinds]desired.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys
}

// Met implements tunnelWriter.
func (f *fakeKernel) Met() map[desired.TunnelPeerID]struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.met)
}

// Meetings implements tunnelWriter.
func (f *fakeKernel) Meetings() <-chan struct{} { return f.meetings }

// Userspace implements tunnelWriter.
func (f *fakeKernel) Userspace() []string { return []string{"wireguard.cali"} }

// PlainHosts implements tunnelWriter.
func (f *fakeKernel) PlainHosts() []desired.TunnelPeerID { return nil }

// RotateKeys implements tunnelWriter.
func (f *fakeKernel) RotateKeys() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[desired.WireGuard4][0]++
	f.events <- struct{}{}
	return nil
}

func (f *fakeKernel) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fakeKernel) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for id := range f.held {
		names = append(names, id.Name)
	}
	slices.Sort(names)
	return names
}

// bench is a running loop between fakes.
type bench struct {
	t              *testing.T
	loop           *loop
	filter, routes *fakeKernel
	review         *fakeReviewer
}

// fakeReviewer counts.
type fakeReviewer struct{ deltas, all atomic.Int32 }

func (f *fakeReviewer) Note(*desired.Delta) { f.deltas.Add(1) }
func (f *fakeReviewer) All()                { f.all.Add(1) }

func newBench(t *testing.T) *bench {
	b := &bench{t: t, filter: newFakeKernel(), routes: newFakeKernel(), review: &fakeReviewer{}}
	b.loop = &loop{
		log: slog.New(slog.DiscardHandler), graph: calc.New("n1"), inputs: newInputs(), good: keeper(t, t.TempDir()), status: newStatusTable(),
		filter: &part{name: "filter", writer: b.filter, reopens: true}, routes: &part{name: "routes", writer: b.routes},
		tunnels: &part{name: "tunnels", writer: newFakeKernel()}, setTunnelState: func(tunnelState) {}, tunnelDevices: newFakeKernel(),
		review: b.review, resize: func() {}, setSourceCheck: func(calc.SourceCheck) {}, setGoRuntime: func(calc.GoRuntime) {}, setBGP: func(*desired.BGP) {}, echo: func(store.Event) {}, ownNode: func(store.Event) {}, unclaimed: func([]desired.EndpointID) {},
		batches: make(chan store.Batch), last: make(chan inputcache.State), locals: make(chan localChange, 64),
		queries: make(chan func()), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(b.loop.ended); b.loop.run(ctx) }()
	t.Cleanup(func() { cancel(); <-b.loop.ended })
	return b
}

// settle waits until everything handed in before has been worked off.
func (b *bench) settle() {
	b.t.Helper()
	if !b.loop.ask(b.t.Context(), func() {}) {
		b.t.Fatal("the loop has ended")
	}
}

func (b *bench) sync(events ...store.Event) {
	b.loop.batches <- store.Batch{Revision: 7, InSync: true, Events: events}
	b.settle()
}

// add hands in a local endpoint and returns the revision to wait for.
func (b *bench) add(name string) uint64 {
	accepted := make(chan acceptance, 1)
	b.loop.locals <- localChange{key: keyOf(name), endpoint: endpoint(name, "10.0.0.1/32"), accepted: accepted}
	got := <-accepted
	if got.err != nil {
		b.t.Fatal(got.err)
	}
	return got.revision
}

func (b *bench) wait(name string, revision uint64) error {
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Second)
	defer cancel()
	return b.loop.status.wait(ctx, endpointID(keyOf(name)), revision)
}

func keyOf(pod string) api.Key {
	return api.Key{Resource: api.WorkloadEndpoints, Namespace: "ns", Name: nameOf(pod)}
}

func nameOf(pod string) string { return "n1-k8s-" + pod + "-eth0" }

func endpoint(name, network string) *v3.WorkloadEndpoint {
	e := &v3.WorkloadEndpoint{Spec: v3.WorkloadEndpointSpec{Orchestrator: "k8s", Pod: name, Node: "n1", Endpoint: "eth0", ContainerID: "c-" + name,
		InterfaceName: "cali" + name, IPNetworks: []string{network}, Profiles: []string{"kns.ns"}}}
	e.Name, e.Namespace = nameOf(name), "ns"
	e.Labels = map[string]string{"projectcalico.org/namespace": "ns", "projectcalico.org/orchestrator": "k8s"}
	return e
}

func TestNothingIsWrittenBeforeTheFirstCompleteRead(t *testing.T) {
	b := newBench(t)
	revision := b.add("a")
	b.loop.batches <- store.Batch{Err: store.ErrUnavailable}
	b.settle()
	if n := len(b.filter.attempts) + len(b.routes.attempts); n != 0 {
		t.Fatalf("%d applies before the datastore was read", n)
	}
	b.sync()
	if err := b.wait("a", revision); err != nil {
		t.Fatal(err)
	}
	if b.filter.full == 0 {
		t.Error("the first apply must compare with the kernel")
	}
}

func TestDatastoreAwayChangesNothing(t *testing.T) {
	b := newBench(t)
	b.sync()
	if err := b.wait("a", b.add("a")); err != nil {
		t.Fatal(err)
	}
	b.loop.batches <- store.Batch{Revision: 7, Err: store.ErrUnavailable}
	b.settle()
	if got := b.filter.names(); !slices.Equal(got, []string{nameOf("a")}) {
		t.Errorf("in force while the datastore is away: %v", got)
	}
	if err := b.wait("b", b.add("b")); err != nil {
		t.Errorf("a local endpoint must work without the datastore: %v", err)
	}
}

func TestAFailedApplyIsComparedWithTheKernelLater(t *testing.T) {
	b := newBench(t)
	b.sync()
	b.settle()
	full := b.filter.full
	b.filter.set(errors.New("no buffer space"))
	revision := b.add("a")
	b.settle()
	b.filter.set(nil)
	if err := b.wait("a", revision); err != nil {
		t.Fatalf("not retried: %v", err)
	}
	if b.filter.full == full {
		t.Error("the retry must compare with the kernel: the failed delta may be half done")
	}
}

// TestWhatTravelsWithTheRoutesIsComparedLater if it fails, like what fails at once: at the latest with the next change.
func TestWhatTravelsWithTheRoutesIsComparedLater(t *testing.T) {
	b := newBench(t)
	b.sync()
	b.settle()
	tunnels, devices := b.loop.tunnels.writer.(*fakeKernel), b.loop.tunnelDevices.(*fakeKernel)
	comparisons := func() int {
		tunnels.mu.Lock()
		defer tunnels.mu.Unlock()
		return tunnels.full
	}
	before := comparisons()
	devices.mu.Lock()
	devices.left = errors.New("no buffer space")
	devices.mu.Unlock()
	for _, name := range []string{"a", "b"} {
		if err := b.wait(name, b.add(name)); err != nil {
			t.Errorf("an endpoint waits for what it does not depend on: %v", err)
		}
	}
	b.settle()
	if comparisons() == before {
		t.Error("a change after the failure was not compared with the kernel")
	}
	if !b.loop.ask(t.Context(), func() {
		if p := b.loop.tunnels; p.err != nil || p.dirty {
			t.Errorf("after the comparison: error %v, dirty %t", p.err, p.dirty)
		}
	}) {
		t.Error("the loop has ended")
	}
}

// TestWhatIsRefusedIsTriedAgain: meanwhile workloads start, a change costs no comparison with the kernel, and the pauses grow.
func TestWhatIsRefusedIsTriedAgain(t *testing.T) {
	why := errors.New("no module")
	for name, refuse := range map[string]func(*fakeKernel){
		"a setting": func(f *fakeKernel) { f.refused = map[dataplane.Setting]error{dataplane.DenyAction: why} },
		"a policy":  func(f *fakeKernel) { f.closed = map[desired.EndpointID]error{{Namespace: "ns", Name: "b"}: why} },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { triedAgain(t, refuse) }) })
	}
}

func triedAgain(t *testing.T, refuse func(*fakeKernel)) {
	b := newBench(t)
	refuse(b.filter)
	b.sync()
	full := b.filter.full
	if err := b.wait("a", b.add("a")); err != nil || b.loop.unready.Load() != nil {
		t.Errorf("a workload cannot be started: %v", err)
	}
	b.settle()
	filter := b.loop.filter
	if b.filter.full != full || filter.err != nil {
		t.Errorf("%d comparisons with the kernel for one change; error %v", b.filter.full-full, filter.err)
	}
	if s := filter.report(true); s.State != "programmed" || s.Closed != len(b.filter.closed) || s.Retry.IsZero() {
		t.Errorf("status %+v; want it programmed, with what is closed and when that is tried again", s)
	}
	time.Sleep(10 * retryRefused)
	b.settle()
	if n := b.filter.full - full; n < 10 || n > 25 {
		t.Errorf("tried again %d times in %s", n, 10*retryRefused)
	}
	b.filter.mu.Lock()
	b.filter.refused, b.filter.closed = nil, nil
	b.filter.mu.Unlock()
	time.Sleep(retryRefused + time.Second)
	b.settle()
	full = b.filter.full
	if s := filter.report(true); s.Closed != 0 || !s.Retry.IsZero() {
		t.Errorf("in force at last: status %+v", s)
	}
	time.Sleep(2 * retryRefused)
	b.settle()
	if b.filter.full != full {
		t.Errorf("in force at last: compared %d times more", b.filter.full-full)
	}
}

// damage signals an event with n objects to repair and waits until that is done.
func (b *bench) damage(n int) {
	b.filter.mu.Lock()
	b.filter.damage = n
	for len(b.filter.attempts) > 0 {
		<-b.filter.attempts
	}
	b.filter.mu.Unlock()
	b.filter.events <- struct{}{}
	<-b.filter.attempts
	b.settle()
}

func TestForeignDamageIsRepairedOnTheEvent(t *testing.T) {
	b := newBench(t)
	b.sync()
	if err := b.wait("a", b.add("a")); err != nil {
		t.Fatal(err)
	}
	b.filter.mu.Lock()
	clear(b.filter.held)
	b.filter.mu.Unlock()
	b.damage(1)
	if got := b.filter.names(); !slices.Equal(got, []string{nameOf("a")}) {
		t.Errorf("after the event: %v", got)
	}
}

// TestConnectionsAreJudgedAgain: those that a change concerns; all of them at the start, and wherever unwanted ones may have been let in.
func TestConnectionsAreJudgedAgain(t *testing.T) {
	b := newBench(t)
	expect := func(when string, deltas, all int32) {
		t.Helper()
		b.settle()
		if d, a := b.review.deltas.Swap(0), b.review.all.Swap(0); d != deltas || a != all {
			t.Errorf("%s: told of %d deltas and %d times of everything; want %d and %d", when, d, a, deltas, all)
		}
	}
	b.sync()
	expect("at the start", 0, 1)
	if err := b.wait("a", b.add("a")); err != nil {
		t.Fatal(err)
	}
	expect("after a change", 1, 0)
	b.filter.set(errors.New("no buffer space"))
	revision := b.add("b")
	expect("after a change that failed", 1, 0)
	b.filter.set(nil)
	if err := b.wait("b", revision); err != nil {
		t.Fatal(err)
	}
	expect("once it went through", 0, 1)
	b.damage(2)
	expect("after a repair", 0, 1)
	b.damage(0)
	expect("after an event without damage", 0, 0)
}

func TestLocalFactsOutrankTheDatastore(t *testing.T) {
	b := newBench(t)
	b.sync()
	if err := b.wait("a", b.add("a")); err != nil {
		t.Fatal(err)
	}
	b.sync(store.Event{Key: keyOf("a"), Revision: 8}) // somebody deleted the published object
	if got := b.filter.names(); !slices.Equal(got, []string{nameOf("a")}) {
		t.Errorf("a remote deletion took a local endpoint out: %v", got)
	}
	removed := make(chan acceptance, 1)
	b.loop.locals <- localChange{key: keyOf("a"), accepted: removed}
	<-removed
	b.sync(store.Event{Key: keyOf("a"), Object: endpoint("a", "10.0.0.1/32"), Revision: 9}) // a late echo
	if got := b.filter.names(); len(got) != 0 {
		t.Errorf("a late echo brought a deleted endpoint back: %v", got)
	}
}

func TestUnreadableValuesKeepTheLastGood(t *testing.T) {
	b := newBench(t)
	b.sync(store.Event{Key: keyOf("r"), Object: endpoint("r", "10.0.0.9/32"), Revision: 8})
	b.sync(store.Event{Key: keyOf("r"), Err: errors.New("invalid character"), Revision: 9})
	if got := b.filter.names(); !slices.Equal(got, []string{nameOf("r")}) {
		t.Errorf("in force: %v", got)
	}
	var problems []calc.Problem
	b.loop.ask(t.Context(), func() { problems = b.loop.graph.Problems() })
	if len(problems) == 0 || problems[0].Key != keyOf("r") || !problems[0].Refused {
		t.Errorf("problems = %v, want the unreadable object named", problems)
	}
}

func TestWaitSaysWhatIsMissing(t *testing.T) {
	b := newBench(t)
	b.sync()
	b.routes.set(errors.New("no such device"))
	revision := b.add("a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := b.loop.status.wait(ctx, endpointID(keyOf("a")), revision)
	if err == nil || err.Error() != "endpoint ns/n1-k8s-a-eth0 is not programmed yet: waiting for routes (context deadline exceeded)" {
		t.Errorf("wait = %v", err)
	}
}

func TestAnEndpointThatCannotBeIsRefusedAtOnce(t *testing.T) {
	b := newBench(t)
	b.sync()
	accepted := make(chan acceptance, 1)
	bad := endpoint("a", "10.0.0.0/24")
	b.loop.locals <- localChange{key: keyOf("a"), endpoint: bad, accepted: accepted}
	if got := <-accepted; got.err == nil {
		t.Error("an endpoint with a whole subnet for an address was taken")
	}
}
