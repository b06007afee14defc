// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Holding is an address that a handle has.
type Holding struct {
	Addr   netip.Addr
	Handle string
	// Sequence tells the assignment from later ones of the same address.
	Sequence uint64
	// Attrs describe the owner, see Request.
	Attrs map[string]string
}

// Release returns what frees this holding and no later one.
func (h Holding) Release() Release {
	return Release{Addr: h.Addr, Handle: h.Handle, Sequence: &h.Sequence}
}

// Holdings returns the addresses that handles have in the IPAMBlocks among objects. Blocks that contradict themselves are left out; Check names them.
func Holdings(objects []api.Object) []Holding {
	var out []Holding
	for _, obj := range objects {
		stored, ok := obj.(*v3.IPAMBlock)
		if !ok {
			continue
		}
		b, err := readBlock(stored)
		if err != nil || !b.exists() {
			continue
		}
		for i := range b.obj.Spec.Allocations {
			if handle := b.handleAt(i); handle != "" {
				out = append(out, Holding{b.addr(i), handle, b.sequence(i), b.attr(i).Secondary})
			}
		}
	}
	return out
}
