// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/agent/connections"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/conntrack/conntracktest"
	"github.com/weftnet/weft/sys/own"
)

const (
	tcp = 6
	udp = 17
)

// The players: two workloads, a set's member elsewhere, another host, and this node itself.
const (
	web, db, peer, other, node = "10.65.0.1", "10.65.0.2", "10.65.9.1", "192.0.2.7", "192.0.2.1"
)

// bench is a reviewer between a state and a table.
type bench struct {
	t     *testing.T
	mu    sync.Mutex // state and asked
	state *desired.State
	table *conntracktest.Table
	r     *connections.Reviewer
	asked int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, state: desired.NewState(), table: &conntracktest.Table{}}
	b.r = connections.New(b.config(b.table))
	return b
}

func (b *bench) config(table connections.Table) connections.Config {
	return connections.Config{
		Table: table, Links: links, Log: slog.New(slog.DiscardHandler),
		Ask: func(_ context.Context, f func(desired.View)) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.asked++
			f(b.state)
			return true
		},
	}
}

func links(addrs []netip.Addr) ([]string, error) {
	var out []string
	for _, a := range addrs {
		if a.String() == node {
			out = append(out, "")
		} else {
			out = append(out, "eth0")
		}
	}
	return out, nil
}

func (b *bench) change(d *desired.Delta) {
	b.t.Helper()
	b.mu.Lock()
	err := b.state.Apply(d)
	b.mu.Unlock()
	if err != nil {
		b.t.Fatal(err)
	}
	b.r.Note(d)
}

func (b *bench) review() {
	b.t.Helper()
	if err := b.r.Review(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// ended checks which of the flows, by source port, carry the mark.
func (b *bench) ended(when string, want ...uint16) {
	b.t.Helper()
	var got []uint16
	for _, f := range b.table.Flows() {
		if f.Mark&own.EndedMark != 0 {
			got = append(got, f.Orig.SrcPort)
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: ended are %v; want %v", when, got, want)
	}
}

func tuple(protocol uint8, src string, sport uint16, dst string, dport uint16) conntrack.Tuple {
	return conntrack.Tuple{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Protocol: protocol, SrcPort: sport, DstPort: dport}
}

func flow(protocol uint8, src string, sport uint16, dst string, dport uint16) conntrack.Flow {
	return conntrack.Flow{Orig: tuple(protocol, src, sport, dst, dport)}
}

var (
	policyID = rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: "guard"}
	openID   = rule.PolicyID{Kind: rule.KindProfile, Name: "open"}
	peers    = rule.SetID("peers")
)

// workload has a policy for ingress and is open otherwise.
func workload(name, addr string) *desired.Endpoint {
	e := &desired.Endpoint{
		ID: desired.EndpointID{Namespace: "ns", Name: name}, Interface: own.InterfacePrefix + name,
		Addrs: []netip.Addr{netip.MustParseAddr(addr)}, Profiles: []rule.PolicyID{openID},
	}
	e.Tiers[rule.Ingress] = []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{policyID}, DefaultAction: rule.Deny}}
	return e
}

func guard(allow ...rule.Match) *desired.Policy {
	p := &desired.Policy{ID: policyID}
	for _, m := range allow {
		p.Rules[rule.Ingress] = append(p.Rules[rule.Ingress], rule.Rule{ID: "allow", Action: rule.Allow, Match: m})
	}
	return p
}

func port(n uint16) rule.Match {
	return rule.Match{Protocol: tcp, Dst: rule.Side{Ports: []rule.PortRange{{Min: n, Max: n}}}}
}

func fromPeers() rule.Match {
	return rule.Match{Src: rule.Side{Sets: []rule.Set{{ID: peers}}}}
}

func members(addrs ...string) (out []desired.Member) {
	for _, a := range addrs {
		out = append(out, desired.Member{Prefix: desired.HostPrefix(netip.MustParseAddr(a))})
	}
	return out
}

