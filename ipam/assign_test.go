// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func TestAssignDualStack(t *testing.T) {
	w := newWorld(t, pool("four", "10.0.0.0/16"), pool("six", "fd00::/112"))
	n1, n2 := w.node("n1"), w.node("n2")
	first := w.assign(n1, Request{Handle: "a", IPv4: true, IPv6: true})
	if got := w.assign(n2, Request{Handle: "b", IPv4: true, IPv6: true}); got == first {
		t.Fatalf("both nodes got %s", got)
	}
	w.assign(n1, Request{Handle: "a", IPv4: true})
	addrs, err := n2.ByHandle(t.Context(), "a")
	if err != nil || len(addrs) != 3 {
		t.Fatalf("ByHandle = %v, %v; want three addresses", addrs, err)
	}
	w.sound(true)
	w.release(n2, "a") // not the node that assigned
	w.release(n1, "a")
	w.release(n1, "never")
	w.release(n1, "b")
	w.sound(true)
	if held := w.held(); len(held) != 0 {
		t.Fatalf("still held: %v", held)
	}
}

// A freed address goes to the end of the queue.
func TestAssignFirstFreedFirst(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)))
	a := w.node("n1")
	got := w.assign(a, Request{Handle: "0", IPv4: true})
	w.release(a, "0")
	for i := range 4 {
		got += " " + w.assign(a, Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	if want := "10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssignPoolFull(t *testing.T) {
	w := newWorld(t, pool("small", "10.0.0.0/30", blockSize(30)), pool("six", "fd00::/122"))
	a := w.node("n1")
	for i := range 4 {
		w.assign(a, Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	w.refused(a, Request{Handle: "x", IPv4: true, IPv6: true}, ErrFull, "small (10.0.0.0/30): 4 addresses, 4 in use", "add an IPPool")
	w.sound(true) // nothing is left of the IPv6 half
	if n := len(w.held()); n != 4 {
		t.Fatalf("%d addresses held, want 4", n)
	}
	w.create(pool("more", "10.0.1.0/30", blockSize(30)))
	w.assign(a, Request{Handle: "x", IPv4: true, IPv6: true})
}

func TestAssignBorrows(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)))
	n := []*Allocator{w.node("n1"), w.node("n2"), w.node("n3")}
	for i := range 8 {
		w.assign(n[i%3], Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	w.refused(n[2], Request{Handle: "x", IPv4: true}, ErrFull)
	w.sound(true)
	if len(w.held()) != 8 {
		t.Errorf("held %v, want 8", w.held())
	}
}

func TestAssignStrict(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)), config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity = to(true) }))
	n1, n2, n3 := w.node("n1"), w.node("n2"), w.node("n3")
	w.assign(n1, Request{Handle: "1", IPv4: true})
	w.assign(n2, Request{Handle: "2", IPv4: true})
	w.refused(n3, Request{Handle: "3", IPv4: true}, ErrStrict, "6 addresses are free in blocks of other nodes", "p (10.0.0.0/29)")
	w.sound(true)
}

func TestAssignBlockLimit(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24", blockSize(31)), config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity, s.MaxBlocksPerHost = to(true), to(2) }))
	a := w.node("n1")
	for i := range 4 {
		w.assign(a, Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	w.refused(a, Request{Handle: "x", IPv4: true}, ErrBlockLimit, "has 2 IPv4 blocks", "maxBlocksPerHost is 2")
}

// The built-in limit does not refuse addresses that a pool has.
func TestAssignOverBuiltInLimit(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24", blockSize(31)))
	a := w.node("n1")
	for i := range 2*defaultMaxBlocks + 5 {
		w.assign(a, Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	w.sound(true)
}

func TestAssignWithoutAutoAllocate(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24"), config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity, s.AutoAllocateBlocks = to(true), to(false) }))
	w.refused(w.node("n1"), Request{Handle: "x", IPv4: true}, ErrStrict, "autoAllocateBlocks is false")
}

func TestAssignReservation(t *testing.T) {
	reservation := &v3.IPReservation{ObjectMeta: v3.ObjectMeta{Name: "r"}, Spec: v3.IPReservationSpec{ReservedCIDRs: []string{"10.0.0.0/30", "10.0.0.5"}}}
	w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)), reservation)
	a := w.node("n1")
	got := ""
	for i := range 3 {
		got += w.assign(a, Request{Handle: fmt.Sprint(i), IPv4: true}) + " "
	}
	if want := "10.0.0.4 10.0.0.6 10.0.0.7 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.refused(a, Request{Handle: "x", IPv4: true}, ErrFull, "reserved")
	if got := w.assign(a, Request{Handle: "x", Addrs: addrs("10.0.0.5")}); got != "10.0.0.5" {
		t.Errorf("an explicit request got %s", got)
	}
}

func TestAssignBadReservation(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)))
	a := w.node("n1")
	w.assign(a, Request{Handle: "a", IPv4: true})
	w.create(&v3.IPReservation{ObjectMeta: v3.ObjectMeta{Name: "r"}, Spec: v3.IPReservationSpec{ReservedCIDRs: []string{"10.0.0.0/99"}}})
	b := w.node("n1")
	if _, err := b.Assign(t.Context(), Request{Handle: "b", IPv4: true}); err == nil {
		t.Error("addresses are assigned while a reservation is unreadable")
	}
	w.release(b, "a") // but they can be released
}

