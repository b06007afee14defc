// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// reference is a block as simple as can be.
type reference struct {
	holder  []string // "" free
	cooling []time.Time
	queue   []int
}

// A block does what a list of holders and a queue do, through any sequence of edits and a trip through JSON.
func TestBlockAgainstReference(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := rules{cooldown: time.Duration(rng.IntN(3)) * 10 * time.Second, now: now}
		if rng.IntN(2) == 0 {
			c.reserved = prefixes{netipPrefix("10.0.0.2/31")}
		}
		b := newBlock(netipPrefix("10.0.0.0/29"), "host:n1", false, now)
		ref := &reference{holder: make([]string, 8), cooling: make([]time.Time, 8), queue: []int{0, 1, 2, 3, 4, 5, 6, 7}}
		for range 60 {
			c.now = c.now.Add(time.Duration(rng.IntN(8)) * time.Second)
			before := fmt.Sprint(b.obj.Spec)
			next := b.copy()
			randomEdit(rng, next, ref, c, t)
			if fmt.Sprint(b.obj.Spec) != before {
				t.Fatalf("seed %d: an edit of a copy shows in the original", seed)
			}
			b = reread(t, next)
			compare(t, seed, b, ref)
		}
	}
}

// randomEdit does one random edit on both.
func randomEdit(rng *rand.Rand, b block, ref *reference, c rules, t *testing.T) {
	h := holder{handle: fmt.Sprint("h", rng.IntN(4)), attrs: map[string]string{"pod": fmt.Sprint(rng.IntN(2))}}
	if rng.IntN(2) == 0 {
		i, ok := b.takeNext(func(int) holder { return h }, c)
		if j, want := ref.takeNext(h.handle, c, b); ok != want || ok && i != j {
			t.Fatalf("takeNext = %d, %v; want %d, %v", i, ok, j, want)
		}
		return
	}
	i := rng.IntN(8)
	if ref.holder[i] == "" {
		return
	}
	b.release(i, c)
	ref.holder[i] = ""
	if c.cooldown == 0 {
		ref.queue = append(ref.queue, i)
	} else {
		ref.cooling[i] = c.now
	}
}

func (r *reference) takeNext(handle string, c rules, b block) (int, bool) {
	var over []int
	for i, at := range r.cooling {
		if !at.IsZero() && c.now.Sub(at) >= c.cooldown {
			over = append(over, i)
		}
	}
	slices.SortStableFunc(over, func(x, y int) int { return r.cooling[x].Compare(r.cooling[y]) })
	for _, i := range over {
		r.cooling[i] = time.Time{}
		r.queue = append(r.queue, i)
	}
	for n, i := range r.queue {
		if !c.reserved.contains(b.addr(i)) {
			r.holder[i] = handle
			r.queue = slices.Delete(r.queue, n, n+1)
			return i, true
		}
	}
	return 0, false
}

