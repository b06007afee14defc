// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// SetThreaded has the work of one of the kernel's devices done by threads, on any CPU, or by the CPU that a packet comes in on (threaded NAPI, Linux
// 5.12), and tells whether it was otherwise. The kernel takes it for a device that has a peer. One of this process is spread over the CPUs anyway.
func (c *Conn) SetThreaded(name string, on bool) (changed bool, err error) {
	d, err := c.device(name)
	if _, kernel := d.(kernelDevice); err != nil || !kernel {
		return false, err
	}
	want := map[bool]string{false: "0", true: "1"}[on]
	err = c.enter(func() error {
		dir, err := sysfs()
		if err != nil {
			return err
		}
		defer func() { _ = dir.Close() }()
		file, err := dir.OpenFile("class/net/"+name+"/threaded", os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) && !on {
			return nil
		}
		if err != nil {
			return err
		}
		now := make([]byte, 1)
		if _, err = file.Read(now); err == nil && string(now) != want {
			changed = true
			_, err = file.WriteString(want)
		}
		return errors.Join(err, file.Close())
	})
	if err != nil {
		return false, fmt.Errorf("WireGuard device %s: threads: %w", name, err)
	}
	return changed, nil
}

// sysfs opens the kernel's view of the calling thread's network namespace: what is mounted shows that of who mounted it (sysfs(5)).
func sysfs() (*os.Root, error) {
	fd, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.OpenRoot("/sys") // no right to mount, or an old kernel: the namespace is that of the host then
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, fmt.Errorf("sysfs: %w", err)
	}
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sysfs: %w", err)
	}
	defer func() { _ = unix.Close(mount) }()
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", mount))
}
