// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Conn is a connection to the IP sets of the network namespace of the thread that opened it. One caller at a time.
type Conn struct{ nl *nfnetlink.Conn }

const (
	// datagram bounds one send.
	datagram = 1 << 20
	// chunk bounds the elements of one message, and of the attribute around them.
	chunk = nfnetlink.MaxAttr - 4<<10
)

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	nl, err := nfnetlink.Open()
	if err != nil {
		return nil, fmt.Errorf("IP sets: %w", err)
	}
	return &Conn{nl}, nil
}

// Close closes the connection. A second call does nothing.
func (c *Conn) Close() error { return c.nl.Close() }

// Commit carries out a batch. The error is a [*RefusedError] when the kernel refused some of it.
func (c *Conn) Commit(b *Batch) error {
	s := sender{nl: c.nl, ops: map[uint32]*op{}}
	for i := range b.ops {
		if err := s.op(&b.ops[i]); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	if len(s.refusals) > 0 {
		return &RefusedError{s.refusals}
	}
	return nil
}

// sender turns operations into datagrams.
type sender struct {
	nl       *nfnetlink.Conn
	request  request
	ops      map[uint32]*op // by the sequence number of the message, of those in request
	refusals []Refusal
}

func (s *sender) op(o *op) error {
	r := &s.request
	switch o.verb {
	case create:
		s.create(o)
	case destroy:
		s.message(o, cmdDestroy, unix.NLM_F_EXCL, func() { r.String(attrName, o.set.Name) })
	case swap:
		s.message(o, cmdSwap, 0, func() {
			r.String(attrName, o.set.Name)
			r.String(attrType, o.other)
		})
	default:
		return s.elements(o)
	}
	return s.flushFull()
}

// maxElements is no limit: the kernel allocates by what is in the set, whatever it is allowed to hold.
const maxElements = 1<<32 - 1

func (s *sender) create(o *op) {
	r := &s.request
	s.message(o, cmdCreate, unix.NLM_F_CREATE|unix.NLM_F_EXCL, func() {
		family := uint8(unix.AF_INET)
		if o.set.IPv6 {
			family = unix.AF_INET6
		}
		r.String(attrName, o.set.Name)
		r.String(attrType, kinds[o.set.Kind].name)
		r.Uint8(attrRevision, kinds[o.set.Kind].revision)
		r.Uint8(attrFamily, family)
		r.Nest(attrData, func(a *nfnetlink.Attrs) {
			a.Uint32(dataHashSize|byteorder, hashSize(o.size))
			a.Uint32(dataMaxElem|byteorder, maxElements)
		})
	})
}

// hashSize is the number of buckets for a number of elements: the kernel grows the table when a bucket gets more than it likes, and
// growing step by step while loading costs more than starting large.
func hashSize(elements int) uint32 {
	const smallest, largest = 64, 1 << 24
	return uint32(min(max(1<<bits.Len(uint(elements/4)), smallest), largest))
}

// elements sends elements in chunks.
func (s *sender) elements(o *op) error {
	cmd := uint8(cmdAdd)
	if o.verb == del {
		cmd = cmdDel
	}
	r := &s.request
	for rest := o.elements; len(rest) > 0; {
		var err error
		s.message(o, cmd, 0, func() {
			r.String(attrName, o.set.Name)
			r.Uint32(attrLine|byteorder, 0) // demanded with a list of elements
			list := r.Open(attrElements | nested)
			for len(rest) > 0 && len(r.Attrs)-list < chunk && err == nil {
				if err = o.set.check(rest[0]); err == nil {
					r.element(o.set, rest[0])
					rest = rest[1:]
				}
			}
			r.Close(list)
		})
		if err != nil {
			return err
		}
		if err := s.flushFull(); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) message(o *op, cmd uint8, flags uint16, body func()) {
	seq := s.nl.NextSeq()
	s.request.message(cmd, flags, seq, body)
	s.ops[seq] = o
}

func (s *sender) flushFull() error {
	if len(s.request.Attrs) < datagram {
		return nil
	}
	return s.flush()
}

// flush sends what was collected and notes what is refused. Success is silent: no acknowledgement is asked for.
func (s *sender) flush() error {
	if len(s.request.Attrs) == 0 {
		return nil
	}
	if err := s.nl.Send(s.request.Attrs); err != nil {
		return fmt.Errorf("IP sets: %w", err)
	}
	err := s.nl.Receive(func(m nfnetlink.Message) {
		if o := s.ops[m.Seq]; o != nil && m.Kind == unix.NLMSG_ERROR {
			s.refusals = append(s.refusals, Refusal{Tag: o.tag, Op: verbs[o.verb] + " IP set " + o.set.Name, Err: explain(m.Result())})
		}
	})
	if err != nil {
		return fmt.Errorf("IP sets: %w", err)
	}
	s.request.Attrs = s.request.Attrs[:0]
	clear(s.ops)
	return nil
}