// start programs both workloads with a policy and has all reviewed, as at the start of an agent.
func (b *bench) start(allow ...rule.Match) {
	b.t.Helper()
	all := []rule.Rule{{ID: "all", Action: rule.Allow}}
	b.change(&desired.Delta{
		IPSets:    []desired.IPSetChange{{ID: peers, Created: true, Added: members(peer)}},
		Policies:  []*desired.Policy{{ID: openID, Rules: [2][]rule.Rule{all, all}}, guard(allow...)},
		Endpoints: []*desired.Endpoint{workload("web", web), workload("db", db)},
	})
	b.r.All()
	b.review()
}

func TestOnlyWhatIsDeniedNowEnds(t *testing.T) {
	b := newBench(t)
	b.table.Put(
		flow(tcp, web, 1, db, 5432), flow(udp, other, 2, db, 53), flow(tcp, db, 3, other, 443), flow(tcp, other, 4, peer, 80),
		flow(udp, node, 5, db, 53), flow(tcp, db, 6, node, 22),
	)
	b.start(rule.Match{})
	b.ended("all allowed, but the host is closed to workloads", 6)
	b.change(&desired.Delta{Policies: []*desired.Policy{guard(port(5432))}})
	b.review()
	b.ended("UDP is not allowed any more, except to the host itself", 2, 6)
	b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
	b.review()
	b.ended("nothing comes in", 1, 2, 6)
	if got := b.r.Status(); got.Ended != 3 || got.Err != nil {
		t.Errorf("status %+v, want 3 ended", got)
	}
	b.change(&desired.Delta{Policies: []*desired.Policy{guard(port(5432))}})
	b.review()
	b.ended("allowed again", 2, 6)
	settings := *desired.DefaultSettings()
	settings.EndpointToHost = desired.HostAccept
	b.change(&desired.Delta{Settings: &settings})
	b.review()
	b.ended("workloads may talk to the host", 2)
	if marks := b.table.Flows()[0].Mark; marks != 0 {
		t.Errorf("mark %#x is left", marks)
	}
}

func TestKeepLeavesConnectionsAlone(t *testing.T) {
	b := newBench(t)
	b.table.Put(flow(tcp, web, 1, db, 5432), flow(tcp, other, 2, db, 5432))
	b.start(fromPeers())
	b.ended("reevaluated", 1, 2)
	keep := *desired.DefaultSettings()
	keep.KeepConnections = true
	b.table.Put(flow(tcp, peer, 3, db, 5432))
	b.change(&desired.Delta{Settings: &keep, IPSets: []desired.IPSetChange{{ID: peers, Added: members(web), Removed: members(peer)}}})
	b.review()
	b.ended("with Keep: what is denied lives on, what is allowed again too", 2)
	b.change(&desired.Delta{Settings: desired.DefaultSettings()})
	b.review()
	b.ended("with Reevaluate", 2, 3)
}

func TestTranslatedConnectionsAreJudgedBehindNAT(t *testing.T) {
	b := newBench(t)
	service, wrong := "10.96.0.1", "10.96.0.2"
	b.table.Put(
		conntrack.Flow{Orig: tuple(tcp, web, 1, service, 80), Reply: tuple(tcp, db, 8080, web, 1)},
		conntrack.Flow{Orig: tuple(tcp, web, 2, wrong, 8080), Reply: tuple(tcp, db, 80, web, 2)},
		conntrack.Flow{Orig: tuple(tcp, other, 3, node, 30080), Reply: tuple(tcp, db, 8080, node, 333)}, // source NAT behind policy
	)
	b.start(port(8080))
	b.ended("port 8080 of the workload is open", 2)
}

