// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset_test

import (
	"testing"

	"github.com/weftnet/weft/sys/ipset"
)

// BenchmarkOneMember adds one member to a set of 100,000, and takes it out again.
func BenchmarkOneMember(b *testing.B) {
	conn, _ := open(b)
	s := ipset.Set{Name: "large"}
	load(b, conn, s)
	for b.Loop() {
		var batch ipset.Batch
		batch.Add(s, host(100000))
		batch.Delete(s, host(100000))
		if err := conn.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad fills a set with 100,000 members.
func BenchmarkLoad(b *testing.B) {
	conn, _ := open(b)
	for b.Loop() {
		load(b, conn, ipset.Set{Name: "large"})
		var batch ipset.Batch
		batch.Destroy("large")
		if err := conn.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

func load(b *testing.B, conn *ipset.Conn, s ipset.Set) {
	b.Helper()
	var all []ipset.Element
	for n := range 100000 {
		all = append(all, host(n))
	}
	var batch ipset.Batch
	batch.Create(s, len(all))
	batch.Add(s, all...)
	if err := conn.Commit(&batch); err != nil {
		b.Fatal(err)
	}
}
