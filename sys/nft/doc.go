// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package nft speaks nf_tables over netlink: Open a Conn, fill a Batch, Commit it as one transaction; dump what the kernel holds;
// Watch for changes by others.
//
// It encodes only what a policy data plane needs, and it never reads before it writes: one set element more or less costs one
// small message, whatever the size of the set. The wire format is that of linux/netfilter/nf_tables.h.
package nft