// TestTakenUpMidway: of a connection that was there before connection tracking, the packet that it saw first may be an answer.
func TestTakenUpMidway(t *testing.T) {
	midway := func(f conntrack.Flow) conntrack.Flow { f.Midway = true; return f }
	b := newBench(t)
	b.table.Put(
		midway(flow(tcp, other, 1, db, 80)), midway(flow(tcp, db, 2, other, 4000)), midway(flow(tcp, other, 3, db, 22)),
		flow(tcp, db, 4, other, 4001), midway(flow(tcp, db, 80, other, 5)),
	)
	b.start(port(80))
	b.ended("from the database, as if it had asked, goes what it may not be asked", 2, 3)
	settings := *desired.DefaultSettings()
	settings.AllowInvalid = true
	b.change(&desired.Delta{Settings: &settings})
	b.review()
	b.ended("what was taken up midway is as good as any", 3)
}

// crowd fills the table with connections that nothing here is about.
func (b *bench) crowd(n int) {
	flows := make([]conntrack.Flow, n)
	for i := range flows {
		flows[i] = flow(tcp, "192.0.2.1", uint16(i), "192.0.2.2", uint16(i>>16))
	}
	b.table.Put(flows...)
}

// TestFewConnectionsAreReadAtOnce: each look into the kernel's table costs as much as reading many connections, and an empty one needs none.
func TestFewConnectionsAreReadAtOnce(t *testing.T) {
	b := newBench(t)
	b.start(fromPeers())
	before := len(b.table.Lists())
	b.change(&desired.Delta{IPSets: []desired.IPSetChange{{ID: peers, Removed: members(peer)}}})
	b.review()
	if got := b.table.Lists()[before:]; len(got) > 0 {
		t.Errorf("looked for %+v in an empty table", got)
	}
	b.table.Put(flow(tcp, peer, 1, db, 80))
	b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
	b.review()
	if got := b.table.Lists()[before:]; !slices.Equal(got, []conntrack.Filter{{}}) {
		t.Errorf("looked for %+v; want one look", got)
	}
	b.ended("nothing comes in", 1)
}

// TestCostFollowsTheChange: a member that comes to a set has only its own connections looked at.
func TestCostFollowsTheChange(t *testing.T) {
	b := newBench(t)
	b.start(fromPeers())
	b.crowd(40_000)
	b.table.Put(flow(tcp, peer, 1, db, 80), flow(tcp, other, 2, db, 80)) // the second one is wrong, but nobody asked
	before := len(b.table.Lists())
	b.change(&desired.Delta{IPSets: []desired.IPSetChange{{ID: peers, Removed: members(peer)}}})
	b.review()
	b.ended("the peer is none any more", 1)
	addr := netip.MustParseAddr(peer)
	if got := b.table.Lists()[before:]; !slices.Equal(got, []conntrack.Filter{{From: addr}, {To: addr}}) {
		t.Errorf("looked for %+v; want connections of the member only", got)
	}
	asked := b.asked
	b.r.Note(&desired.Delta{Routes: []desired.Route{{Dst: desired.HostPrefix(addr)}}})
	b.review()
	if len(b.table.Lists()) != before+2 || b.asked != asked {
		t.Error("a change of routes has connections looked at")
	}
	v6 := desired.Member{Prefix: netip.MustParsePrefix("fd00::9/128")}
	b.change(&desired.Delta{IPSets: []desired.IPSetChange{{ID: peers, Added: []desired.Member{v6}}}})
	b.review()
	if got := b.table.Lists()[before+2:]; !slices.Equal(got, []conntrack.Filter{{IPVersion: 6}}) {
		t.Errorf("looked for %+v; want all of IPv6 once", got)
	}
}

