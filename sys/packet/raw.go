// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Host sends and receives IP packets as a process of the host (raw(7)), past no socket of others but through the packet filter's hooks for local
// traffic. One caller at a time.
type Host struct {
	send [2]int // by family, IPv4 and IPv6
	poll []unix.PollFd
	v4   map[int32]bool // receiving sockets of IPv4
}

// OpenHost opens sockets in the calling thread's network namespace that receive the given IP protocols (IANA). All that is sent carries the
// priority (SO_PRIORITY), by which a packet filter can know it.
func OpenHost(priority int, protocols ...uint8) (*Host, error) {
	h := &Host{send: [2]int{-1, -1}, v4: map[int32]bool{}}
	for i, family := range []int{unix.AF_INET, unix.AF_INET6} {
		err := h.open(i, family, priority, protocols)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("raw socket: %w", err), h.Close())
		}
	}
	return h, nil
}

func (h *Host) open(i, family, priority int, protocols []uint8) error {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	h.send[i] = fd
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priority); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_HDRINCL, 1); err != nil {
			return err
		}
	}
	for _, protocol := range protocols {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
		if err != nil {
			return err
		}
		h.poll = append(h.poll, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		h.v4[int32(fd)] = family == unix.AF_INET
	}
	return nil
}

// Send sends an IP packet, header included, to its destination.
func (h *Host) Send(dst netip.Addr, packet []byte) error {
	to, fd := unix.Sockaddr(&unix.SockaddrInet6{Addr: dst.As16()}), h.send[1]
	if dst.Is4() {
		to, fd = &unix.SockaddrInet4{Addr: dst.As4()}, h.send[0]
	}
	if err := unix.Sendto(fd, packet, 0, to); err != nil {
		return fmt.Errorf("send to %s: %w", dst, err)
	}
	return nil
}

// Receive reads what is above IP of the next packet that came to the host into buf; it waits at most patience, 0 not at all.
func (h *Host) Receive(buf []byte, patience time.Duration) ([]byte, error) {
	if err := wait(h.poll, time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for _, p := range h.poll {
		if p.Revents == 0 {
			continue
		}
		n, err := unix.Read(int(p.Fd), buf)
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if !h.v4[p.Fd] {
			return buf[:n], nil
		}
		return buf[min(n, int(buf[0]&0xf)*4):n], nil
	}
	return nil, ErrTimeout
}

// wait returns when there is something to read.
func wait(poll []unix.PollFd, deadline time.Time) error {
	for {
		n, err := unix.Poll(poll, int(max(0, time.Until(deadline).Milliseconds())))
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("poll: %w", err)
		case !time.Now().Before(deadline):
			return ErrTimeout
		}
	}
}

// Close closes the sockets.
func (h *Host) Close() error {
	var errs error
	for _, fd := range h.send {
		if fd >= 0 {
			errs = errors.Join(errs, unix.Close(fd))
		}
	}
	for _, p := range h.poll {
		errs = errors.Join(errs, unix.Close(int(p.Fd)))
	}
	return errs
}