// reread sends a block through its stored form, which must be consistent.
func reread(t *testing.T, b block) block {
	t.Helper()
	data, err := api.Encode(b.obj)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := api.DecodeLenient(data)
	if err != nil {
		t.Fatal(err)
	}
	b, err = readBlock(obj.(*v3.IPAMBlock))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compare(t *testing.T, seed uint64, b block, ref *reference) {
	t.Helper()
	used := map[int]bool{}
	for i := range 8 {
		if b.handleAt(i) != ref.holder[i] {
			t.Fatalf("seed %d: %s belongs to %q, want %q", seed, b.addr(i), b.handleAt(i), ref.holder[i])
		}
		if n := b.obj.Spec.Allocations[i]; n != nil {
			used[*n] = true
		}
	}
	if !slices.Equal(b.obj.Spec.Unallocated, ref.queue) {
		t.Fatalf("seed %d: queue %v, want %v", seed, b.obj.Spec.Unallocated, ref.queue)
	}
	if len(used) != len(b.obj.Spec.Attributes) {
		t.Fatalf("seed %d: %d attributes, %d in use", seed, len(b.obj.Spec.Attributes), len(used))
	}
}

func TestReadBlockNamesWhatIsWrong(t *testing.T) {
	for text, harm := range map[string]func(s *v3.IPAMBlockSpec){
		`spec.cidr "x" is no CIDR`:                 func(s *v3.IPAMBlockSpec) { s.CIDR = "x" },
		"has 3 entries":                            func(s *v3.IPAMBlockSpec) { s.Allocations = s.Allocations[:3] },
		"10.0.0.2 is in spec.unallocated twice":    func(s *v3.IPAMBlockSpec) { s.Unallocated = []int{0, 1, 2, 2, 3} },
		"10.0.0.3 is neither free nor allocated":   func(s *v3.IPAMBlockSpec) { s.Unallocated = []int{0, 1, 2} },
		"10.0.0.1 is both free and allocated":      func(s *v3.IPAMBlockSpec) { s.Allocations[1] = to(0) },
		"holds 4, which is outside":                func(s *v3.IPAMBlockSpec) { s.Unallocated = []int{0, 1, 2, 4} },
		"10.0.0.3 refers to spec.attributes[7]":    func(s *v3.IPAMBlockSpec) { s.Unallocated, s.Allocations[3] = []int{0, 1, 2}, to(7) },
		"IPAMBlock 10-0-0-0-30: spec.allocations ": func(s *v3.IPAMBlockSpec) { s.CIDR = "0.0.0.0/4" },
	} {
		b := newBlock(netipPrefix("10.0.0.0/30"), "host:n1", false, time.Now())
		harm(&b.obj.Spec)
		if _, err := readBlock(b.obj); err == nil || !contains(err.Error(), text) {
			t.Errorf("readBlock = %v, want %q", err, text)
		}
	}
}

func TestScanVisitsEachBlockOnce(t *testing.T) {
	for _, cidr := range []string{"10.0.0.0/20", "fd00::/116", "10.255.255.0/24", "10.0.0.4/30"} {
		p := &Pool{CIDR: netipPrefix(cidr), BlockBits: netipPrefix(cidr).Bits() + 2}
		seen := map[string]bool{}
		for b := range blocksOf(p, "node-a", 7) {
			if seen[b.String()] || !p.CIDR.Contains(b.Addr()) || b != b.Masked() {
				t.Fatalf("%s: %s is no block of it, or is there twice", cidr, b)
			}
			seen[b.String()] = true
		}
		if len(seen) != 4 {
			t.Errorf("%s: %d blocks, want 4", cidr, len(seen))
		}
	}
	for b := range blocksOf(&Pool{CIDR: netipPrefix("fd00:aaaa::/32"), BlockBits: 122}, "node-a", 0) {
		if !netipPrefix("fd00:aaaa::/32").Contains(b.Addr()) || b.Bits() != 122 {
			t.Errorf("%s", b)
		}
		break
	}
}

func TestNames(t *testing.T) {
	if got := BlockName(netipPrefix("10.0.1.0/26")); got != "10-0-1-0-26" {
		t.Error(got)
	}
	if got := AffinityName("n1", netipPrefix("fd00::40/122")); got != "n1-fd00--40-122" {
		t.Error(got)
	}
	if got := HandleName("k8s-pod-network.0a1b"); got != "k8s-pod-network.0a1b" {
		t.Error(got)
	}
	ids := []string{"a", "A", "a_b", "a-b", "a.b", "-", "", "_", longText(300), longText(301), "é"}
	seen := map[string]string{}
	for _, id := range ids {
		name := HandleName(id)
		if other, ok := seen[name]; ok || !subdomain.MatchString(name) || len(name) > maxName {
			t.Errorf("HandleName(%q) = %q (also of %q)", id, name, other)
		}
		seen[name] = id
	}
}
