// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// model is what the walk knows must be: who was told to have which address.
type model map[string][]netip.Addr

func (m model) owner(addr netip.Addr) string {
	for handle, list := range m {
		if slices.Contains(list, addr) {
			return handle
		}
	}
	return ""
}

// walk is a random life of three nodes that share small pools.
type walk struct {
	*world
	rng   *rand.Rand
	nodes []*Allocator
	model model
	// doubtful are handles whose last operation was interrupted: they may have more or fewer addresses than the model says.
	doubtful map[string]bool
	pools    []netip.Prefix
	six      int // addresses of IPv6
}

// A random walk of assignments, releases, crashes and give-backs agrees with the model after each step: nobody gets what another has,
// all that was promised is there, a refusal means that the pools are full, and in the end nothing is left.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(120) {
		six, free := "fd00::/124", 16
		if seed >= 80 {
			six, free = "fd00::/100", 1<<28
		}
		w := &walk{
			world: newWorld(t, pool("a", "10.0.0.0/29", blockSize(30)), pool("b", "10.0.1.0/30", blockSize(31)), pool("six", six, blockSize(126))),
			rng:   rand.New(rand.NewPCG(seed, 2)), model: model{}, doubtful: map[string]bool{}, six: free,
			pools: []netip.Prefix{netipPrefix("10.0.0.0/29"), netipPrefix("10.0.1.0/30"), netipPrefix(six)},
		}
		w.spare = seed >= 40
		for i := range 3 {
			w.nodes = append(w.nodes, w.node(fmt.Sprint("n", i)))
		}
		for range 120 {
			w.step()
			w.agree(seed)
		}
		for _, handle := range w.handles() {
			for _, node := range w.nodes {
				w.release(node, handle)
			}
		}
		for i := range w.nodes {
			if err := w.nodes[i].ReleaseNode(t.Context(), fmt.Sprint("n", i)); err != nil {
				t.Fatal(err)
			}
		}
		w.collectTwins()
		if blocks := w.blocks(); blocks != "" || len(w.handles()) != 0 {
			t.Fatalf("seed %d: left over: blocks %q, handles %v", seed, blocks, w.handles())
		}
		w.sound(true)
	}
}

func (w *walk) step() {
	w.time = w.time.Add(time.Duration(w.rng.IntN(40)) * time.Second)
	i := w.rng.IntN(len(w.nodes))
	h := w.rng.IntN(12)
	handle := fmt.Sprint("h", h)
	if w.spare {
		i = h % len(w.nodes) // a handle is one node's
	}
	node := w.nodes[i]
	f := &faultStore{Store: w.store, kind: faults[w.rng.IntN(2)], left: 1 + w.rng.IntN(6)}
	crashing := w.rng.IntN(4) == 0
	if crashing {
		var s store.Store = f
		if w.rng.IntN(2) == 0 {
			s = faultTransactor{f}
		}
		node = New(s, Options{Node: node.node, Now: node.now, SpareHandles: w.spare})
		defer node.Close()
	}
	var err error
	switch w.rng.IntN(10) {
	case 0:
		err = node.ReleaseNode(w.t.Context(), fmt.Sprint("n", w.rng.IntN(3)))
	case 1:
		w.nodes[i] = w.node(node.node) // restart
	case 2, 3, 4, 5:
		if err = node.ReleaseHandle(w.t.Context(), handle); err == nil {
			delete(w.model, handle)
			delete(w.doubtful, handle)
		}
	default:
		err = w.assignStep(node, handle)
	}
	if err != nil && !errors.Is(err, errCrashed) {
		w.t.Fatal(err)
	}
	if err != nil {
		w.doubtful[handle] = true
	}
	if err != nil || crashing && w.spare { // without handles a node has one process at a time
		w.nodes[i] = w.node(node.node)
	}
}

func (w *walk) assignStep(node *Allocator, handle string) error {
	r := Request{Handle: handle, IPv4: w.rng.IntN(4) > 0, IPv6: true}
	if w.rng.IntN(4) == 0 {
		r.Addrs = addrs(fmt.Sprintf("10.0.0.%d", w.rng.IntN(8)))
	}
	result, err := node.Assign(w.t.Context(), r)
	switch {
	case errors.Is(err, errCrashed): // perhaps while it undid what it refused
		return err
	case errors.Is(err, ErrTaken):
		if owner := w.held()[r.Addrs[0]]; owner == "" {
			w.t.Fatalf("%v, but nobody has it", err)
		}
		return nil
	case errors.Is(err, ErrFull):
		w.full(r, err)
		return nil
	case err != nil:
		return err
	}
	for _, addr := range result.Addrs {
		if owner := w.model.owner(addr); w.doubtful[owner] { // its interrupted release came as far as this address
			w.model[owner] = slices.DeleteFunc(w.model[owner], func(a netip.Addr) bool { return a == addr })
		} else if owner != "" {
			w.t.Fatalf("%s was assigned to %s and belongs to %s", addr, handle, owner)
		}
		if !slices.ContainsFunc(w.pools, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			w.t.Fatalf("%s lies in no pool", addr)
		}
	}
	w.model[handle] = append(w.model[handle], result.Addrs...)
	return nil
}