func TestAssignExplicit(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)), pool("manual", "10.1.0.0/30", func(s *v3.IPPoolSpec) { s.AssignmentMode = "Manual" }, blockSize(30)),
		pool("off", "10.2.0.0/30", func(s *v3.IPPoolSpec) { s.Disabled = to(true) }, blockSize(30)))
	n1, n2 := w.node("n1"), w.node("n2")
	web := map[string]string{"namespace": "prod", "pod": "web"}
	w.assign(n1, Request{Handle: "a", Addrs: addrs("10.0.0.6"), Attrs: web})
	w.refused(n2, Request{Handle: "b", Addrs: addrs("10.0.0.6"), Attrs: map[string]string{"namespace": "prod", "pod": "db"}}, ErrTaken, "pod prod/web")
	w.refused(n1, Request{Handle: "a", Addrs: addrs("10.0.0.6"), Attrs: web}, ErrTaken)
	w.assign(n2, Request{Handle: "b", Addrs: addrs("10.0.0.5")}) // borrowed
	w.assign(n2, Request{Handle: "c", Addrs: addrs("10.1.0.1")})
	w.refused(n2, Request{Handle: "d", Addrs: addrs("10.2.0.1")}, ErrNoPool, "off (10.2.0.0/30), which is disabled")
	w.refused(n2, Request{Handle: "d", Addrs: addrs("10.9.0.1")}, ErrNoPool, "lies in no IPPool")
	w.assign(n1, Request{Handle: "a2", Addrs: addrs("10.0.0.6"), Attrs: web}) // the same pod in a new container
	w.sound(true)
	w.release(n1, "a")
	if got := w.held()[addrs("10.0.0.6")[0]]; got != "a2" {
		t.Errorf("10.0.0.6 belongs to %q, want a2", got)
	}
	w.create(config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity = to(true) }))
	w.refused(w.node("n2"), Request{Handle: "e", Addrs: addrs("10.0.0.7")}, ErrStrict, "block 10.0.0.4/30")
}

func TestAssignCooldown(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/31", blockSize(31)), config(func(s *v3.IPAMConfigurationSpec) { s.IPCooldownSeconds = to(60) }))
	a := w.node("n1")
	w.assign(a, Request{Handle: "a", IPv4: true})
	w.assign(a, Request{Handle: "b", IPv4: true})
	w.release(a, "a")
	w.sound(true)
	w.refused(a, Request{Handle: "c", IPv4: true}, ErrFull, "1 cooling down")
	a = w.node("n1") // the cool-down survives a restart
	w.time = w.time.Add(59 * time.Second)
	w.refused(a, Request{Handle: "c", IPv4: true}, ErrFull)
	w.time = w.time.Add(time.Second)
	if got := w.assign(a, Request{Handle: "c", IPv4: true}); got != "10.0.0.0" {
		t.Errorf("got %s, want 10.0.0.0", got)
	}
	w.sound(true)
}