func TestHostEndpoints(t *testing.T) {
	b := newBench(t)
	b.table.Put(flow(tcp, other, 1, node, 22), flow(tcp, other, 2, node, 80), flow(tcp, node, 3, other, 443), flow(tcp, other, 4, peer, 80))
	b.start()
	b.ended("no host endpoint")
	hep := &desired.HostEndpoint{ID: desired.EndpointID{Name: "host"}, Interface: "eth0"}
	hep.Normal[rule.Ingress] = []desired.TierPolicies{{Tier: "default", Policies: []rule.PolicyID{policyID}, DefaultAction: rule.Deny}}
	hep.Profiles = []rule.PolicyID{openID}
	b.change(&desired.Delta{HostEndpoints: []*desired.HostEndpoint{hep}})
	b.review()
	b.ended("SSH is a failsafe port, and what is forwarded is not concerned", 2)
	b.change(&desired.Delta{Policies: []*desired.Policy{guard(port(80))}})
	b.review()
	b.ended("port 80 is opened")
	b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
	b.review()
	b.ended("and closed", 2)
	b.change(&desired.Delta{HostEndpointsRemoved: []desired.EndpointID{hep.ID}})
	b.review()
	b.ended("without the host endpoint")
}

// TestGivenUpAddressesAreForgotten: the next workload with an address inherits no connections.
func TestGivenUpAddressesAreForgotten(t *testing.T) {
	b := newBench(t)
	b.start(rule.Match{})
	b.table.Put(flow(tcp, web, 1, other, 80), flow(tcp, other, 2, db, 80), flow(tcp, web, 3, db, 80))
	b.change(&desired.Delta{EndpointsRemoved: []desired.EndpointID{{Namespace: "ns", Name: "db"}}})
	b.review()
	var left []uint16
	for _, f := range b.table.Flows() {
		left = append(left, f.Orig.SrcPort)
	}
	if !slices.Equal(left, []uint16{1}) {
		t.Errorf("connections %v are left; want that of the other workload alone", left)
	}
	b.change(&desired.Delta{EndpointsRemoved: []desired.EndpointID{{Namespace: "ns", Name: "web"}}})
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{workload("next", web)}})
	b.review()
	if len(b.table.Flows()) != 1 {
		t.Error("a connection of an address that has a new owner already is deleted; it may be the new owner's")
	}
	b.change(&desired.Delta{Endpoints: []*desired.Endpoint{workload("next", db)}})
	b.review()
	if len(b.table.Flows()) != 0 {
		t.Error("a connection is left of an address that its owner gave up")
	}
}

func TestRelatedConnectionsFollowTheirMaster(t *testing.T) {
	b := newBench(t)
	control, stranger := tuple(tcp, other, 1, db, 21), tuple(tcp, other, 9, db, 21)
	b.table.Put(
		conntrack.Flow{Orig: tuple(tcp, other, 2, db, 40000), Master: control}, conntrack.Flow{Orig: control},
		conntrack.Flow{Orig: tuple(tcp, other, 3, db, 40001), Master: stranger},
	)
	b.start(port(21))
	b.ended("the control connection is allowed")
	b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
	b.review()
	b.ended("it is not any more", 2, 1)
}

func TestWhatFailedStaysDue(t *testing.T) {
	b := newBench(t)
	b.start(rule.Match{})
	b.table.Put(flow(tcp, other, 1, db, 80))
	full := errors.New("no memory")
	b.table.Fail(full)
	b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
	if !b.r.Status().Pending {
		t.Error("a change is noted, and no review is pending")
	}
	if err := b.r.Review(t.Context()); !errors.Is(err, full) || b.r.Status().Err == nil || !b.r.Status().Pending {
		t.Errorf("review: %v, status %+v", err, b.r.Status())
	}
	b.table.Fail(nil)
	b.review()
	b.ended("the second time", 1)
	if b.r.Status().Pending {
		t.Error("a review is pending after it was done")
	}
	if b.r.Status().Err != nil {
		t.Errorf("the error stays: %v", b.r.Status().Err)
	}
}

// TestRunCoalesces: many changes in a moment are one review, and one that fails is tried again without a further change.
func TestRunCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(rule.Match{})
		b.table.Put(flow(tcp, other, 1, db, 80))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lists := len(b.table.Lists())
		go b.r.Run(ctx)
		for range 100 {
			b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		b.ended("after a second", 1)
		if got := len(b.table.Lists()) - lists; got > 4 {
			t.Errorf("%d looks into the table for changes that came together", got)
		}
		b.table.Fail(errors.New("no memory"))
		b.change(&desired.Delta{Policies: []*desired.Policy{guard(rule.Match{})}})
		time.Sleep(900 * time.Millisecond) // less than until it is tried again
		b.table.Fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.ended("after the fault")
	})
}

