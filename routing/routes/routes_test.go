// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package routes_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netlink/netlinktest"
	"github.com/weftnet/weft/sys/own"
)

// rig is a manager on a fake kernel, with the desired state it is given.
type rig struct {
	t       *testing.T
	fib     *netlinktest.FIB
	monitor *netlinktest.Monitor
	m       *routes.Manager
	want    map[netip.Prefix]desired.Route
	learned map[netip.Prefix][]netip.Addr
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, want: map[netip.Prefix]desired.Route{}, learned: map[netip.Prefix][]netip.Addr{}}
	r.fib, r.monitor = netlinktest.New()
	r.start()
	return r
}

func (r *rig) start() {
	r.m = routes.New(r.fib, r.monitor, slog.New(slog.DiscardHandler))
	r.t.Cleanup(func() { check(r.t, r.m.Close()) })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// view is the desired state as calc would hand it out.
func (r *rig) view() *desired.State { return viewOf(r.want) }

func viewOf(want map[netip.Prefix]desired.Route) *desired.State {
	s := desired.NewState()
	d := &desired.Delta{}
	for _, route := range want {
		d.Routes = append(d.Routes, route)
		if route.Kind == desired.RouteLocal {
			d.Endpoints = append(d.Endpoints, endpoint(route.Interface, route.Dst.Addr()))
		}
	}
	if err := s.Apply(d); err != nil {
		panic(err) // the delta is made here
	}
	return s
}

func endpoint(link string, addrs ...netip.Addr) *desired.Endpoint {
	return &desired.Endpoint{ID: desired.EndpointID{Namespace: "ns", Name: link}, Interface: link, Addrs: addrs}
}

// cali1 is the endpoint behind that interface.
var cali1 = desired.EndpointID{Namespace: "ns", Name: "cali1"}

func (r *rig) apply(delta *desired.Delta) routes.Report {
	r.t.Helper()
	report, err := r.m.Apply(r.t.Context(), r.view(), delta)
	check(r.t, err)
	return report
}

// set changes one desired route and applies the delta.
func (r *rig) set(route desired.Route) routes.Report {
	r.t.Helper()
	r.want[route.Dst] = route
	return r.apply(&desired.Delta{Routes: []desired.Route{route}})
}

func (r *rig) learn(dst string, complete bool, hops ...string) {
	r.t.Helper()
	prefix := netip.MustParsePrefix(dst)
	addrs := []netip.Addr{}
	for _, h := range hops {
		addrs = append(addrs, netip.MustParseAddr(h))
	}
	check(r.t, r.m.Learn(r.t.Context(), maps.All(map[netip.Prefix][]netip.Addr{prefix: addrs}), complete))
}

// signalled waits until all events were looked at and takes the signal.
func (r *rig) signalled() bool {
	r.monitor.Idle()
	select {
	case <-r.m.Events():
		return true
	default:
		return false
	}
}

// holds fails unless the kernel's routes of ours, rendered, are want.
func (r *rig) holds(want ...string) {
	r.t.Helper()
	var got []string
	for _, protocol := range []uint8{own.RouteProtocol, own.RouteProtocolBGP} {
		list, err := r.fib.List(protocol)
		check(r.t, err)
		for _, route := range list {
			text := strings.Replace(route.String(), fmt.Sprintf(" metric %d", routes.Metric(route.Dst)), " metric 1024", 1)
			got = append(got, strings.TrimSuffix(text, " metric 1024"))
		}
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		r.t.Fatalf("kernel holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func local(dst, link string) desired.Route {
	return desired.Route{Dst: netip.MustParsePrefix(dst), Kind: desired.RouteLocal, Interface: link}
}

func blackhole(dst string) desired.Route {
	return desired.Route{Dst: netip.MustParsePrefix(dst), Kind: desired.RouteBlackhole}
}

func TestLocalRoutes(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	r.want[blackhole("10.65.0.0/26").Dst] = blackhole("10.65.0.0/26")
	r.apply(nil)
	report := r.set(local("10.65.0.1/32", "cali1"))
	if !slices.Equal(report.Programmed, []desired.EndpointID{cali1}) || len(report.Failed) != 0 {
		t.Errorf("report %+v", report)
	}
	r.set(local("fd00:65::1/128", "cali1"))
	r.holds("blackhole 10.65.0.0/26 proto 119", "10.65.0.1/32 link 1 proto 119", "fd00:65::1/128 link 1 proto 119")
	gone := netip.MustParsePrefix("10.65.0.1/32")
	delete(r.want, gone)
	r.apply(&desired.Delta{RoutesRemoved: []netip.Prefix{gone}})
	r.holds("blackhole 10.65.0.0/26 proto 119", "fd00:65::1/128 link 1 proto 119")
}

func TestInterfaceComesLater(t *testing.T) {
	r := newRig(t)
	r.apply(nil)
	report := r.set(local("10.65.0.1/32", "cali1"))
	if err := report.Failed[cali1]; err == nil || !strings.Contains(err.Error(), "cali1 does not exist yet") {
		t.Errorf("failed = %v", report.Failed)
	}
	if r.signalled() {
		t.Error("signalled with nothing to do: an error loop")
	}
	r.fib.AddLink("eth7")
	if r.signalled() {
		t.Error("signalled for a link that nobody waits for")
	}
	r.fib.AddLink("cali1")
	if !r.signalled() {
		t.Fatal("the link appeared without a signal")
	}
	report = r.apply(nil)
	if !slices.Equal(report.Programmed, []desired.EndpointID{cali1}) {
		t.Errorf("report %+v", report)
	}
	r.holds("10.65.0.1/32 link 2 proto 119")
}

func TestLinkDownUp(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	r.want[local("10.65.0.1/32", "cali1").Dst] = local("10.65.0.1/32", "cali1")
	r.apply(nil)
	r.fib.SetUp("cali1", false)
	r.holds()
	if !r.signalled() {
		t.Fatal("no signal for link down")
	}
	if err := r.apply(nil).Failed[cali1]; err == nil || !strings.Contains(err.Error(), "is down") {
		t.Errorf("failed: %v", err)
	}
	r.fib.SetUp("cali1", true)
	if !r.signalled() {
		t.Fatal("no signal for link up")
	}
	r.apply(nil)
	r.holds("10.65.0.1/32 link 1 proto 119")
	if r.signalled() {
		t.Error("signalled after the repair")
	}
}

// TestLateEvents: a link went down and one of its routes was looked at before anybody read the event. The event looks like old news
// then, and so will the next one if that happens again, yet the other route is gone.
func TestLateEvents(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	for _, dst := range []string{"10.65.0.1/32", "10.65.0.2/32"} {
		r.want[netip.MustParsePrefix(dst)] = local(dst, "cali1")
	}
	r.apply(nil)
	for _, up := range []bool{false, true} {
		r.signalled()
		release := r.monitor.Hold()
		r.fib.SetUp("cali1", up)
		r.set(local("10.65.0.1/32", "cali1"))
		release()
		if !r.signalled() {
			t.Fatalf("no signal after up=%t", up)
		}
	}
	r.apply(nil)
	r.holds("10.65.0.1/32 link 1 proto 119", "10.65.0.2/32 link 1 proto 119")
}

// TestEventsOfADay: a workload comes and goes. What the kernel tells of its link, late, needs no look at all routes.
func TestEventsOfADay(t *testing.T) {
	r := newRig(t)
	r.apply(nil)
	release := r.monitor.Hold()
	r.fib.AddLink("cali1")
	r.fib.SetUp("cali1", false)
	r.fib.SetUp("cali1", true)
	route := local("10.65.0.1/32", "cali1")
	r.set(route)
	release()
	if r.signalled() {
		t.Error("signalled by what the link was before its route was made")
	}
	delete(r.want, route.Dst)
	r.apply(&desired.Delta{RoutesRemoved: []netip.Prefix{route.Dst}})
	r.fib.DeleteLink("cali1")
	if r.signalled() {
		t.Error("signalled by the end of a link that no route is left on")
	}
	r.fib.AddLink("cali1")
	r.set(route)
	r.fib.DeleteLink("cali1")
	if !r.signalled() {
		t.Error("no signal for the end of a link with a route")
	}
}

func TestForeignChangesAreRepaired(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	r.want[local("10.65.0.1/32", "cali1").Dst] = local("10.65.0.1/32", "cali1")
	r.apply(nil)
	ours := netlink.Route{Dst: netip.MustParsePrefix("10.65.0.1/32"), Type: netlink.RouteUnicast, Protocol: own.RouteProtocol, Metric: own.RouteMetric}
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteDelete, Route: ours})
	if !r.signalled() {
		t.Fatal("no signal for a deleted route")
	}
	if report := r.apply(nil); report.Repaired != 1 || len(report.Programmed) != 1 {
		t.Errorf("report %+v", report)
	}
	stray := ours
	stray.Dst, stray.Type = netip.MustParsePrefix("10.99.0.0/16"), netlink.RouteBlackhole
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteAdd, Route: stray})
	stray.Dst, stray.Metric = ours.Dst, 7 // would win over ours
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteAdd, Route: stray})
	if !r.signalled() {
		t.Fatal("no signal for a route with our mark")
	}
	if report := r.apply(nil); report.Repaired != 2 {
		t.Errorf("report %+v", report)
	}
	r.holds("10.65.0.1/32 link 1 proto 119")
}

