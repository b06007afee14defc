// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// constSet is a set that belongs to the rules that name it. Its name is a hash of its content, so equal lists share one set and a rule's
// encoding says what the rule matches.
type constSet struct {
	set      *nft.Set
	keys     []byte           // packed
	verdicts []nft.VerdictKey // of a map
}

func newConstSet(key []nft.Field, interval bool, keys []byte) *constSet {
	set := &nft.Set{Key: key, Interval: interval, Constant: true}
	set.Name = "const/" + hash(append([]byte(typeText(set.Key)+flagText(interval)), keys...))
	if !interval {
		set.Size = len(keys) / set.Width()
	}
	return &constSet{set: set, keys: keys}
}

func flagText(interval bool) string {
	if interval {
		return " interval "
	}
	return " "
}

// hostSet is a constant hash set.
func hostSet(kind nft.Field, keys [][]byte) *constSet { return concatSet([]nft.Field{kind}, keys) }

// concatSet is one with a concatenated key.
func concatSet(key []nft.Field, keys [][]byte) *constSet {
	slices.SortFunc(keys, bytes.Compare)
	return newConstSet(key, false, bytes.Join(slices.CompactFunc(keys, bytes.Equal), nil))
}

// prefixSet is a constant set of outermost prefixes: a hash set when all are hosts.
func prefixSet(f *family, nets []netip.Prefix) *constSet {
	if !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return !p.IsSingleIP() }) {
		var keys [][]byte
		for _, p := range nets {
			keys = append(keys, p.Addr().AsSlice())
		}
		return hostSet(f.addr, keys)
	}
	var keys []byte
	for _, p := range nets {
		keys = appendRange(keys, p)
	}
	return newConstSet([]nft.Field{f.addr}, true, keys)
}

func appendRange(keys []byte, p netip.Prefix) []byte {
	keys = append(keys, p.Addr().AsSlice()...)
	return append(keys, lastAddr(p)...)
}

// shape is what a rule must know about an IP set: which kernel sets hold its members, and roughly how many there are.
type shape struct {
	kind  rule.SetKind
	nets  [2]bool // by family: has prefixes that are no hosts
	width [2]int  // by family: bits of the number of hosts
}

func (shape) hostSet(id rule.SetID, f *family) string {
	return "host" + f.tag + "/" + plain(string(id))
}
func (shape) netSet(id rule.SetID, f *family) string { return "net" + f.tag + "/" + plain(string(id)) }
func (shape) portSet(id rule.SetID, f *family) string {
	return "port" + f.tag + "/" + plain(string(id))
}

func hostSetOf(id rule.SetID, f *family) *nft.Set {
	return &nft.Set{Name: shape{}.hostSet(id, f), Key: []nft.Field{f.addr}}
}

func netSetOf(id rule.SetID, f *family) *nft.Set {
	return &nft.Set{Name: shape{}.netSet(id, f), Key: []nft.Field{f.addr}, Interval: true}
}

func portSetOf(id rule.SetID, f *family) *nft.Set {
	return &nft.Set{Name: shape{}.portSet(id, f), Key: []nft.Field{f.addr, nft.FieldProto, nft.FieldPort}}
}
