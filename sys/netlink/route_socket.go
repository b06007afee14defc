// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
)

const (
	// socketBuffer holds the replies to one batch, or the events of a burst. Beyond it the kernel drops and says ENOBUFS.
	socketBuffer = 8 << 20
	// readBuffer takes the largest datagram: the kernel fills dump replies up to 32 KiB.
	readBuffer = 64 << 10
	// replyTimeout bounds the wait for a reply. The kernel answers within the send itself, so it only guards against a lost one.
	replyTimeout = 10 * time.Second
)

// socket is a raw route netlink socket that the Go poller waits for, so that Close ends a blocked read.
type socket struct {
	file *os.File
	port uint32
	buf  []byte // for replies; made on first use
}

// openSocket opens a socket in ns (nil: the calling thread's namespace) that is a member of groups (RTNLGRP_*).
func openSocket(ns *netns.NS, groups ...int) (*socket, error) {
	var s *socket
	open := func() (err error) {
		s, err = newSocket(groups)
		return err
	}
	if ns != nil {
		inside := open
		open = func() error { return ns.Do(inside) }
	}
	if err := open(); err != nil {
		return nil, fmt.Errorf("open route netlink socket: %w", err)
	}
	return s, nil
}

func newSocket(groups []int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	s := &socket{file: os.NewFile(uintptr(fd), "rtnetlink")}
	if err := s.setup(fd, groups); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *socket) setup(fd int, groups []int) error {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("port: %w", err)
	}
	s.port = name.(*unix.SockaddrNetlink).Pid
	if err := setReceiveBuffer(fd); err != nil {
		return err
	}
	options := []struct {
		name     string
		opt, val int
	}{
		{"NETLINK_EXT_ACK", unix.NETLINK_EXT_ACK, 1},               // errors in words
		{"NETLINK_CAP_ACK", unix.NETLINK_CAP_ACK, 1},               // errors without the request
		{"NETLINK_GET_STRICT_CHK", unix.NETLINK_GET_STRICT_CHK, 1}, // dumps filtered by the kernel (Linux 4.20)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, o.opt, o.val); err != nil {
			return fmt.Errorf("%s (needs Linux 4.20 or later): %w", o.name, err)
		}
	}
	for _, group := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			return fmt.Errorf("join group %d: %w", group, err)
		}
	}
	return nil
}

// setReceiveBuffer goes beyond net.core.rmem_max where it may (CAP_NET_ADMIN in the first user namespace), up to it elsewhere.
func setReceiveBuffer(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
	if errors.Is(err, unix.EPERM) {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	}
	if err != nil {
		return fmt.Errorf("receive buffer: %w", err)
	}
	return nil
}

// exchange sends requests and hands every reply to fn until fn says that it was the last one.
func (s *socket) exchange(requests []byte, fn func(message) (last bool, err error)) error {
	if _, err := s.file.Write(requests); err != nil {
		return fmt.Errorf("netlink send: %w", err)
	}
	return s.receive(fn)
}

// receive hands every message to fn until fn says that it was the last one.
func (s *socket) receive(fn func(message) (last bool, err error)) error {
	if err := s.file.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
		return fmt.Errorf("netlink deadline: %w", err)
	}
	if s.buf == nil {
		s.buf = make([]byte, readBuffer)
	}
	for {
		n, err := s.file.Read(s.buf)
		if err != nil {
			return fmt.Errorf("netlink receive: %w", err)
		}
		for m, err := range messages(s.buf[:n]) {
			if err != nil {
				return err
			}
			if last, err := fn(m); last || err != nil {
				return err
			}
		}
	}
}

func (s *socket) close() error { return s.file.Close() }

// reply reads the result in an NLMSG_ERROR or NLMSG_DONE message: nil is an acknowledgement.
func (m message) reply() error {
	code, err := uint32Of(m.body)
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	errno := unix.Errno(-int32(code))
	if text := m.extendedAck(); text != "" {
		return fmt.Errorf("%w (%s)", errno, text)
	}
	return errno
}

// extendedAck returns the kernel's own words, NLMSGERR_ATTR_MSG, which follow the error code and the request's header.
func (m message) extendedAck() (text string) {
	const words = 1 // NLMSGERR_ATTR_MSG of linux/netlink.h
	at := 4 + unix.SizeofNlMsghdr
	if m.kind != unix.NLMSG_ERROR || m.flags&unix.NLM_F_ACK_TLVS == 0 || len(m.body) < at {
		return ""
	}
	err := attributes(m.body[at:], func(kind uint16, value []byte) error {
		if kind == words {
			text = unix.ByteSliceToString(value)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return text
}
