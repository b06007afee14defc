// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package lockfile makes sure that only one process uses a directory: Acquire, and keep the lock until the process ends.
//
// The lock is a flock(2): the kernel releases it when the holder dies, however it dies.
package lockfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Lock is a held lock.
type Lock struct{ file *os.File }

// Acquire takes the lock at path, waiting at most a second for a holder that is going, and writes the process id into the file. The error of a taken lock names the holder.
func Acquire(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = take(int(file.Fd()))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path) // only for the message
		return nil, errors.Join(fmt.Errorf("lock %s is held by process %s; stop it or use another directory", path, strings.TrimSpace(string(holder))), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	if err := file.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	if _, err := file.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return &Lock{file}, nil
}

// Release gives the lock back; the file stays.
func (l *Lock) Release() error { return l.file.Close() }

// The kernel lets go of a killed holder's files a moment after the process is gone; a successor started at once must not take that for a
// living holder.
const (
	dying = time.Second
	pause = 10 * time.Millisecond
)

// take tries for as long as a dying holder may need.
func take(fd int) error {
	for deadline := time.Now().Add(dying); ; time.Sleep(pause) {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}
