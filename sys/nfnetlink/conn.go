// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nfnetlink

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket of the netfilter family, bound to the network namespace of the thread that opened it. One caller at a time.
type Conn struct {
	fd     int
	port   uint32
	sndbuf int
	buf    []byte
	seq    uint32
	closed bool
}

// ReadBuffer is more bytes than the kernel puts into one datagram, 32 kB.
const ReadBuffer = 64 << 10

const (
	// receiveBuffer holds the errors of a batch that is refused in thousands of places.
	receiveBuffer = 8 << 20
	// sendBuffer fits ordinary transactions; it grows with larger ones.
	sendBuffer = 4 << 20
)

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("netfilter socket: %w", err)
	}
	c := &Conn{fd: fd, buf: make([]byte, ReadBuffer)}
	if err := c.setup(); err != nil {
		return nil, errors.Join(fmt.Errorf("netfilter socket: %w", err), unix.Close(fd))
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
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} { // errors in words, without the request
		if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, option, 1); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		return err
	}
	return c.growSendBuffer(sendBuffer)
}

// Port is the connection's netlink port: changes made through it carry it in their notifications.
func (c *Conn) Port() uint32 { return c.port }

// Close closes the socket. A second call does nothing.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return unix.Close(c.fd)
}

// growSendBuffer makes room for one datagram of size bytes: a transaction is one send.
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

// NextSeq is a sequence number for the next request.
func (c *Conn) NextSeq() uint32 {
	c.seq++
	return c.seq
}

// Send sends one datagram to the kernel, after discarding what an interrupted exchange left behind. The kernel handles it within the call.
func (c *Conn) Send(b []byte) error {
	if err := c.drain(); err != nil {
		return err
	}
	if err := c.growSendBuffer(len(b)); err != nil {
		return err
	}
	for {
		_, err := unix.Write(c.fd, b) // without an address it is for the kernel
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Receive hands over the messages that are waiting, until none is left. They are valid during the call.
func (c *Conn) Receive(take func(Message)) error {
	for {
		n, err := unix.Read(c.fd, c.buf) // recvfrom would allocate room for who sends
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return err
		default:
			if err := Split(c.buf[:n], func(m Message) bool { take(m); return true }); err != nil {
				return err
			}
		}
	}
}

func (c *Conn) drain() error {
	err := c.Receive(func(Message) {})
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}
