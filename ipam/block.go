// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

// block is an IPAMBlock that is known to be consistent. obj is nil for a block that does not exist.
type block struct {
	cidr netip.Prefix
	obj  *v3.IPAMBlock
}

// holder says who takes an address.
type holder struct {
	handle string
	attrs  map[string]string
}

// maxBlockAddrs is the size of the largest block that the API allows (/20, /116).
const maxBlockAddrs = 1 << 12

// newBlock returns a block with all addresses free. Owner "" makes an orphan.
func newBlock(cidr netip.Prefix, owner string, strict bool, now time.Time) block {
	size := 1 << (cidr.Addr().BitLen() - cidr.Bits())
	obj := &v3.IPAMBlock{ObjectMeta: v3.ObjectMeta{Name: BlockName(cidr)}}
	obj.Spec = v3.IPAMBlockSpec{
		CIDR: cidr.String(), Allocations: make([]*int, size), Unallocated: make([]int, size),
		Attributes: []v3.AllocationAttribute{}, StrictAffinity: strict,
	}
	for i := range size {
		obj.Spec.Unallocated[i] = i
	}
	if owner != "" {
		obj.Spec.Affinity, obj.Spec.AffinityClaimTime = &owner, timeOf(now)
	}
	return block{cidr, obj}
}

// readBlock checks a stored block. The error says what is inconsistent. A block that is being deleted counts as absent.
func readBlock(obj *v3.IPAMBlock) (block, error) {
	cidr, err := netip.ParsePrefix(obj.Spec.CIDR)
	if err != nil || cidr != cidr.Masked() {
		return block{}, fmt.Errorf("IPAMBlock %s: spec.cidr %q is no CIDR; delete the block or restore it from a backup", obj.Name, obj.Spec.CIDR)
	}
	b := block{cidr, obj}
	if obj.Spec.Deleted {
		return block{cidr: cidr}, nil
	}
	if problem := b.problem(); problem != "" {
		return block{}, fmt.Errorf("IPAMBlock %s: %s; correct it, or delete the block once no workload has one of its addresses", obj.Name, problem)
	}
	return b, nil
}

// problem says how the lists of the block contradict each other, or "".
func (b block) problem() string {
	s := &b.obj.Spec
	size := 1 << min(b.cidr.Addr().BitLen()-b.cidr.Bits(), 13)
	if size > maxBlockAddrs || len(s.Allocations) != size {
		return fmt.Sprintf("spec.allocations has %d entries, %s has another number of addresses", len(s.Allocations), b.cidr)
	}
	free := make([]bool, size)
	for _, i := range s.Unallocated {
		switch {
		case i < 0 || i >= size:
			return fmt.Sprintf("spec.unallocated holds %d, which is outside of the block", i)
		case free[i]:
			return fmt.Sprintf("%s is in spec.unallocated twice", b.addr(i))
		case s.Allocations[i] != nil:
			return fmt.Sprintf("%s is both free and allocated", b.addr(i))
		}
		free[i] = true
	}
	for i, a := range s.Allocations {
		switch {
		case a == nil && !free[i]:
			return fmt.Sprintf("%s is neither free nor allocated", b.addr(i))
		case a != nil && (*a < 0 || *a >= len(s.Attributes)):
			return fmt.Sprintf("%s refers to spec.attributes[%d], which is not there", b.addr(i), *a)
		}
	}
	return ""
}

// copy returns a block whose edits do not show in b. Attributes and numbers are shared: edits replace, never change them.
func (b block) copy() block {
	if b.obj == nil {
		return b
	}
	obj := *b.obj
	obj.Spec.Allocations = slices.Clone(obj.Spec.Allocations)
	obj.Spec.Unallocated = slices.Clone(obj.Spec.Unallocated)
	obj.Spec.Attributes = slices.Clone(obj.Spec.Attributes)
	obj.Spec.SequenceNumberForAllocation = maps.Clone(obj.Spec.SequenceNumberForAllocation)
	return block{b.cidr, &obj}
}

func (b block) exists() bool { return b.obj != nil }

// owner returns the affinity, "" for an orphan.
func (b block) owner() string {
	if b.obj == nil || b.obj.Spec.Affinity == nil {
		return ""
	}
	return *b.obj.Spec.Affinity
}

func (b block) addr(i int) netip.Addr { return plus(b.cidr.Addr(), uint64(i), 0) }

// attr returns who holds address i, or nil when it is free.
func (b block) attr(i int) *v3.AllocationAttribute {
	if n := b.obj.Spec.Allocations[i]; n != nil {
		return &b.obj.Spec.Attributes[*n]
	}
	return nil
}

// handleAt returns the handle of address i, "" when it is free, cooling down or held without handle.
func (b block) handleAt(i int) string {
	if a := b.attr(i); a != nil && a.HandleID != nil && a.ReleasedAt == nil {
		return *a.HandleID
	}
	return ""
}