// full checks a refusal: at least one family that was asked for has no free address in any block.
func (w *walk) full(r Request, err error) {
	free := [2]int{12, w.six}
	for addr := range w.held() {
		free[familyOf(addr)]--
	}
	if !(r.IPv4 && len(r.Addrs) == 0 && free[0] == 0) && free[1] != 0 {
		w.t.Fatalf("%v, but %v addresses are free", err, free)
	}
}

// agree compares the store with the model.
func (w *walk) agree(seed uint64) {
	w.sound(false)
	held := w.held()
	for handle, list := range w.model {
		for _, addr := range list {
			if held[addr] != handle && !w.doubtful[handle] {
				w.t.Fatalf("seed %d: %s was promised to %s and belongs to %q", seed, addr, handle, held[addr])
			}
		}
	}
	for addr, handle := range held {
		if !slices.Contains(w.model[handle], addr) && !w.doubtful[handle] {
			w.t.Fatalf("seed %d: %s belongs to %s, which never got it", seed, addr, handle)
		}
	}
}

func TestCheckFindsContradictions(t *testing.T) {
	for text, harm := range map[string]func(w *world){
		"does not count them": func(w *world) { w.delete(handleKey("h")) },
		"counts 2 addresses of 10.0.0.0/30 and h": func(w *world) {
			w.edit(handleKey("h"), func(o any) { o.(*v3.IPAMHandle).Spec.Block["10.0.0.0/30"] = 2 })
		},
		"has no BlockAffinity":              func(w *world) { w.delete(affinityKey("n1", netipPrefix("10.0.0.0/30"))) },
		`belongs to ""; delete this object`: func(w *world) { w.delete(blockKey(netipPrefix("10.0.0.0/30"))) },
		"is pending": func(w *world) {
			w.edit(affinityKey("n1", netipPrefix("10.0.0.0/30")), func(o any) { o.(*v3.BlockAffinity).Spec.State = "pending" })
		},
		"lies in no usable IPPool": func(w *world) { w.delete(poolKey("p")) },
		"overlaps block":           func(w *world) { w.create(newBlock(netipPrefix("10.0.0.0/31"), "", false, w.time).obj) },
		"is empty and belongs to":  func(w *world) { w.create(newBlock(netipPrefix("10.0.0.4/30"), "", false, w.time).obj) },
		"not of the block size":    func(w *world) { w.create(newBlock(netipPrefix("10.0.0.4/31"), "host:n1", false, w.time).obj) },
		"is neither free nor": func(w *world) {
			w.edit(blockKey(netipPrefix("10.0.0.0/30")), func(o any) { o.(*v3.IPAMBlock).Spec.Allocations[0] = nil })
		},
		"without a handle": func(w *world) {
			w.edit(blockKey(netipPrefix("10.0.0.0/30")), func(o any) { o.(*v3.IPAMBlock).Spec.Attributes[0].HandleID = nil })
		},
		"is also an address of":      func(w *world) { w.create(endpoint("a", "10.0.0.0"), endpoint("b", "10.0.0.0")) },
		"in use but not assigned":    func(w *world) { w.create(endpoint("a", "10.0.0.6")) },
		"its release was interrupte": func(w *world) { w.edit(handleKey("h"), func(o any) { o.(*v3.IPAMHandle).Spec.Deleted = true }) },
	} {
		w := newWorld(t, pool("p", "10.0.0.0/29", blockSize(30)))
		w.assign(w.node("n1"), Request{Handle: "h", Addrs: addrs("10.0.0.0")})
		w.create(endpoint("good", "10.0.0.0"), endpoint("outside", "192.168.0.1"))
		w.delete(w.key(endpoint("good", "")))
		w.sound(true)
		harm(w)
		if found := Check(w.objects()); !slices.ContainsFunc(found, func(v Violation) bool { return contains(v.String(), text) }) {
			t.Errorf("want %q, found %v", text, found)
		}
	}
}

func endpoint(name, addr string) *v3.WorkloadEndpoint {
	return &v3.WorkloadEndpoint{ObjectMeta: v3.ObjectMeta{Name: name, Namespace: "prod"}, Spec: v3.WorkloadEndpointSpec{IPNetworks: []string{addr + "/32"}}}
}
