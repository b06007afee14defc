// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package nfnetlink talks to the subsystems of netfilter (nf_tables, connection tracking, IP sets) over netlink: Open a Conn, append
// attributes to a Request, and Do it. What goes beyond one request and its answers is made of messages, with Send and Receive.
//
// The kernel handles a request within the send call, and fills the rest of a dump within the receive calls, so nothing here waits.
package nfnetlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrChanged says that what is being dumped changed meanwhile: read again.
var ErrChanged = errors.New("changed during the dump")

// Request is one request to a subsystem.
type Request struct {
	Subsystem, Message uint8  // NFNL_SUBSYS_* and the subsystem's own number
	Flags              uint16 // NLM_F_* beyond those that ask for an answer
	Dump               bool   // asks for all objects that Body selects
	Family             uint8  // AF_INET, AF_INET6, or 0 for both
	Body               Attrs
}

// Do sends a request and hands the attributes of each answer to yield, which may be nil; they are valid during the call. An error of the
// kernel is a [unix.Errno]; a dump in which something changed is [ErrChanged].
func (c *Conn) Do(r Request, yield func(attrs []byte)) error {
	a := answer{seq: c.NextSeq(), yield: yield}
	if err := c.Send(r.encode(a.seq)); err != nil {
		return err
	}
	if err := c.Receive(a.take); err != nil {
		return err
	}
	return a.result()
}

func (r *Request) encode(seq uint32) []byte {
	flags := uint16(unix.NLM_F_ACK)
	if r.Dump {
		flags = unix.NLM_F_DUMP
	}
	var b Attrs
	at := b.Begin(Header{Kind: uint16(r.Subsystem)<<8 | uint16(r.Message), Flags: r.Flags | flags, Seq: seq, Family: r.Family})
	b = append(b, r.Body...)
	b.End(at)
	return b
}

// answer gathers what the kernel says to one request.
type answer struct {
	seq           uint32
	yield         func([]byte)
	done, changed bool
	err           error
}

func (a *answer) take(m Message) {
	if m.Seq != a.seq {
		return
	}
	a.changed = a.changed || m.Flags&unix.NLM_F_DUMP_INTR != 0
	switch {
	case m.Last():
		a.done, a.err = true, errors.Join(a.err, m.Result())
	case a.yield != nil:
		a.yield(m.Attrs())
	}
}

func (a *answer) result() error {
	switch {
	case a.err != nil:
		return a.err
	case a.changed:
		return ErrChanged
	case !a.done:
		return errors.New("netfilter netlink: the answer ended early")
	}
	return nil
}
