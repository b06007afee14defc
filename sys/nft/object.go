// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Chain is a chain of a table. Hook makes it a base chain.
type Chain struct {
	Name string
	Hook *Hook
}

// Hook binds a base chain of type filter, or nat; its policy is accept.
type Hook struct {
	Num      uint32 // NF_INET_PRE_ROUTING and so on
	Priority int32
	NAT      bool   // only the first packet of each connection comes here, to be translated
	Device   string // HookIngress only: its name. From Linux 6.16 on whatever device has the name, now or later; before, one that is there
}

// chainType is the kernel's name for the type of chain.
func (h *Hook) chainType() string {
	if h.NAT {
		return "nat"
	}
	return "filter"
}

// The hooks of family inet (enum nf_inet_hooks) and the usual priorities (enum nf_ip_hook_priorities).
const (
	HookPrerouting  uint32 = 0
	HookInput       uint32 = 1
	HookForward     uint32 = 2
	HookOutput      uint32 = 3
	HookPostrouting uint32 = 4
	HookIngress     uint32 = 5 // of a device; IPv4 and IPv6 packets alone come here, with fragments as they are

	PriorityRaw    int32 = -300
	PriorityMangle int32 = -150
	PriorityDstNAT int32 = -100
	PriorityFilter int32 = 0
	PrioritySrcNAT int32 = 100
)

// Rule is a rule as the kernel holds it.
type Rule struct {
	Chain    string
	Handle   uint64
	Exprs    []byte // counters cleared: comparable with [Exprs.Bytes]
	UserData []byte
	// Packets and Bytes are the sums over the rule's counters.
	Packets, Bytes uint64
}

// Same reports whether two rules do and say the same.
func (r Rule) Same(exprs, userData []byte) bool {
	return bytes.Equal(r.Exprs, exprs) && bytes.Equal(r.UserData, userData)
}

// Comment encodes a rule's comment (at most 254 bytes) as user data in the form that the nft tool prints.
func Comment(s string) []byte {
	const udataComment = 0
	s = s[:min(len(s), 254)]
	out := append([]byte{udataComment, byte(len(s) + 1)}, s...)
	return append(out, 0)
}

// ParseComment returns the comment in user data, "" when there is none.
func ParseComment(userData []byte) string {
	for len(userData) >= 2 {
		length := int(userData[1])
		if len(userData) < 2+length {
			return ""
		}
		if userData[0] == 0 {
			return nfnetlink.String(userData[2 : 2+length])
		}
		userData = userData[2+length:]
	}
	return ""
}

// Field is one part of a set's key.
type Field struct {
	Type uint32 // the nft tool's number of the data type, for its listings
	Len  int    // bytes
}

// The fields in use, numbered as in the nft tool's datatype.h.
var (
	FieldIPv4   = Field{7, 4}
	FieldIPv6   = Field{8, 16}
	FieldProto  = Field{12, 1}
	FieldPort   = Field{13, 2}
	FieldICMPv6 = Field{29, 1}
	FieldIfname = Field{41, 16}
)

// hostOrder tells the fields whose values are in host byte order.
func (f Field) hostOrder() bool { return f.Type == FieldIfname.Type }

// Set describes a named set, with Verdicts a map from keys to verdicts, or with Data a map from keys to values.
type Set struct {
	Name     string
	Key      []Field
	Data     []Field // of a map to values; it holds no ranges
	Interval bool    // holds ranges
	Constant bool    // never changes once made
	Verdicts bool
	Size     int // at most so many elements, 0 any; the kernel takes a faster hash if it knows
}

// KeyLen is the length of a key in bytes: every field padded to four, a single one as it is.
func (s *Set) KeyLen() int { return packedLen(s.Key) }

// DataLen is the length of a value in bytes, likewise; 0 unless it is a map to values.
func (s *Set) DataLen() int { return packedLen(s.Data) }

func packedLen(fields []Field) int {
	if len(fields) == 1 {
		return fields[0].Len
	}
	n := 0
	for _, f := range fields {
		n += (f.Len + 3) &^ 3
	}
	return n
}

// Width is the length of one packed element: a key, for interval sets first and last key, for maps to values key and value.
func (s *Set) Width() int {
	if s.Interval {
		return 2 * s.KeyLen()
	}
	return s.KeyLen() + s.DataLen()
}

// Equal reports whether two sets have one name and shape.
func (s *Set) Equal(o *Set) bool {
	return s.Name == o.Name && s.shape() == o.shape()
}

type setShape struct {
	keyType, keyLen, flags, size uint32
	dataType, dataLen            uint32 // of maps to values
}

func (s *Set) shape() setShape {
	return setShape{typeOf(s.Key), uint32(s.KeyLen()), s.flags(), uint32(s.Size), typeOf(s.Data), uint32(s.DataLen())}
}

// typeOf is the nft tool's number of a concatenation.
func typeOf(fields []Field) uint32 {
	var t uint32
	for _, f := range fields {
		t = t<<6 | f.Type
	}
	return t
}
