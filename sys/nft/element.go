// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// AddSet creates a set.
func (b *Batch) AddSet(s *Set) {
	at := b.start(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "create set", s.Name)
	b.a.String(unix.NFTA_SET_TABLE, b.table)
	b.a.String(unix.NFTA_SET_NAME, s.Name)
	b.a.Uint32(unix.NFTA_SET_FLAGS, s.flags())
	b.a.Uint32(unix.NFTA_SET_KEY_TYPE, typeOf(s.Key))
	b.a.Uint32(unix.NFTA_SET_KEY_LEN, uint32(s.KeyLen()))
	if s.Verdicts {
		b.a.Uint32(unix.NFTA_SET_DATA_TYPE, nftDataVerdict)
	}
	if len(s.Data) > 0 {
		b.a.Uint32(unix.NFTA_SET_DATA_TYPE, typeOf(s.Data))
		b.a.Uint32(unix.NFTA_SET_DATA_LEN, uint32(s.DataLen()))
	}
	if len(s.Key) > 1 || s.Size > 0 {
		b.describe(s)
	}
	b.a.Uint32(unix.NFTA_SET_ID, uint32(len(b.ops)))
	if s.Key[0].hostOrder() && len(s.Key) == 1 {
		b.a.Bytes(unix.NFTA_SET_USERDATA, hostOrderKey())
	}
	b.finish(at)
}

// describe tells the size and the parts of a concatenated key.
func (b *Batch) describe(s *Set) {
	desc := b.a.Open(unix.NFTA_SET_DESC)
	if s.Size > 0 {
		b.a.Uint32(unix.NFTA_SET_DESC_SIZE, uint32(s.Size))
	}
	if len(s.Key) > 1 {
		concat := b.a.Open(nftaSetDescField)
		for _, f := range s.Key {
			elem := b.a.Open(unix.NFTA_LIST_ELEM)
			b.a.Uint32(nftaSetFieldLen, uint32(f.Len))
			b.a.Close(elem)
		}
		b.a.Close(concat)
	}
	b.a.Close(desc)
}

// hostOrderKey is the note of the nft tool that keys are in host byte order, for its listings.
func hostOrderKey() []byte {
	const keyByteOrder, host = 0, 1
	return binary.NativeEndian.AppendUint32([]byte{keyByteOrder, 4}, host)
}

func (s *Set) flags() uint32 {
	f := flag(s.Interval, unix.NFT_SET_INTERVAL) | flag(s.Constant, unix.NFT_SET_CONSTANT) | flag(s.Verdicts || len(s.Data) > 0, unix.NFT_SET_MAP)
	return f | flag(len(s.Key) > 1, nftSetConcat)
}

// DelSet deletes a set that no rule refers to.
func (b *Batch) DelSet(name string) {
	at := b.start(unix.NFT_MSG_DELSET, 0, "delete set", name)
	b.a.String(unix.NFTA_SET_TABLE, b.table)
	b.a.String(unix.NFTA_SET_NAME, name)
	b.finish(at)
}

// AddKeys adds elements to a set. They are packed one after the other, each [Set.Width] bytes. A key of a map that is there with another value is
// refused: delete it first.
func (b *Batch) AddKeys(s *Set, packed []byte) {
	b.keys(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, "add to set", s, packed)
}

// DelKeys deletes elements, packed like those of AddKeys.
func (b *Batch) DelKeys(s *Set, packed []byte) {
	b.keys(unix.NFT_MSG_DELSETELEM, 0, "delete from set", s, packed)
}

func (b *Batch) keys(msg, flags uint16, what string, s *Set, packed []byte) {
	for width := s.Width(); len(packed) > 0; {
		at, list := b.startElements(msg, flags, what, s.Name)
		for len(packed) > 0 && len(b.a)-list < chunk {
			b.key(s, packed[:width])
			packed = packed[width:]
		}
		b.a.Close(list)
		b.finish(at)
	}
}

func (b *Batch) startElements(msg, flags uint16, what, set string) (at, list int) {
	at = b.start(msg, flags, what, set)
	b.a.String(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
	b.a.String(unix.NFTA_SET_ELEM_LIST_SET, set)
	return at, b.a.Open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
}

// key appends one packed element: a key, in a map with its value; a range of concatenated keys; or a plain range, which is two elements: its first key and,
// marked as an end, the key behind its last, absent when the range reaches the top.
func (b *Batch) key(s *Set, packed []byte) {
	if !s.Interval {
		b.element(packed[:s.KeyLen()], nil, packed[s.KeyLen():], 0)
		return
	}
	first, last := packed[:s.KeyLen()], packed[s.KeyLen():]
	if len(s.Key) > 1 {
		b.element(first, last, nil, 0)
		return
	}
	b.element(first, nil, nil, 0)
	if behind, ok := next(last); ok {
		b.element(behind, nil, nil, unix.NFT_SET_ELEM_INTERVAL_END)
	}
}

func (b *Batch) element(key, end, data []byte, flags uint32) {
	elem := b.a.Open(unix.NFTA_LIST_ELEM)
	if flags != 0 {
		b.a.Uint32(unix.NFTA_SET_ELEM_FLAGS, flags)
	}
	appendValue(&b.a, unix.NFTA_SET_ELEM_KEY, key)
	if end != nil {
		appendValue(&b.a, nftaSetElemEnd, end)
	}
	if len(data) > 0 {
		appendValue(&b.a, unix.NFTA_SET_ELEM_DATA, data)
	}
	b.a.Close(elem)
}

// VerdictKey is an element of a verdict map.
type VerdictKey struct {
	Key     []byte
	Verdict Verdict
}

// AddVerdicts adds elements to a verdict map. A key that is there with another verdict is refused: delete it first.
func (b *Batch) AddVerdicts(s *Set, elems ...VerdictKey) {
	for len(elems) > 0 {
		at, list := b.startElements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, "add to map", s.Name)
		for len(elems) > 0 && len(b.a)-list < chunk {
			b.verdictKey(elems[0])
			elems = elems[1:]
		}
		b.a.Close(list)
		b.finish(at)
	}
}

func (b *Batch) verdictKey(e VerdictKey) {
	elem := b.a.Open(unix.NFTA_LIST_ELEM)
	appendValue(&b.a, unix.NFTA_SET_ELEM_KEY, e.Key)
	data := b.a.Open(unix.NFTA_SET_ELEM_DATA)
	appendVerdict(&b.a, e.Verdict)
	b.a.Close(data)
	b.a.Close(elem)
}

// next returns key + 1 as a big-endian number, false on overflow.
func next(key []byte) ([]byte, bool) {
	out := append([]byte(nil), key...)
	for i := len(out) - 1; i >= 0; i-- {
		out[i]++
		if out[i] != 0 {
			return out, true
		}
	}
	return nil, false
}

// previous returns key - 1, wrapping around at 0.
func previous(key []byte) []byte {
	out := append([]byte(nil), key...)
	for i := len(out) - 1; i >= 0; i-- {
		out[i]--
		if out[i] != 0xff {
			break
		}
	}
	return out
}
