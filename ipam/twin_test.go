// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

var both = Request{Handle: "h", IPv4: true, IPv6: true}

// twinWorld is one where pairs can be, with all writes counted.
func twinWorld(t *testing.T, objs ...api.Object) (*world, *writes) {
	w := newWorld(t, append(objs, pool("four", "10.0.0.0/28", blockSize(30)), pool("six", "fd00::/64", blockSize(126)))...)
	w.spare = true
	return w, &writes{Store: w.store, n: map[string]int{}}
}

// named returns a request of both families.
func named(handle string) Request { return Request{Handle: handle, IPv4: true, IPv6: true} }

// places returns the places of two addresses in blocks of four.
func places(text string) (out [2]int) {
	for i, addr := range addrs(strings.Fields(text)...) {
		out[i] = int(addr.As16()[15] % 4)
	}
	return out
}

// collectTwins does what the controllers do about twins that are no use any more, and fails if others are left without their blocks.
func (w *world) collectTwins() {
	w.t.Helper()
	a := w.node("collector")
	for _, leak := range Leaks(w.objects()) {
		if !strings.HasPrefix(leak.Handle, typeTwin+"-") {
			continue
		}
		if err := a.ReleaseAddrs(w.t.Context(), leak.Addrs...); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, obj := range w.objects() {
		b, ok := obj.(*v3.IPAMBlock)
		if !ok {
			continue
		}
		of, ok := (block{obj: b}).bond()
		if !ok || b.Spec.Affinity != nil {
			continue
		}
		if pair, err := getBlock(w.t.Context(), w.store, of.block); err != nil || !pair.exists() || !pair.pairsWith(netipPrefix(b.Spec.CIDR)) {
			w.t.Fatalf("twin %s has neither a node nor a pair: %v", b.Spec.CIDR, err)
		}
	}
}

// TestTwins: a workload of both families is one write, and its release another; the addresses are at the same place of their blocks, also after a restart.
func TestTwins(t *testing.T) {
	w, s := twinWorld(t)
	a := w.nodeOn(s, "n1")
	w.assign(a, named("first"))
	clear(s.n)
	got := w.assign(a, named("second"))
	if p := places(got); len(strings.Fields(got)) != 2 || p[0] != p[1] {
		t.Errorf("got %s", got)
	}
	w.release(a, "second")
	if len(s.n) != 1 || s.n["update ipamblocks"] != 2 {
		t.Errorf("an assignment and its release wrote %v", s.n)
	}
	w.sound(true)
	a = w.nodeOn(s, "n1")
	before := w.blocks()
	clear(s.n)
	if p := places(w.assign(a, named("third"))); p[0] != p[1] || s.n["update ipamblocks"] != 1 || w.blocks() != before {
		t.Errorf("after a restart: %v, %v, blocks %s", p, s.n, w.blocks())
	}
	w.assign(a, Request{Handle: "four", IPv4: true})
	six := w.assign(a, Request{Handle: "six", IPv6: true})
	clear(s.n)
	for i := range 3 { // a new pair of blocks
		w.assign(a, named(fmt.Sprint("next", i)))
	}
	if s.n["create ipamblocks"] != 2 || s.n["update ipamblocks"] != 3 || s.n["create ipamhandles"] != 0 {
		t.Errorf("three workloads in a new block: %v", s.n)
	}
	if held := w.held(); len(held) != 12 || held[addrs(six)[0]] != "six" {
		t.Errorf("held: %v", held)
	}
	w.sound(true)
}

// TestNoTwins: without enough blocks, among reserved addresses, by value and for a limit of blocks each address comes on its own.
func TestNoTwins(t *testing.T) {
	limit := config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity, s.MaxBlocksPerHost = to(true), to(1) })
	reservation := &v3.IPReservation{ObjectMeta: v3.ObjectMeta{Name: "r"}, Spec: v3.IPReservationSpec{ReservedCIDRs: []string{"fd00::/64"}}}
	for name, c := range map[string]struct {
		objs []api.Object
		r    Request
		six  *v3.IPPool
	}{
		"few blocks":   {r: both, six: pool("six", "fd00::/112", blockSize(126))},
		"other size":   {r: both, six: pool("six", "fd00::/64", blockSize(125))},
		"reserved":     {r: both, objs: []api.Object{reservation}},
		"one block":    {r: both, objs: []api.Object{limit}},
		"by value":     {r: Request{Handle: "h", IPv4: true, IPv6: true, Addrs: addrs("fd00::5")}},
		"for a tunnel": {r: Request{Handle: "h", IPv4: true, IPv6: true, Use: v3.UseTunnel}},
	} {
		t.Run(name, func(t *testing.T) {
			six := c.six
			if six == nil {
				six = pool("six", "fd00::/64", blockSize(126))
			}
			w := newWorld(t, append(c.objs, pool("four", "10.0.0.0/28", blockSize(30)), six)...)
			w.spare = true
			_, err := w.node("n1").Assign(t.Context(), c.r)
			if name == "reserved" {
				if !isErr(err, ErrFull) {
					t.Errorf("with all reserved: %v", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			for _, obj := range w.objects() {
				if b, ok := obj.(*v3.IPAMBlock); ok && isTwin((block{obj: b}).attr(0)) {
					t.Errorf("a twin: %s", b.Spec.CIDR)
				}
			}
			w.sound(true)
		})
	}
}

// TestTwinAddress: an address of a twin is neither given nor released on its own.
func TestTwinAddress(t *testing.T) {
	w, _ := twinWorld(t)
	a := w.node("n1")
	six := addrs(strings.Fields(w.assign(a, both))[1])[0]
	for _, addr := range []string{six.String(), six.Next().String()} {
		w.refused(a, Request{Handle: "other", Addrs: addrs(addr)}, ErrTaken, addr, "whoever gets 10.0.0.")
		if err := a.ReleaseAddrs(t.Context(), Release{Addr: addrs(addr)[0]}); !isErr(err, ErrMismatch) {
			t.Errorf("release of %s: %v", addr, err)
		}
	}
	if found := Check(append(w.objects(), endpoint("e", "10.0.0.99"), &v3.WorkloadEndpoint{
		ObjectMeta: v3.ObjectMeta{Name: "f", Namespace: "prod"}, Spec: v3.WorkloadEndpointSpec{IPNetworks: []string{six.Next().String() + "/128"}},
	})); len(found) != 1 || !contains(found[0].Reason, "not assigned") {
		t.Errorf("with an address in use that nobody has: %v", found)
	}
}

// TestTwinUnbound: a node that loses its blocks makes no new pair in them, its twin stays as long as a pair needs it, and then goes.
func TestTwinUnbound(t *testing.T) {
	w, _ := twinWorld(t)
	a := w.node("n1")
	first := addrs(strings.Fields(w.assign(a, both))...)
	if err := w.node("n2").ReleaseNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	w.collectTwins()
	if held := w.held(); held[first[0]] != "h" || held[first[1]] != "h" {
		t.Fatalf("held: %v", held)
	}
	second := addrs(strings.Fields(w.assign(a, named("second")))...)
	if held := w.held(); len(held) != 4 || held[second[1]] != "second" {
		t.Errorf("held: %v, second %v", held, second)
	}
	w.sound(false)
	w.release(a, "h")
	w.collectTwins()
	if got := strings.Count(w.blocks(), ","); got != 1 {
		t.Errorf("blocks: %s", w.blocks())
	}
	w.sound(true)
	w.release(a, "second")
	if err := w.node("n2").ReleaseNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if got := w.blocks(); got != "" {
		t.Errorf("blocks at the end: %s", got)
	}
	w.sound(true)
}

// TestTwinStays: somebody who has begun to take a twin from its node does not come through while the node has the block.
func TestTwinStays(t *testing.T) {
	w, _ := twinWorld(t)
	first := addrs(strings.Fields(w.assign(w.node("n1"), both))...)
	twin := netip.PrefixFrom(first[1], 126).Masked()
	w.edit(affinityKey("n1", twin), func(o any) { o.(*v3.BlockAffinity).Spec.State = statePendingDeletion })
	before := w.blocks()
	w.release(w.node("n1"), "another") // which looks at the blocks
	if got := w.blocks(); got != before {
		t.Errorf("blocks: %s, before: %s", got, before)
	}
	w.sound(true)
}

// TestTwinAfterCopy: in a copy of the datastore, where all objects have other UIDs, the pairs that there are stay, and new ones get another twin.
func TestTwinAfterCopy(t *testing.T) {
	from, _ := twinWorld(t)
	first := addrs(strings.Fields(from.assign(from.node("n1"), both))...)
	w := newWorld(t)
	w.spare = true
	for _, obj := range from.objects() {
		obj = api.Clone(obj)
		obj.SetUID("")
		obj.SetResourceVersion("")
		w.create(obj)
	}
	a := w.node("n1")
	second := addrs(strings.Fields(w.assign(a, named("second")))...)
	if held := w.held(); len(held) != 4 || held[first[1]] != "h" || held[second[1]] != "second" {
		t.Errorf("held: %v", held)
	}
	w.sound(true)
	if err := w.node("n2").ReleaseNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	w.collectTwins()
	w.sound(true)
	w.release(a, "h")
	w.release(a, "second")
	w.collectTwins()
	if got := w.blocks(); got != "" {
		t.Errorf("blocks at the end: %s", got)
	}
}

// TestOtherTwin: what was judged of a twin does not end one that has been made in its place meanwhile.
func TestOtherTwin(t *testing.T) {
	w, _ := twinWorld(t)
	a := w.node("n1")
	first := addrs(strings.Fields(w.assign(a, both))...)
	earlier := bond{netip.PrefixFrom(first[0], 30).Masked(), "an earlier block"}
	for _, d := range []*disown{{twin: earlier, ended: true}, {twin: earlier}, {}} {
		d.owner = a.owner()
		if err := a.writer(netip.PrefixFrom(first[1], 126).Masked()).do(&request{edit: d, ctx: t.Context()}); !isErr(err, errMoved) {
			t.Errorf("%+v: %v, want errMoved", d, err)
		}
	}
	w.sound(true)
}

// TestTwinOfReclaimedBlock: when another node takes the empty block, its twin goes at the next look of the node that has it.
func TestTwinOfReclaimedBlock(t *testing.T) {
	w, _ := twinWorld(t)
	a := w.node("n1")
	w.assign(a, both)
	w.release(a, "h")
	w.time = w.time.Add(2 * reclaimAge)
	other := w.node("n2")
	for i := range 16 {
		w.assign(other, Request{Handle: fmt.Sprint("four", i), IPv4: true})
	}
	for i := range 16 {
		w.release(other, fmt.Sprint("four", i))
	}
	w.time = w.time.Add(2 * reclaimAge)
	w.assign(a, named("again"))
	for _, obj := range w.objects() {
		b, ok := obj.(*v3.IPAMBlock)
		if !ok {
			continue
		}
		if of, ok := (block{obj: b}).bond(); ok {
			if pair, err := getBlock(t.Context(), w.store, of.block); err != nil || !pair.exists() || pair.obj.UID != of.uid {
				t.Errorf("the twin %s is there still, its block is not: %v", b.Spec.CIDR, err)
			}
		}
	}
	w.sound(true)
}

// TestLateWriteOfPair: what an agent has sent for a block that was taken from its node meanwhile fails, also if the node has one at the same place again.
func TestLateWriteOfPair(t *testing.T) {
	w, _ := twinWorld(t)
	a := w.node("n1")
	w.assign(a, both)
	w.release(a, "h")
	cidr := netipPrefix(strings.Fields(w.blocks())[0])
	before := a.writer(cidr)
	b, _, err := before.peek(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := &take{holder: holder{"late", withoutHandle(nil)}, owner: a.owner(), mate: &mate{netipPrefix("fd00::/126"), b.obj.UID, &want{}}}
	if err := w.node("n2").ReleaseNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.claim(t.Context(), newBlock(cidr, a.owner(), false, w.time)); err != nil {
		t.Fatal(err)
	}
	if err := before.do(&request{edit: late, ctx: t.Context()}); !isErr(err, errMoved) {
		t.Errorf("the late pair: %v; held %v", err, w.held())
	}
	w.sound(false)
}
