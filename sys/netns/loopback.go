// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// LoopbackUp sets lo of the calling thread's namespace up (netdevice(7)).
func LoopbackUp() error {
	return loopback("up", func(fd int, req *unix.Ifreq) error {
		req.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
	})
}

// LoopbackIsUp tells whether lo of the calling thread's namespace is up.
func LoopbackIsUp() (up bool, err error) {
	err = loopback("state", func(fd int, req *unix.Ifreq) error {
		err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req)
		up = req.Uint16()&unix.IFF_UP != 0
		return err
	})
	return up, err
}

// loopback makes a request about lo; what names it in errors.
func loopback(what string, do func(fd int, req *unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback %s: socket: %w", what, err)
	}
	defer func() { _ = unix.Close(fd) }()
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback %s: %w", what, err)
	}
	if err := do(fd, req); err != nil {
		return fmt.Errorf("loopback %s: %w", what, err)
	}
	return nil
}
