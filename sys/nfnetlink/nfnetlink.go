// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package nfnetlink talks to the subsystems of netfilter (connection tracking, IP sets) over netlink: Open a Conn, Append attributes to a
// body, send it with Request.
//
// The kernel handles a request within the send call, and fills the rest of a dump within the receive calls, so nothing here waits.
package nfnetlink

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket of the netfilter family, bound to the network namespace of the thread that opened it. One caller at a time.
type Conn struct {
	fd     int
	buf    []byte
	seq    uint32
	closed bool
}

const (
	// readBuffer is more than the 32 kB that the kernel puts into one datagram at most.
	readBuffer = 64 << 10
	// receiveBuffer holds the answers to one request.
	receiveBuffer = 1 << 20
	// messageHeader is struct nlmsghdr, familyHeader struct nfgenmsg.
	messageHeader = unix.SizeofNlMsghdr
	familyHeader  = 4
)

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("netfilter socket: %w", err)
	}
	if err := setup(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("netfilter socket: %w", err), unix.Close(fd))
	}
	return &Conn{fd: fd, buf: make([]byte, readBuffer)}, nil
}

func setup(fd int) error {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} { // errors in words, without the request
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1); err != nil {
			return err
		}
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
}

// Close closes the socket. A second call does nothing.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return unix.Close(c.fd)
}

// Request is one request to a subsystem.
type Request struct {
	Subsystem, Message uint8 // NFNL_SUBSYS_* and the subsystem's own number
	Dump               bool  // asks for all objects that Body selects
	Family             uint8 // AF_INET, AF_INET6, or 0 for both
	Body               Attrs
}

// Do sends a request and hands the attributes of each answer to yield, which may be nil; they are valid during the call. An error of the
// kernel is a [unix.Errno].
func (c *Conn) Do(r Request, yield func(attrs []byte)) error {
	if err := c.drain(); err != nil {
		return err
	}
	c.seq++
	if err := c.send(r.encode(c.seq)); err != nil {
		return err
	}
	a := answer{seq: c.seq, yield: yield}
	if err := c.receive(a.take); err != nil {
		return err
	}
	if !a.done {
		return errors.New("netfilter netlink: the answer ended early")
	}
	return a.err
}

func (r *Request) encode(seq uint32) []byte {
	flags := uint16(unix.NLM_F_REQUEST | unix.NLM_F_ACK)
	if r.Dump {
		flags = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
	}
	b := binary.NativeEndian.AppendUint32(nil, uint32(messageHeader+familyHeader+len(r.Body)))
	b = binary.NativeEndian.AppendUint16(b, uint16(r.Subsystem)<<8|uint16(r.Message))
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, r.Family, unix.NFNETLINK_V0, 0, 0)
	return append(b, r.Body...)
}

func (c *Conn) send(b []byte) error {
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// message is one received netlink message; body, behind the netlink header, is valid until the next receive.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// receive hands over the messages that are waiting, until none is left.
func (c *Conn) receive(take func(message)) error {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return err
		default:
			if err := split(c.buf[:n], take); err != nil {
				return err
			}
		}
	}
}

// drain discards what an interrupted exchange left behind.
func (c *Conn) drain() error {
	err := c.receive(func(message) {})
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}

// split cuts a datagram into messages.
func split(b []byte, take func(message)) error {
	for len(b) >= messageHeader {
		length := int(binary.NativeEndian.Uint32(b))
		if length < messageHeader || length > len(b) {
			return fmt.Errorf("netlink message of %d bytes in a datagram of %d", length, len(b))
		}
		take(message{
			kind:  binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			seq:   binary.NativeEndian.Uint32(b[8:]),
			body:  b[messageHeader:length],
		})
		b = b[min(align(length), len(b)):]
	}
	return nil
}

// answer gathers what the kernel says to one request.
type answer struct {
	seq   uint32
	yield func([]byte)
	done  bool
	err   error
}

func (a *answer) take(m message) {
	switch {
	case m.seq != a.seq:
	case m.kind == unix.NLMSG_ERROR || m.kind == unix.NLMSG_DONE:
		a.done, a.err = true, errors.Join(a.err, m.result())
	case len(m.body) >= familyHeader && a.yield != nil:
		a.yield(m.body[familyHeader:])
	}
}

// result decodes struct nlmsgerr, or the end of a dump: nil for success.
func (m message) result() error {
	if len(m.body) < 4 {
		return errors.New("short netlink acknowledgement")
	}
	code := int32(binary.NativeEndian.Uint32(m.body))
	if code == 0 {
		return nil
	}
	err := unix.Errno(-code)
	const headers = 4 + messageHeader
	if m.kind == unix.NLMSG_ERROR && m.flags&unix.NLM_F_ACK_TLVS != 0 && len(m.body) > headers {
		if words := Attr(m.body[headers:], unix.NLMSGERR_ATTR_MSG); words != nil {
			return fmt.Errorf("%w (%s)", err, unix.ByteSliceToString(words))
		}
	}
	return err
}
