// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"cmp"
	"encoding/binary"
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
	next  func() (Sign, error)
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
		return &Watch{next: func() (Sign, error) { return generation(w) }, close: w.Close}, nil
	}
	l, err := watchLock(cmp.Or(os.Getenv(lockVariable), lockFile))
	if err != nil {
		return nil, fmt.Errorf("watch the lock of the iptables tools: %w", err)
	}
	return &Watch{next: l.next, close: l.file.Close}, nil
}

// generation takes lost events for a change by anybody.
func generation(w *nft.Watch) (Sign, error) {
	id, err := w.NextGeneration()
	if errors.Is(err, nft.ErrOverflow) {
		return Sign{}, nil
	}
	return Sign{id}, err
}

// Next waits for the next sign of a change. The error wraps os.ErrClosed after Close.
func (w *Watch) Next() (Sign, error) { return w.next() }

// Close ends the watch; a Next that waits returns.
func (w *Watch) Close() error { return w.close() }

// lock has the kernel tell when someone lets go of a file (fanotify(7)).
type lock struct {
	file *os.File
	buf  []byte
	rest []byte // events that were read and not handed out
}

// watchLock watches the lock file, which is made if it is missing, as the tools do.
func watchLock(path string) (*lock, error) {
	there, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "fanotify "+path)
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_CLOSE, unix.AT_FDCWD, path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lock{file: file, buf: make([]byte, 4096)}, nil
}

// next hands out the next event.
func (l *lock) next() (Sign, error) {
	if len(l.rest) < unix.FAN_EVENT_METADATA_LEN {
		n, err := l.file.Read(l.buf)
		if err != nil {
			return Sign{}, err
		}
		l.rest = l.buf[:n]
	}
	return l.event()
}

// event decodes struct fanotify_event_metadata. Each event opens the file, but for one that says that events were lost.
func (l *lock) event() (Sign, error) {
	length := int(binary.NativeEndian.Uint32(l.rest))
	if length < unix.FAN_EVENT_METADATA_LEN || length > len(l.rest) {
		return Sign{}, fmt.Errorf("event of %d bytes in %d", length, len(l.rest))
	}
	mask, fd, pid := binary.NativeEndian.Uint64(l.rest[8:]), int32(binary.NativeEndian.Uint32(l.rest[16:])), binary.NativeEndian.Uint32(l.rest[20:])
	l.rest = l.rest[length:]
	if fd >= 0 {
		if err := unix.Close(int(fd)); err != nil {
			return Sign{}, err
		}
	}
	if mask&unix.FAN_Q_OVERFLOW != 0 {
		return Sign{}, nil
	}
	return Sign{pid}, nil
}
