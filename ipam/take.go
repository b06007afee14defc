// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"net/netip"
	"slices"
)

// take is the edit that gives one address of a block to a holder.
type take struct {
	holder
	addr  netip.Addr // the address wanted; zero takes the next free one
	owner string     // the block must be this owner's; "" any
	rules rules
	mate  *mate // the address of another block that comes with it, or nil

	now   attempt   // the last one
	tried []attempt // those whose outcome is not known
	got   netip.Addr
	moved string // the handle that had the address before
}

type attempt struct {
	place    int
	sequence uint64
}

func (t *take) apply(b *block) (changed bool, err error) {
	if !b.exists() {
		return false, errMoved
	}
	if i, ok := t.committed(b); ok {
		t.got = b.addr(i)
		return false, nil
	}
	if t.owner != "" && b.owner() != t.owner || t.mate != nil && b.obj.UID != t.mate.uid {
		return false, errMoved
	}
	place, err := t.place(b)
	if err != nil {
		return false, err
	}
	t.now = attempt{place, b.sequence(place)}
	t.got = b.addr(place)
	return true, nil
}

// doubt notes that the last attempt may have succeeded.
func (t *take) doubt() { t.tried = append(t.tried, t.now) }

// committed finds the address that an earlier attempt took after all.
func (t *take) committed(b *block) (int, bool) {
	i := slices.IndexFunc(t.tried, func(a attempt) bool { return b.handleAt(a.place) == t.handle && b.sequence(a.place) == a.sequence })
	if i < 0 {
		return 0, false
	}
	return t.tried[i].place, true
}

// takeWanted takes t.addr. An address that an earlier container of the same pod still has moves to the new one.
func (t *take) takeWanted(b *block) (int, error) {
	i := minus(t.addr, b.cidr.Addr())
	b.sweep(t.rules)
	t.moved = ""
	attr := b.attr(i)
	switch {
	case attr == nil:
	case attr.ReleasedAt != nil:
		return 0, fmt.Errorf("%w: %s was released at %s and cools down; wait %s or choose another address", ErrTaken, t.addr, attr.ReleasedAt.UTC(), t.rules.cooldown)
	case attr.HandleID != nil && *attr.HandleID != t.handle && samePod(attr.Secondary, t.attrs):
		if !spared(attr) {
			t.moved = *attr.HandleID
		}
	default:
		return 0, fmt.Errorf("%w: %s belongs to %s; choose another address or release it", ErrTaken, t.addr, holderText(b, i))
	}
	b.take(i, t.hold(i))
	return i, nil
}

func samePod(a, b map[string]string) bool {
	return a["pod"] != "" && a["pod"] == b["pod"] && a["namespace"] == b["namespace"]
}

func holderText(b *block, i int) string {
	attr := b.attr(i)
	if of, ok := bondIn(attr); ok {
		return fmt.Sprintf("whoever gets %s as well", plus(of.block.Addr(), uint64(i), 0))
	}
	if pod := attr.Secondary["pod"]; pod != "" {
		return fmt.Sprintf("pod %s/%s (handle %q)", attr.Secondary["namespace"], pod, b.handleAt(i))
	}
	return fmt.Sprintf("handle %q", b.handleAt(i))
}

// place takes the wanted ordinal of a block, or the next free one.
func (t *take) place(b *block) (int, error) {
	if t.addr.IsValid() {
		return t.takeWanted(b)
	}
	place, ok := b.takeNext(t.hold, t.rules)
	if !ok {
		return 0, errMoved
	}
	return place, nil
}

// hold returns what the block shall say of the holder of address i.
func (t *take) hold(i int) holder {
	if t.mate == nil {
		return t.holder
	}
	return holder{t.handle, pairedWith(t.attrs, t.mate.addr(i))}
}