// A node that sits on an empty block loses it when the pool has no other.
func TestReclaimIdleBlock(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)), config(func(s *v3.IPAMConfigurationSpec) { s.StrictAffinity = to(true) }))
	n1, n2 := w.node("n1"), w.node("n2")
	w.assign(n1, Request{Handle: "a", IPv4: true})
	w.release(n1, "a")
	w.refused(n2, Request{Handle: "b", IPv4: true}, ErrStrict)
	w.time = w.time.Add(2 * time.Minute)
	w.assign(n2, Request{Handle: "b", IPv4: true})
	w.sound(true)
	if got := w.blocks(); got != "10.0.0.0/30 n2" {
		t.Errorf("blocks: %s", got)
	}
	w.refused(n1, Request{Handle: "c", IPv4: true}, ErrStrict)
}

func TestReleaseNode(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/24", blockSize(30)))
	n1, n2 := w.node("n1"), w.node("n2")
	for i := range 5 {
		w.assign(n1, Request{Handle: fmt.Sprint(i), IPv4: true})
	}
	w.release(n1, "4")
	if err := n2.ReleaseNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	w.sound(true)
	if got := w.blocks(); len(w.held()) != 4 || got[len(got)-2:] != " -" {
		t.Errorf("blocks %q, held %v", got, w.held())
	}
	for i := range 4 {
		w.release(n2, fmt.Sprint(i))
	}
	if got := w.blocks(); got != "" {
		t.Errorf("the orphan block outlived its last address: %s", got)
	}
	w.assign(n1, Request{Handle: "again", IPv4: true}) // n1 notices that it lost its blocks
	w.sound(true)
	if n := n1.owned(0); n != 1 {
		t.Errorf("n1 believes to own %d blocks, it has one", n)
	}
}

// A block of a pool that no longer selects the node is given back once it is empty.
func TestPoolLeavesNode(t *testing.T) {
	w := newWorld(t, pool("a", "10.0.0.0/30", blockSize(30)), pool("b", "10.1.0.0/24", blockSize(30)))
	n1 := w.node("n1")
	w.assign(n1, Request{Handle: "1", IPv4: true, Pools4: []string{"a"}})
	p := pool("a", "10.0.0.0/30", blockSize(30), func(s *v3.IPPoolSpec) { s.NodeSelector = "rack == '7'" })
	if _, err := w.store.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.assign(w.node("n1"), Request{Handle: "2", IPv4: true})
	w.release(n1, "1")
	w.assign(w.node("n1"), Request{Handle: "3", IPv4: true})
	for cidr := range w.held() {
		if netipPrefix("10.0.0.0/30").Contains(cidr) {
			t.Errorf("%s is held", cidr)
		}
	}
	w.sound(true)
	w.create(&v3.Node{ObjectMeta: v3.ObjectMeta{Name: "n1", Labels: map[string]string{"rack": "7"}}})
	if got := w.assign(w.node("n1"), Request{Handle: "4", IPv4: true, Pools4: []string{"a"}}); got != "10.0.0.0" {
		t.Errorf("got %s", got)
	}
}

func TestReleaseAddrs(t *testing.T) {
	w := newWorld(t, pool("p", "10.0.0.0/30", blockSize(30)))
	a := w.node("n1")
	w.assign(a, Request{Handle: "a", IPv4: true})
	w.assign(a, Request{Handle: "a", IPv4: true})
	one := addrs("10.0.0.1")[0]
	for _, r := range []Release{{Addr: one, Handle: "b"}, {Addr: one, Sequence: to(uint64(99))}} {
		if err := a.ReleaseAddrs(t.Context(), Release{Addr: addrs("10.0.0.0")[0]}, r); !isErr(err, ErrMismatch) {
			t.Errorf("ReleaseAddrs(%v) = %v", r, err)
		}
	}
	if len(w.held()) != 2 {
		t.Fatalf("held %v", w.held())
	}
	for range 2 {
		if err := a.ReleaseAddrs(t.Context(), Release{Addr: one, Handle: "a", Sequence: to(uint64(1))}); err != nil {
			t.Fatal(err)
		}
	}
	w.sound(true)
	if err := w.store.Delete(t.Context(), poolKey("p"), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.node("n2").ReleaseAddrs(t.Context(), Release{Addr: addrs("10.0.0.0")[0]}); err != nil {
		t.Fatal(err)
	}
	if len(w.held()) != 0 {
		t.Errorf("held %v", w.held())
	}
	if _, err := w.store.Get(t.Context(), handleKey("a")); !isErr(err, store.ErrNotFound) {
		t.Errorf("the handle is left: %v", err)
	}
}
