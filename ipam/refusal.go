// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"fmt"
	"strings"
)

// refusal says why no block has an address for w.
func (a *Allocator) refusal(ctx context.Context, s *settings, w *want) error {
	blocks, err := a.listBlocks(ctx, w.pools)
	if err != nil {
		return err
	}
	elsewhere := 0
	for _, b := range blocks {
		if b.owner() != a.owner() {
			elsewhere += b.free(s.rules(a.now()))
		}
	}
	owned := a.owned(w.family)
	switch pools := a.usage(s, w.pools, blocks); {
	case s.strict && s.autoClaim && owned >= s.maxBlocks:
		return fmt.Errorf("%w: node %s has %d %s blocks, all full, and maxBlocksPerHost is %d; raise it in IPAMConfiguration default, or release addresses; pools: %s",
			ErrBlockLimit, a.node, owned, w.family, s.maxBlocks, pools)
	case s.strict && !s.autoClaim:
		return fmt.Errorf("%w: node %s has %d %s blocks, all full, and autoAllocateBlocks is false; set it to true, or release addresses; pools: %s",
			ErrStrict, a.node, owned, w.family, pools)
	case s.strict && elsewhere > 0:
		return fmt.Errorf("%w: the %s blocks of node %s are full; %d addresses are free in blocks of other nodes, which strictAffinity forbids to borrow; add a pool, or set strictAffinity to false; pools: %s",
			ErrStrict, w.family, a.node, elsewhere, pools)
	}
	return fmt.Errorf("%w: no free %s address for node %s; add an IPPool, or release handles that nobody uses any more (\"weft get ipamhandles\" lists them); pools: %s",
		ErrFull, w.family, a.node, a.usage(s, w.pools, blocks))
}

// usage describes pools: "a (10.0.0.0/26): 64 addresses, 60 in use, 4 reserved".
func (a *Allocator) usage(s *settings, pools []*Pool, blocks []block) string {
	var out []string
	for _, p := range pools {
		used, cooling, free := 0, 0, 0
		for _, b := range blocks {
			if !p.CIDR.Contains(b.cidr.Addr()) {
				continue
			}
			free += b.free(s.rules(a.now()))
			for i := range b.obj.Spec.Allocations {
				switch attr := b.attr(i); {
				case attr == nil:
				case attr.ReleasedAt == nil:
					used++
				case !b.cooled(i, s.rules(a.now())):
					cooling++
				}
			}
		}
		text := fmt.Sprintf("%s: %s addresses, %d in use, %d free", p, sizeOf(p), used, free)
		if cooling > 0 {
			text += fmt.Sprintf(", %d cooling down", cooling)
		}
		if len(s.reserved) > 0 {
			text += ", others reserved by IPReservations or in blocks of no node"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// sizeOf returns the number of addresses of a pool, as a power of two where it is large.
func sizeOf(p *Pool) string {
	bits := p.CIDR.Addr().BitLen() - p.CIDR.Bits()
	if bits > 20 {
		return fmt.Sprintf("2^%d", bits)
	}
	return fmt.Sprint(1 << bits)
}