// slowTable takes its time to list connections, and counts what that comes to.
type slowTable struct {
	connections.Table
	takes, spent time.Duration
}

func (s *slowTable) List(f conntrack.Filter, yield func(conntrack.Flow)) error {
	time.Sleep(s.takes)
	s.spent += s.takes
	return s.Table.List(f, yield)
}

// runSlow runs a reviewer on a table in which every look takes some time, in a bubble of a test.
func runSlow(t *testing.T, takes time.Duration) (*bench, *slowTable) {
	b := &bench{t: t, state: desired.NewState(), table: &conntracktest.Table{}}
	slow := &slowTable{Table: b.table}
	b.r = connections.New(b.config(slow))
	b.start(rule.Match{})
	slow.takes = takes
	go b.r.Run(t.Context())
	return b, slow
}

// TestAllowedAgainAtOnce: while a long review rests, or another one is to come, a connection that policy allows again has not to wait for it.
func TestAllowedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := runSlow(t, time.Second)
		b.table.Put(flow(tcp, other, 1, db, 5432), flow(tcp, other, 2, db, 80), flow(tcp, other, 3, web, 5432))
		b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
		time.Sleep(6 * time.Second) // four looks, on the fake clock
		synctest.Wait()
		b.ended("nothing comes in", 1, 2, 3)
		lists := len(b.table.Lists())
		b.change(&desired.Delta{Policies: []*desired.Policy{guard(port(5432))}})
		time.Sleep(time.Millisecond)
		synctest.Wait()
		b.ended("a port is open again", 2)
		if len(b.table.Lists()) != lists {
			t.Error("the table was looked through for it")
		}
		b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
		time.Sleep(time.Minute)
		synctest.Wait()
		b.ended("nothing comes in any more", 1, 2, 3)
		b.change(&desired.Delta{Policies: []*desired.Policy{guard(rule.Match{})}})
		time.Sleep(time.Millisecond)
		synctest.Wait()
		b.ended("all is open")
	})
}

// TestFlappingPolicyIsCheap: reviews take a small part of the time, however often policy changes, and in the end the last change counts.
func TestFlappingPolicyIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, slow := runSlow(t, 20*time.Millisecond)
		b.table.Put(flow(tcp, other, 1, db, 5432), flow(tcp, other, 2, web, 5432))
		const flips, period = 100, 30 * time.Millisecond
		for i := range flips {
			b.change(&desired.Delta{Policies: []*desired.Policy{guard([]rule.Match{port(5432)}[:i%2]...)}})
			time.Sleep(period)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if spent := slow.spent; spent == 0 || spent > flips*period/4 {
			t.Errorf("of %s, %s were spent on looks into the table", flips*period, spent)
		}
		if most := 6 * flips; b.asked > most {
			t.Errorf("the agent was asked %d times for %d flips", b.asked, flips)
		}
		b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
		time.Sleep(time.Second)
		synctest.Wait()
		b.ended("in the end", 1, 2)
	})
}

// TestSlowReviewsDoNotRestForLong: where a look into the table takes seconds, what is denied meanwhile ends within seconds too.
func TestSlowReviewsDoNotRestForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 2 * time.Second
		b, _ := runSlow(t, takes)
		b.table.Put(flow(tcp, other, 1, db, 5432))
		b.change(&desired.Delta{Policies: []*desired.Policy{guard(port(5432))}})
		time.Sleep(4 * takes)
		synctest.Wait()
		b.ended("still allowed")
		b.change(&desired.Delta{Policies: []*desired.Policy{guard()}})
		time.Sleep(4 * takes)
		synctest.Wait()
		b.ended("denied", 1)
	})
}