// TestPlaceTaken: a foreign route in our place is not touched, is reported, and once it goes we are there.
func TestPlaceTaken(t *testing.T) {
	r := newRig(t)
	cali := r.fib.AddLink("cali1")
	foreign := netlink.Route{
		Dst: netip.MustParsePrefix("10.65.0.1/32"), Type: netlink.RouteUnicast, Protocol: 4, Metric: own.RouteMetric,
		NextHops: []netlink.NextHop{{Link: cali}},
	}
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteAdd, Route: foreign})
	r.apply(nil)
	report := r.set(local("10.65.0.1/32", "cali1"))
	if err := report.Failed[cali1]; err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("failed: %v", report.Failed)
	}
	r.holds()
	r.signalled()
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteDelete, Route: foreign})
	if !r.signalled() {
		t.Fatal("no signal when the place became free")
	}
	r.apply(nil)
	r.holds("10.65.0.1/32 link 1 proto 119")
}

// TestShadowed: a better foreign route makes ours useless, which the endpoint's report must not hide.
func TestShadowed(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	eth := r.fib.AddLink("eth0")
	r.fib.Meddle(netlink.RouteChange{Op: netlink.RouteAdd, Route: netlink.Route{
		Dst: netip.MustParsePrefix("10.65.0.1/32"), Type: netlink.RouteUnicast, Protocol: 4, Metric: 5, NextHops: []netlink.NextHop{{Link: eth}},
	}})
	r.apply(nil)
	if report := r.set(local("10.65.0.1/32", "cali1")); len(report.Programmed) != 0 || len(report.Failed) != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestLearnedRoutes(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	r.apply(nil)
	r.learn("10.65.1.0/26", true, "192.0.2.2")
	r.learn("10.65.2.0/26", true, "192.0.2.2", "192.0.2.3")
	r.learn("10.65.3.0/26", true, "198.51.100.9") // no way yet
	r.holds("10.65.1.0/26 via 192.0.2.2 link 1 proto 120", "10.65.2.0/26 via 192.0.2.2 link 1 via 192.0.2.3 link 1 proto 120")
	r.signalled()
	r.fib.AddLink("eth1", netip.MustParsePrefix("198.51.100.1/24"))
	if !r.signalled() {
		t.Fatal("no signal when the next hop came into reach")
	}
	r.apply(nil)
	r.learn("10.65.1.0/26", true, "198.51.100.9") // moves
	r.learn("10.65.2.0/26", true)                 // withdrawn
	r.holds("10.65.1.0/26 via 198.51.100.9 link 2 proto 120", "10.65.3.0/26 via 198.51.100.9 link 2 proto 120")
	// A computed route hides a learned one, both ways.
	r.set(blackhole("10.65.1.0/26"))
	r.holds("blackhole 10.65.1.0/26 proto 119", "10.65.3.0/26 via 198.51.100.9 link 2 proto 120")
	delete(r.want, netip.MustParsePrefix("10.65.1.0/26"))
	r.apply(&desired.Delta{RoutesRemoved: []netip.Prefix{netip.MustParsePrefix("10.65.1.0/26")}})
	r.holds("10.65.1.0/26 via 198.51.100.9 link 2 proto 120", "10.65.3.0/26 via 198.51.100.9 link 2 proto 120")
}

// TestRecursiveNextHop: the way to a next hop is the underlay's, never a learned route's, and follows the underlay.
func TestRecursiveNextHop(t *testing.T) {
	r := newRig(t)
	eth := r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	underlay := func(op netlink.RouteOp, gateway string) {
		r.fib.Meddle(netlink.RouteChange{Op: op, Route: netlink.Route{
			Dst: netip.MustParsePrefix("203.0.113.0/24"), Type: netlink.RouteUnicast, Protocol: 4,
			NextHops: []netlink.NextHop{{Gateway: netip.MustParseAddr(gateway), Link: eth}},
		}})
	}
	underlay(netlink.RouteAdd, "192.0.2.254")
	r.apply(nil)
	r.learn("203.0.113.7/32", true, "192.0.2.9") // more specific than the underlay's route to the next hop below
	r.learn("10.65.1.0/26", true, "203.0.113.7")
	r.holds("10.65.1.0/26 via 192.0.2.254 link 1 proto 120", "203.0.113.7/32 via 192.0.2.9 link 1 proto 120")
	r.signalled()
	underlay(netlink.RouteReplace, "192.0.2.253")
	if !r.signalled() {
		t.Fatal("no signal when the underlay changed")
	}
	r.apply(nil)
	r.holds("10.65.1.0/26 via 192.0.2.253 link 1 proto 120", "203.0.113.7/32 via 192.0.2.9 link 1 proto 120")
}

// TestRestartKeepsLearnedRoutes: what an earlier run learned goes only when the speaker has heard everything.
func TestRestartKeepsLearnedRoutes(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	r.fib.AddLink("cali1")
	r.want[local("10.65.0.1/32", "cali1").Dst] = local("10.65.0.1/32", "cali1")
	r.want[blackhole("10.65.0.0/26").Dst] = blackhole("10.65.0.0/26")
	r.apply(nil)
	r.learn("10.65.1.0/26", true, "192.0.2.2")
	r.learn("10.65.2.0/26", true, "192.0.2.3")
	before := []string{
		"10.65.0.1/32 link 2 proto 119", "blackhole 10.65.0.0/26 proto 119",
		"10.65.1.0/26 via 192.0.2.2 link 1 proto 120", "10.65.2.0/26 via 192.0.2.3 link 1 proto 120",
	}
	r.holds(before...)
	if inherited, err := r.m.Inherited(); !inherited || err != nil {
		t.Errorf("inherited %t, %v", inherited, err)
	}
	r.m = routes.New(r.fib, r.monitor, slog.New(slog.DiscardHandler))
	r.learn("10.65.9.0/26", false, "192.0.2.9") // before any view: nothing else moves
	r.learn("10.65.9.0/26", false)
	r.learn("10.65.0.1/32", false, "192.0.2.9")
	r.learn("10.65.0.1/32", false)
	r.holds(append(before, "10.65.9.0/26 via 192.0.2.9 link 1 proto 120")...) // kept until complete
	delete(r.want, netip.MustParsePrefix("10.65.0.1/32"))
	r.apply(nil)
	r.learn("10.65.1.0/26", false, "192.0.2.2")
	r.holds("blackhole 10.65.0.0/26 proto 119", before[2], before[3], "10.65.9.0/26 via 192.0.2.9 link 1 proto 120")
	kept := 0
	for _, s := range r.m.Routes() {
		if s.Kept {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d routes shown as kept, want 2", kept)
	}
	check(t, r.m.Learn(t.Context(), maps.All(map[netip.Prefix][]netip.Addr{}), true))
	r.holds("blackhole 10.65.0.0/26 proto 119", before[2])
}

func TestBrokenConnectionIsReadAgain(t *testing.T) {
	r := newRig(t)
	r.fib.AddLink("cali1")
	r.apply(nil)
	r.fib.Break(errors.New("reply lost"))
	if _, err := r.m.Apply(t.Context(), r.view(), &desired.Delta{Routes: []desired.Route{local("10.65.0.1/32", "cali1")}}); err == nil {
		t.Fatal("no error")
	}
	if !r.signalled() {
		t.Error("no signal to try again")
	}
	r.fib.Break(nil)
	r.want[local("10.65.0.1/32", "cali1").Dst] = local("10.65.0.1/32", "cali1")
	r.apply(&desired.Delta{})
	r.holds("10.65.0.1/32 link 1 proto 119")
}

func TestRemove(t *testing.T) {
	r := newRig(t)
	if inherited, err := r.m.Inherited(); inherited || err != nil {
		t.Errorf("inherited %t, %v", inherited, err)
	}
	r.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
	r.want[blackhole("10.65.0.0/26").Dst] = blackhole("10.65.0.0/26")
	r.apply(nil)
	r.learn("10.65.1.0/26", false, "192.0.2.2")
	check(t, r.m.Remove(t.Context()))
	r.holds()
	all, err := r.fib.List(0)
	check(t, err)
	if len(all) != 1 {
		t.Errorf("routes left: %v; want the connected one alone", all)
	}
}

// TestRandomWalk changes the wishes, the links and the table at random. Apply with nil happens only when Events says so, and yet
// the kernel must end up as a slow calculation from scratch says.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &walk{rig: newRig(t), rng: rand.New(rand.NewPCG(seed, 7))}
			w.fib.AddLink("eth0", netip.MustParsePrefix("192.0.2.1/24"))
			w.fib.AddLink("eth1", netip.MustParsePrefix("198.51.100.1/24"))
			w.apply(nil)
			for range 200 {
				w.step()
			}
			for w.signalled() {
				w.apply(nil)
			}
			w.holds(w.oracle()...)
		})
	}
}

// TestMetrics: neighbouring IPv4 blocks have different metrics, all of them some that are ours; addresses and IPv6 have one.
func TestMetrics(t *testing.T) {
	seen := map[uint32]bool{}
	for i := range 512 {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 65, byte(i >> 2), byte(i << 6)}), 26)
		m := routes.Metric(dst)
		if m < own.RouteMetric || m >= own.RouteMetric+own.RouteMetrics {
			t.Fatalf("%s has %d", dst, m)
		}
		seen[m] = true
	}
	if len(seen) != own.RouteMetrics {
		t.Errorf("512 blocks have %d metrics; want %d", len(seen), own.RouteMetrics)
	}
	for _, dst := range []string{"0.0.0.0/0", "10.65.0.1/32", "fd00::/64", "fd00::1/128"} {
		if m := routes.Metric(netip.MustParsePrefix(dst)); m != own.RouteMetric {
			t.Errorf("%s has %d", dst, m)
		}
	}
}
