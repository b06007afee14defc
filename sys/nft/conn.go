// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket of the netfilter family, bound to the network namespace of the thread that opened it. One caller at a
// time.
//
// The kernel handles a request within the send call, so every answer is in the socket when send returns: nothing here waits.
type Conn struct {
	fd       int
	port     uint32
	sndbuf   int
	recv     []byte
	closed   bool
	requests uint32
}

const (
	// recvSize is one dump message batch; the kernel fills at most 32 kB at a time.
	recvSize = 64 << 10
	// recvBuffer holds the errors of a batch that is refused in thousands of places.
	recvBuffer = 8 << 20
	// sendBuffer fits ordinary transactions; it grows with larger ones.
	sendBuffer = 4 << 20
)

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("nf_tables socket: %w", err)
	}
	c := &Conn{fd: fd, recv: make([]byte, recvSize)}
	if err := c.setup(); err != nil {
		return nil, errors.Join(fmt.Errorf("nf_tables socket: %w", err), unix.Close(fd))
	}
	return c, nil
}

func (c *Conn) setup() error {
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	addr, err := unix.Getsockname(c.fd)
	if err != nil {
		return err
	}
	nl, ok := addr.(*unix.SockaddrNetlink)
	if !ok {
		return fmt.Errorf("unexpected socket address %T", addr)
	}
	c.port = nl.Pid
	// Errors come with the kernel's words, without a copy of the request.
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, option, 1); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, recvBuffer); err != nil {
		return err
	}
	return c.growSendBuffer(sendBuffer)
}

// Port is the connection's netlink port: changes made through it carry it in their notifications.
func (c *Conn) Port() uint32 { return c.port }

// Close closes the socket.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return unix.Close(c.fd)
}

// growSendBuffer makes room for one message of size bytes: a transaction is one send.
func (c *Conn) growSendBuffer(size int) error {
	const overhead = 64 << 10
	if size+overhead <= c.sndbuf {
		return nil
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size+overhead); err != nil {
		return fmt.Errorf("send buffer of %d bytes: %w", size, err)
	}
	c.sndbuf = size + overhead
	return nil
}

// send sends one datagram to the kernel.
func (c *Conn) send(b []byte) error {
	if err := c.growSendBuffer(len(b)); err != nil {
		return err
	}
	for {
		err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// message is one received netlink message.
type message struct {
	typ, flags uint16
	seq        uint32
	body       []byte // behind the netlink header; valid until the next receive
}

const nlmsgHeader = unix.SizeofNlMsghdr

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
			return err
		}
		for b := c.recv[:n]; len(b) >= nlmsgHeader; {
			length := int(binary.NativeEndian.Uint32(b))
			if length < nlmsgHeader || length > len(b) {
				return fmt.Errorf("netlink message of %d bytes in a datagram of %d", length, len(b))
			}
			m := message{
				typ:   binary.NativeEndian.Uint16(b[4:]),
				flags: binary.NativeEndian.Uint16(b[6:]),
				seq:   binary.NativeEndian.Uint32(b[8:]),
				body:  b[nlmsgHeader:length],
			}
			if !yield(m) {
				return nil
			}
			b = b[min(align(length), len(b)):]
		}
	}
}

// drain discards what an interrupted exchange left behind.
func (c *Conn) drain() error {
	err := c.receive(func(message) bool { return true })
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}

// ackError decodes struct nlmsgerr: nil for an acknowledgement.
func ackError(m message) error {
	if len(m.body) < 4 {
		return errors.New("short netlink acknowledgement")
	}
	code := int32(binary.NativeEndian.Uint32(m.body))
	if code == 0 {
		return nil
	}
	err := unix.Errno(-code)
	const headers = 4 + nlmsgHeader
	if m.flags&unix.NLM_F_ACK_TLVS != 0 && len(m.body) > headers {
		if words := attr(m.body[headers:], unix.NLMSGERR_ATTR_MSG); words != nil {
			return fmt.Errorf("%w (%s)", err, text(words))
		}
	}
	return err
}
