// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"encoding/binary"
	"hash/fnv"
	"iter"
	"net/netip"
)

// family is an index: 0 for IPv4, 1 for IPv6.
type family int

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return 0
	}
	return 1
}

// String returns "IPv4" or "IPv6".
func (f family) String() string { return [...]string{"IPv4", "IPv6"}[f] }

// maxScan bounds a search for a free block in a pool; an IPv6 pool may have more blocks than can be looked at.
const maxScan = 1 << 20

// blocksOf yields the blocks of a pool once each, from a start that depends on the node, so that nodes rarely try the same one. For
// blocks of one address, where each address is a search of its own, seed moves the start.
func blocksOf(pool *Pool, node string, seed uint64) iter.Seq[netip.Prefix] {
	size := pool.BlockBits - pool.CIDR.Bits()
	count := uint64(1) << min(size, 62)
	start := spread(node)
	if pool.BlockBits == pool.CIDR.Addr().BitLen() {
		start += seed
	}
	return func(yield func(netip.Prefix) bool) {
		for i := range min(count, maxScan) {
			if !yield(blockAt(pool, (start%count+i)%count)) {
				return
			}
		}
	}
}

// spread hashes a node name (FNV-1, 32 bits).
func spread(node string) uint64 {
	h := fnv.New32()
	_, _ = h.Write([]byte(node)) // never fails (hash.Hash)
	return uint64(h.Sum32())
}

func blockAt(pool *Pool, index uint64) netip.Prefix {
	shift := pool.CIDR.Addr().BitLen() - pool.BlockBits
	return netip.PrefixFrom(plus(pool.CIDR.Addr(), index, shift), pool.BlockBits)
}

// plus returns a + n<<shift; shift is less than 64.
func plus(a netip.Addr, n uint64, shift int) netip.Addr {
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	sum := low + n<<shift
	if sum < low {
		high++
	}
	if shift > 0 {
		high += n >> (64 - shift)
	}
	binary.BigEndian.PutUint64(b[:8], high)
	binary.BigEndian.PutUint64(b[8:], sum)
	out := netip.AddrFrom16(b)
	if a.Is4() {
		return out.Unmap()
	}
	return out
}

// minus returns a - base, which must be less than 2^63.
func minus(a, base netip.Addr) int {
	x, y := a.As16(), base.As16()
	return int(binary.BigEndian.Uint64(x[8:]) - binary.BigEndian.Uint64(y[8:]))
}
