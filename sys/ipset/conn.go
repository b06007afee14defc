// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket bound to the network namespace of the thread that opened it. One caller at a time.
//
// The kernel handles a request within the send call, so every answer is in the socket when send returns: nothing here waits.
type Conn struct {
	fd     int
	recv   []byte
	seq    uint32
	closed bool
}

const (
	recvSize   = 64 << 10
	recvBuffer = 8 << 20
	sendBuffer = 4 << 20
	// datagram bounds one send.
	datagram = 1 << 20
	// chunk bounds the elements of one message; the length of the attribute around them has 16 bits.
	chunk = 60 << 10
)

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("IP set socket: %w", err)
	}
	if err := setup(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("IP set socket: %w", err), unix.Close(fd))
	}
	return &Conn{fd: fd, recv: make([]byte, recvSize)}, nil
}

func setup(fd int) error {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	// Errors come without a copy of the request.
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, recvBuffer),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer),
	)
}

// Close closes the socket.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return unix.Close(c.fd)
}

// Commit carries out a batch. The error is a [*RefusedError] when the kernel refused some of it.
func (c *Conn) Commit(b *Batch) error {
	s := sender{conn: c, first: c.seq + 1}
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
	conn     *Conn
	wire     wire
	first    uint32 // sequence number of the first message of the batch
	ops      []*op  // by message
	refusals []Refusal
}

func (s *sender) op(o *op) error {
	switch o.verb {
	case create:
		s.create(o)
	case destroy:
		s.message(o, cmdDestroy, unix.NLM_F_EXCL, func(w *wire) { w.str(attrName, o.set.Name) })
	case swap:
		s.message(o, cmdSwap, 0, func(w *wire) {
			w.str(attrName, o.set.Name)
			w.str(attrType, o.other)
		})
	default:
		return s.elements(o)
	}
	return s.flushFull()
}

// maxElements is no limit: the kernel allocates by what is in the set, whatever it is allowed to hold.
const maxElements = 1<<32 - 1

func (s *sender) create(o *op) {
	s.message(o, cmdCreate, unix.NLM_F_CREATE|unix.NLM_F_EXCL, func(w *wire) {
		family := uint8(unix.AF_INET)
		if o.set.IPv6 {
			family = unix.AF_INET6
		}
		w.str(attrName, o.set.Name)
		w.str(attrType, kinds[o.set.Kind].name)
		w.u8(attrRevision, kinds[o.set.Kind].revision)
		w.u8(attrFamily, family)
		data := w.open(attrData)
		w.u32(dataHashSize, hashSize(o.size))
		w.u32(dataMaxElem, maxElements)
		w.shut(data)
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
	cmd := uint16(cmdAdd)
	if o.verb == del {
		cmd = cmdDel
	}
	for rest := o.elements; len(rest) > 0; {
		var err error
		s.message(o, cmd, 0, func(w *wire) {
			w.str(attrName, o.set.Name)
			w.u32(attrLine, 0) // demanded with a list of elements
			list := w.open(attrElements)
			for len(rest) > 0 && len(w.buf)-list < chunk && err == nil {
				if err = o.set.check(rest[0]); err == nil {
					w.element(o.set, rest[0])
					rest = rest[1:]
				}
			}
			w.shut(list)
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

func (s *sender) message(o *op, cmd, flags uint16, body func(*wire)) {
	s.conn.seq++
	at := s.wire.begin(cmd, flags, s.conn.seq)
	body(&s.wire)
	s.wire.end(at)
	s.ops = append(s.ops, o)
}

func (s *sender) flushFull() error {
	if len(s.wire.buf) < datagram {
		return nil
	}
	return s.flush()
}

// flush sends what was collected and notes what is refused. Success is silent: no acknowledgement is asked for.
func (s *sender) flush() error {
	if len(s.wire.buf) == 0 {
		return nil
	}
	if err := s.conn.send(s.wire.buf); err != nil {
		return fmt.Errorf("IP sets: %w", err)
	}
	s.wire.buf = s.wire.buf[:0]
	return s.conn.receive(func(m message) bool {
		if i := int(m.seq - s.first); m.typ == unix.NLMSG_ERROR && i >= 0 && i < len(s.ops) {
			o := s.ops[i]
			s.refusals = append(s.refusals, Refusal{Tag: o.tag, Op: verbs[o.verb] + " IP set " + o.set.Name, Err: m.error()})
		}
		return true
	})
}

func (c *Conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// message is one received netlink message.
type message struct {
	typ  uint16
	seq  uint32
	body []byte // behind the netlink header; valid until the next receive
}

// error decodes struct nlmsgerr: nil for an acknowledgement.
func (m message) error() error {
	if len(m.body) < 4 {
		return errors.New("short netlink error")
	}
	if code := -int(int32(native.Uint32(m.body))); code != 0 {
		return errorOf(code)
	}
	return nil
}

// receive calls yield for each message that is waiting, until none is left or yield returns false.
func (c *Conn) receive(yield func(message) bool) error {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.recv, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("IP sets: %w", err)
		}
		for b := c.recv[:n]; len(b) >= unix.SizeofNlMsghdr; {
			length := int(native.Uint32(b))
			if length < unix.SizeofNlMsghdr || length > len(b) {
				return fmt.Errorf("IP sets: netlink message of %d bytes in a datagram of %d", length, len(b))
			}
			if !yield(message{native.Uint16(b[4:]), native.Uint32(b[8:]), b[unix.SizeofNlMsghdr:length]}) {
				return nil
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}
