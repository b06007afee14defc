// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nft"
)

// Watch tells that someone, perhaps ourselves, may have changed tables: look at them. It never tells what.
//
// The kernel has events for the nft flavour alone. With legacy it is the lock file that every iptables tool takes; where tools run in a
// container with a lock file of its own, nothing is told.
type Watch struct {
	next  func() error
	close func() error
}

// watched are the tables that a Watch is about.
var watched = []string{"raw", "mangle", "filter"}

// lockFile is what the legacy tools lock (xtables_lock of iptables 1.8); they know the environment variable too.
const lockFile, lockVariable = "/run/xtables.lock", "XTABLES_LOCKFILE"

// OpenWatch starts watching the tables of the calling thread's network namespace.
func OpenWatch(f Flavour) (*Watch, error) {
	if f == NFT {
		w, err := nft.OpenWatchIP(watched...)
		if err != nil {
			return nil, err
		}
		return &Watch{next: func() error { return notice(w.Next()) }, close: w.Close}, nil
	}
	file, err := watchFile(cmp.Or(os.Getenv(lockVariable), lockFile))
	if err != nil {
		return nil, fmt.Errorf("watch the lock of the iptables tools: %w", err)
	}
	return &Watch{next: func() error { return readEvents(file) }, close: file.Close}, nil
}

// notice takes lost events for a change.
func notice(err error) error {
	if errors.Is(err, nft.ErrOverflow) {
		return nil
	}
	return err
}

// Next waits for the next sign of a change. The error wraps os.ErrClosed after Close.
func (w *Watch) Next() error { return w.next() }

// Close ends the watch; a Next that waits returns.
func (w *Watch) Close() error { return w.close() }

// watchFile has the kernel tell when a file that was open is closed. The file is made if it is missing, as the tools do.
func watchFile(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "inotify "+path)
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_CLOSE); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readEvents waits for events and throws them away: one says as much as many.
func readEvents(file *os.File) error {
	var buf [4096]byte
	_, err := file.Read(buf[:])
	return err
}
