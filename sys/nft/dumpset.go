// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// SetInfo is a set as the kernel describes it.
type SetInfo struct {
	Name  string
	shape setShape
}

// Is reports whether the kernel's set has the name and shape of s.
func (i SetInfo) Is(s *Set) bool { return i.Name == s.Name && i.shape == s.shape() }

// Sets lists the named sets of a table. Anonymous ones come and go with their rules.
func (c *Conn) Sets(table string) ([]SetInfo, error) {
	var a nfnetlink.Attrs
	a.String(unix.NFTA_SET_TABLE, table)
	var out []SetInfo
	err := c.dump(unix.NFT_MSG_GETSET, a, func(b []byte) {
		if nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_SET_TABLE)) != table {
			return
		}
		flags := nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_SET_FLAGS))
		if flags&unix.NFT_SET_ANONYMOUS != 0 {
			return
		}
		shape := setShape{
			keyType: nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_SET_KEY_TYPE)),
			keyLen:  nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_SET_KEY_LEN)),
			flags:   flags,
			size:    nfnetlink.Uint32(nfnetlink.Attr(nfnetlink.Attr(b, unix.NFTA_SET_DESC), unix.NFTA_SET_DESC_SIZE)),
		}
		if typ := nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_SET_DATA_TYPE)); typ != nftDataVerdict {
			shape.dataType, shape.dataLen = typ, nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_SET_DATA_LEN))
		}
		out = append(out, SetInfo{nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_SET_NAME)), shape})
	})
	return out, wrap("sets of table", table, err)
}

// Keys returns the elements of a set, packed as for [Batch.AddKeys], in no order. As long as the kernel grows a hash, for some time after many elements
// came at once, it may give some twice and leave some out.
func (c *Conn) Keys(table string, s *Set) ([]byte, error) {
	var out []byte
	var bounds []bound
	plainRange := s.Interval && len(s.Key) == 1
	err := c.elements(table, s, func(e []byte) {
		key := nfnetlink.Attr(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE)
		if plainRange {
			end := nfnetlink.Uint32(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_FLAGS))&unix.NFT_SET_ELEM_INTERVAL_END != 0
			bounds = append(bounds, bound{bytes.Clone(key), end})
			return
		}
		out = append(out, key...)
		if s.Interval {
			out = append(out, nfnetlink.Attr(nfnetlink.Attr(e, nftaSetElemEnd), unix.NFTA_DATA_VALUE)...)
		}
		if len(s.Data) > 0 {
			out = append(out, nfnetlink.Attr(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_DATA), unix.NFTA_DATA_VALUE)...)
		}
	})
	if plainRange {
		out = pair(bounds, s.KeyLen())
	}
	return out, err
}

// Verdicts returns the elements of a verdict map by key.
func (c *Conn) Verdicts(table string, s *Set) (map[string]Verdict, error) {
	out := map[string]Verdict{}
	err := c.elements(table, s, func(e []byte) {
		key := nfnetlink.Attr(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE)
		out[string(key)] = parseVerdict(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_DATA))
	})
	return out, err
}

// Lookup returns the verdicts that the map holds for some keys; a key that is absent is absent in the result.
func (c *Conn) Lookup(table string, s *Set, keys ...[]byte) (map[string]Verdict, error) {
	out := make(map[string]Verdict, len(keys))
	for _, key := range keys {
		var a nfnetlink.Attrs
		a.String(unix.NFTA_SET_ELEM_LIST_TABLE, table)
		a.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		list := a.Open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		elem := a.Open(unix.NFTA_LIST_ELEM)
		appendValue(&a, unix.NFTA_SET_ELEM_KEY, key)
		a.Close(elem)
		a.Close(list)
		err := c.request(unix.NFT_MSG_GETSETELEM, a, eachElement(func(e []byte) {
			out[string(key)] = parseVerdict(nfnetlink.Attr(e, unix.NFTA_SET_ELEM_DATA))
		}))
		if err != nil && !isNotFound(err) {
			return nil, wrap("map", s.Name, err)
		}
	}
	return out, nil
}

func (c *Conn) elements(table string, s *Set, yield func([]byte)) error {
	var a nfnetlink.Attrs
	a.String(unix.NFTA_SET_ELEM_LIST_TABLE, table)
	a.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	return wrap("elements of set", s.Name, c.dump(unix.NFT_MSG_GETSETELEM, a, eachElement(yield)))
}

func eachElement(yield func([]byte)) func([]byte) {
	return func(b []byte) {
		for _, e := range nfnetlink.Each(nfnetlink.Attr(b, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
			yield(e)
		}
	}
}

// bound is one end of a plain range in the kernel's form.
type bound struct {
	key []byte
	end bool // the first key behind the range
}

// pair makes first and last keys of bounds. A range without an end reaches to the top, or to the next range.
func pair(bounds []bound, keyLen int) []byte {
	slices.SortFunc(bounds, func(a, b bound) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return order(b.end) - order(a.end) // an end comes before a start
	})
	var out []byte
	open := false
	for _, b := range bounds {
		if open {
			out = append(out, previous(b.key)...)
		}
		if !b.end {
			out = append(out, b.key...)
		}
		open = !b.end
	}
	if open {
		out = append(out, bytes.Repeat([]byte{0xff}, keyLen)...)
	}
	return out
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}
