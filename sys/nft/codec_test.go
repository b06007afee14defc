// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// FuzzDecode feeds garbage to everything that decodes what comes from a socket: none may panic or run on for ever.
func FuzzDecode(f *testing.F) {
	b := NewBatch("t")
	b.AddRule("c", (&Exprs{}).Bytes(), Comment("x"))
	b.AddKeys(&Set{Name: "s", Key: []Field{FieldIPv4}, Interval: true}, make([]byte, 16))
	f.Add(b.seal())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(_ *testing.T, data []byte) {
		parseChain(data)
		parseRule(bytes.Clone(data))
		parseVerdict(data)
		ParseComment(data)
		eachElement(func(e []byte) { nfnetlink.Attr(e, 1) })(data)
		(&Watch{concerns: func(_ byte, table string) bool { return table == "t" }}).any(data)
	})
}

func TestComment(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 254)} {
		if got := ParseComment(Comment(s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := ParseComment(Comment(strings.Repeat("x", 300))); len(got) != 254 {
		t.Errorf("a long comment came back with %d bytes", len(got))
	}
	other := append([]byte{9, 1, 0}, Comment("behind")...)
	if got := ParseComment(other); got != "behind" {
		t.Errorf("behind other user data: %q", got)
	}
}

// TestPair turns the kernel's bounds into ranges.
func TestPair(t *testing.T) {
	start := func(k byte) bound { return bound{[]byte{k}, false} }
	end := func(k byte) bound { return bound{[]byte{k}, true} }
	for _, c := range []struct {
		name   string
		bounds []bound
		want   []byte
	}{
		{"nothing", nil, nil},
		{"one", []bound{end(9), start(5)}, []byte{5, 8}},
		{"touching", []bound{start(5), end(9), start(9), end(12)}, []byte{5, 8, 9, 11}},
		{"to the top", []bound{start(250)}, []byte{250, 255}},
		{"all", []bound{start(0)}, []byte{0, 255}},
		{"leading end, as the nft tool adds", []bound{end(0), start(5), end(6)}, []byte{5, 5}},
		{"end missing", []bound{start(5), start(7), end(9)}, []byte{5, 6, 7, 8}},
	} {
		if got := pair(c.bounds, 1); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v; want %v", c.name, got, c.want)
		}
	}
}

func TestNextAndPrevious(t *testing.T) {
	key := []byte{1, 0xff, 0xff}
	after, ok := next(key)
	if !ok || !bytes.Equal(after, []byte{2, 0, 0}) || !bytes.Equal(previous(after), key) {
		t.Errorf("next %v, previous of it %v", after, previous(after))
	}
	if _, ok := next([]byte{0xff, 0xff}); ok {
		t.Error("the highest key has a next one")
	}
}

// TestElementsAreChunked: an attribute's length has 16 bits, so a long list becomes several messages of one batch.
func TestElementsAreChunked(t *testing.T) {
	const n = 10_000
	b := NewBatch("t")
	set := &Set{Name: "s", Key: []Field{FieldIPv6}}
	b.AddKeys(set, make([]byte, n*set.Width()))
	if b.Len() < 2 {
		t.Errorf("%d messages", b.Len())
	}
	elements := 0
	err := nfnetlink.Split(b.seal(), func(m nfnetlink.Message) bool {
		eachElement(func([]byte) { elements++ })(m.Attrs())
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if elements != n {
		t.Errorf("%d elements in all; want %d", elements, n)
	}
}
