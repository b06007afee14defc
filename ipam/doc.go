// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package ipam assigns addresses: New, then Assign and ReleaseHandle.
//
// A pool is cut into blocks, a node claims blocks and takes addresses from its own ones first. An owner of addresses (a workload)
// is a handle. The objects are Calico's (IPPool, IPAMBlock, BlockAffinity, IPAMHandle; calico-behaviour §5), so both can work on one
// datastore. There are no locks and no leases: every write is a compare-and-swap, and every half-done state that a crash can leave
// is either harmless or finished by the next one who comes along:
//
//	assign   all as one (group.go), where the store has transactions; else, or when others are in the way:
//	         1 count the address in the handle   2 take it in the block      crash after 1: the handle counts too much
//	release  1 free it in the block              2 remove the count          crash after 1: the same
//	claim    1 affinity pending  2 create the block  3 affinity confirmed    crash after 1 or 2: finished by the node
//	give back 1 affinity pendingDeletion  2 delete the block (in use: clear its owner)  3 delete the affinity   likewise
//
// So an address in use always has a handle that counts it, and ReleaseHandle finds it. Someone who releases a handle that counts too
// much cannot know whether its owner crashed or is just between the two steps. It therefore first marks the handle deleted and
// then changes the block (a fence): the compare-and-swap of the other one fails, it looks at its handle again and gives up.
//
// Where a store has no transactions an allocator can do without handles for most addresses (spare.go), and give both families with one write (twin.go).
//
// The pure part (block.go, pool.go, scan.go, names.go, check.go) edits values; time and seeds are handed in. The rest carries
// the edits to a store. Concurrent edits of one block by one Allocator are merged into one write (writer.go), which is what makes
// address management fast: one hot key takes few writes a second, but any number of edits in one write.
package ipam
