// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Connect returns the connections a second, each with one request and one response.
//
// One thread plays both ends with plain system calls: a veth pair carries a packet all the way while it is sent, so that whatever is waited for is
// there already. A scheduler that has to wake a peer up costs several times what the path does, and hides it.
func Connect(ctx context.Context, e Ends, d time.Duration) (float64, error) {
	listener := -1
	err := e.Server.Do(func() (err error) { listener, err = e.listen(); return err })
	if err != nil {
		return 0, errors.Join(err, closeSockets(listener))
	}
	done, start := 0, time.Now()
	err = e.Client.Do(func() error {
		for time.Since(start) < d {
			if err := errors.Join(ctx.Err(), e.connectOnce(listener)); err != nil {
				return err
			}
			done++
		}
		return nil
	})
	elapsed := time.Since(start)
	if err == nil && done == 0 {
		err = fmt.Errorf("nothing got through to %s", e.Addr)
	}
	return float64(done) / elapsed.Seconds(), errors.Join(err, closeSockets(listener))
}

// listen opens a listening socket; a failed one is to be closed too.
func (e Ends) listen() (int, error) {
	s, err := e.socket(syscall.SOCK_STREAM)
	if err != nil {
		return s, err
	}
	if err := syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return s, os.NewSyscallError("SO_REUSEADDR", err)
	}
	if err := syscall.Bind(s, e.sockaddr()); err != nil {
		return s, os.NewSyscallError("bind", err)
	}
	return s, os.NewSyscallError("listen", syscall.Listen(s, 1))
}

// connectOnce makes a connection, sends a request and the response to it, and resets the connection instead of letting it wait in TIME_WAIT, so
// that a long run does not use up the ports.
func (e Ends) connectOnce(listener int) error {
	client, err := e.socket(syscall.SOCK_STREAM)
	if err != nil {
		return err
	}
	server := -1
	err = syscall.SetsockoptLinger(client, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	if err == nil {
		err = whole(func() error { return syscall.Connect(client, e.sockaddr()) })
	}
	if err == nil {
		err = whole(func() (err error) { server, _, err = syscall.Accept(listener); return err })
	}
	for _, way := range [][2]int{{client, server}, {server, client}} {
		if err == nil {
			err = carry(way[0], way[1])
		}
	}
	return errors.Join(os.NewSyscallError("connection to "+e.Addr.String(), err), closeSockets(client, server))
}

// carry sends from one socket what the other receives.
func carry(from, to int) error {
	var buffer [request]byte
	if err := whole(func() error { _, err := syscall.Write(from, buffer[:]); return err }); err != nil {
		return err
	}
	for left := request; left > 0; {
		n := 0
		if err := whole(func() (err error) { n, err = syscall.Read(to, buffer[:left]); return err }); err != nil {
			return err
		}
		if n == 0 {
			return syscall.ECONNRESET
		}
		left -= n
	}
	return nil
}

// whole repeats a call that a signal, one of the runtime's own, has interrupted.
func whole(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// socket opens a socket of a kind, SOCK_STREAM or SOCK_DGRAM, that waits for at most the set-up timeout.
func (e Ends) socket(kind int) (int, error) {
	family := syscall.AF_INET
	if e.Addr.Is6() {
		family = syscall.AF_INET6
	}
	s, err := syscall.Socket(family, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	patience := syscall.NsecToTimeval(setupTimeout.Nanoseconds())
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		if err := syscall.SetsockoptTimeval(s, syscall.SOL_SOCKET, option, &patience); err != nil {
			return s, os.NewSyscallError("socket timeout", err)
		}
	}
	return s, nil
}

func (e Ends) sockaddr() syscall.Sockaddr {
	if e.Addr.Is6() {
		return &syscall.SockaddrInet6{Port: int(e.Port), Addr: e.Addr.As16()}
	}
	return &syscall.SockaddrInet4{Port: int(e.Port), Addr: e.Addr.As4()}
}

// closeSockets closes what is open: not -1.
func closeSockets(sockets ...int) error {
	var err error
	for _, s := range sockets {
		if s >= 0 {
			err = errors.Join(err, os.NewSyscallError("close", syscall.Close(s)))
		}
	}
	return err
}