// heldBy returns the addresses of a handle, by their place.
func (b block) heldBy(handle string) []int {
	if b.obj == nil {
		return nil
	}
	var out []int
	for i := range b.obj.Spec.Allocations {
		if b.handleAt(i) == handle {
			out = append(out, i)
		}
	}
	return out
}

// empty reports that no address is in use or cooling down.
func (b block) empty() bool { return len(b.obj.Spec.Unallocated) == len(b.obj.Spec.Allocations) }

// free counts the addresses that takeNext would give, those included whose cool-down is over.
func (b block) free(c rules) int {
	if b.obj == nil {
		return 0
	}
	n := 0
	for _, i := range b.obj.Spec.Unallocated {
		if !c.reserved.contains(b.addr(i)) {
			n++
		}
	}
	for i := range b.obj.Spec.Allocations {
		if b.cooled(i, c) && !c.reserved.contains(b.addr(i)) {
			n++
		}
	}
	return n
}

// takeNext gives the longest free address that is not reserved to whom hold names for it.
func (b block) takeNext(hold func(i int) holder, c rules) (int, bool) {
	b.sweep(c)
	for _, i := range b.obj.Spec.Unallocated {
		if !c.reserved.contains(b.addr(i)) {
			b.take(i, hold(i))
			return i, true
		}
	}
	return 0, false
}

// take gives address i, which is free or whose holder is replaced, to h.
func (b block) take(i int, h holder) {
	s := &b.obj.Spec
	if s.Allocations[i] != nil {
		b.clear(i)
	} else {
		s.Unallocated = slices.DeleteFunc(s.Unallocated, func(free int) bool { return free == i })
	}
	b.set(i, v3.AllocationAttribute{HandleID: &h.handle, Secondary: h.attrs})
	if s.SequenceNumberForAllocation == nil {
		s.SequenceNumberForAllocation = map[string]uint64{}
	}
	s.SequenceNumberForAllocation[strconv.Itoa(i)] = s.SequenceNumber
}

// sequence returns the block's sequence number when address i was assigned.
func (b block) sequence(i int) uint64 { return b.obj.Spec.SequenceNumberForAllocation[strconv.Itoa(i)] }

// release frees address i: at once, or after the cool-down.
func (b block) release(i int, c rules) {
	b.clear(i)
	if c.cooldown == 0 {
		b.obj.Spec.Unallocated = append(b.obj.Spec.Unallocated, i)
		return
	}
	b.set(i, v3.AllocationAttribute{ReleasedAt: timeOf(c.now)})
}

// cooled reports that address i was freed long enough ago.
func (b block) cooled(i int, c rules) bool {
	a := b.attr(i)
	return a != nil && a.ReleasedAt != nil && c.now.Sub(a.ReleasedAt.Time) >= c.cooldown
}

// sweep returns addresses whose cool-down is over to the free ones, the longest free first.
func (b block) sweep(c rules) {
	var over []int
	for i := range b.obj.Spec.Allocations {
		if b.cooled(i, c) {
			over = append(over, i)
		}
	}
	slices.SortStableFunc(over, func(x, y int) int { return b.attr(x).ReleasedAt.Compare(b.attr(y).ReleasedAt.Time) })
	for _, i := range over {
		b.clear(i)
		b.obj.Spec.Unallocated = append(b.obj.Spec.Unallocated, i)
	}
}

// set makes a the attribute of address i, sharing an equal one.
func (b block) set(i int, a v3.AllocationAttribute) {
	s := &b.obj.Spec
	n := slices.IndexFunc(s.Attributes, func(have v3.AllocationAttribute) bool { return sameAttr(&have, &a) })
	if n < 0 {
		n = len(s.Attributes)
		s.Attributes = append(s.Attributes, a)
	}
	s.Allocations[i] = &n
}

func sameAttr(x, y *v3.AllocationAttribute) bool {
	sameHandle := x.HandleID == nil && y.HandleID == nil || x.HandleID != nil && y.HandleID != nil && *x.HandleID == *y.HandleID
	return sameHandle && x.ReleasedAt.Equal(y.ReleasedAt) && maps.Equal(x.Secondary, y.Secondary) && maps.Equal(x.AlternateOwnerAttrs, y.AlternateOwnerAttrs)
}

// clear forgets the holder of address i, and the attribute when nobody else has it.
func (b block) clear(i int) {
	s := &b.obj.Spec
	n := *s.Allocations[i]
	s.Allocations[i] = nil
	delete(s.SequenceNumberForAllocation, strconv.Itoa(i))
	if slices.ContainsFunc(s.Allocations, func(a *int) bool { return a != nil && *a == n }) {
		return
	}
	s.Attributes = slices.Delete(s.Attributes, n, n+1)
	for j, a := range s.Allocations {
		if a != nil && *a > n {
			lower := *a - 1
			s.Allocations[j] = &lower
		}
	}
}

func timeOf(t time.Time) *metav1.Time {
	out := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &out
}
