// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package packet sends and receives packets that no other program makes: whole Ethernet frames on one interface (Open in the interface's
// network namespace, Send, Receive), and IP packets as a process of the host (OpenHost).
package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a packet socket (packet(7)) on one interface. One caller at a time.
type Conn struct {
	fd   int
	name string
}

// receiveBuffer holds what is not read yet, in bytes.
const receiveBuffer = 16 << 20

// Open binds to an interface of the calling thread's network namespace. The interface must be up. Frames that leave through the interface are
// not received.
func Open(name string) (*Conn, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	c := &Conn{fd, name}
	if err := c.setup(iface.Index); err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket on %s: %w", name, err), unix.Close(fd))
	}
	return c, nil
}

func (c *Conn) setup(index int) error {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		return err
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
}

// Send puts a frame on the wire.
func (c *Conn) Send(frame []byte) error {
	if _, err := unix.Write(c.fd, frame); err != nil {
		return fmt.Errorf("send on %s: %w", c.name, err)
	}
	return nil
}

// ErrTimeout says that no frame came in time.
var ErrTimeout = errors.New("no frame in time")

// Receive reads the next frame into buf; it waits at most patience, 0 not at all.
func (c *Conn) Receive(buf []byte, patience time.Duration) ([]byte, error) {
	deadline := time.Now().Add(patience)
	for {
		n, err := unix.Read(c.fd, buf)
		if err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("receive on %s: %w", c.name, err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, ErrTimeout
		}
		poll := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("poll on %s: %w", c.name, err)
		}
	}
}

// Lost tells how many frames were thrown away since the last call, or the beginning, because the socket was full.
func (c *Conn) Lost() (uint32, error) {
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("statistics of %s: %w", c.name, err)
	}
	return stats.Drops, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// OnOneCPU runs fn with its thread on one CPU. What it sends through virtual links is then handled in the order of sending.
func OnOneCPU(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("CPU affinity: %w", err)
	}
	cpu := 0
	for !all.IsSet(cpu) {
		cpu++
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("staying on CPU %d: %w", cpu, err)
	}
	return errors.Join(fn(), unix.SchedSetaffinity(0, &all))
}
