// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package netns makes, opens and enters named network namespaces: Create one, then Do work inside it.
//
// Names live where ip-netns(8) keeps them, as bind mounts under /run/netns, so `ip netns exec NAME cmd` works on every namespace
// made here. Create and Delete refuse names that lack own.NamespacePrefix: what weft did not make it does not touch.
//
// Sockets, netlink connections and processes made inside Do stay in that namespace for life (network_namespaces(7)); that is how
// one process holds sockets in many namespaces.
package netns

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is where named namespaces are bind-mounted (ip-netns(8)).
const Dir = "/run/netns"

// NS is an open network namespace. The namespace lives at least as long as it is open. Close it after use.
type NS struct {
	file *os.File
	path string
}

// ID identifies a namespace on this machine until it is gone (stat(2) of the nsfs inode).
type ID struct {
	Dev   uint64 `json:"dev"`
	Inode uint64 `json:"inode"`
}

// Path returns the path under which the namespace called name is mounted.
func Path(name string) string { return filepath.Join(Dir, name) }

// Open opens a named namespace. The error Is fs.ErrNotExist when there is none.
func Open(name string) (*NS, error) {
	if name == "" || filepath.Base(name) != name {
		return nil, fmt.Errorf("network namespace %q: want a plain name, not a path", name)
	}
	return OpenPath(Path(name))
}

// OpenPath opens a namespace by path, such as /proc/42/ns/net. The error Is fs.ErrNotExist when there is none.
func OpenPath(path string) (*NS, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return nil, closing(f, fmt.Errorf("network namespace %s: statfs: %w", path, err))
	}
	if st.Type != unix.NSFS_MAGIC {
		return nil, closing(f, fmt.Errorf("network namespace %s: nothing is mounted there; delete the file and create the namespace again", path))
	}
	return &NS{file: f, path: path}, nil
}

// Current opens the namespace of the calling thread.
func Current() (*NS, error) { return OpenPath("/proc/thread-self/ns/net") }

// Path returns the path the namespace was opened by.
func (n *NS) Path() string { return n.path }

// Name returns the last element of the path: the name of a named namespace.
func (n *NS) Name() string { return filepath.Base(n.path) }

// FD returns the open file descriptor, for netlink requests that name a namespace. It is valid until Close.
func (n *NS) FD() int { return int(n.file.Fd()) }

// ID returns the identity of the namespace.
func (n *NS) ID() (ID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(n.FD(), &st); err != nil {
		return ID{}, fmt.Errorf("network namespace %s: stat: %w", n.path, err)
	}
	return ID{Dev: uint64(st.Dev), Inode: st.Ino}, nil
}

// Close lets go of the namespace.
func (n *NS) Close() error { return n.file.Close() }

// closing closes f on an error path; the first error is the one to tell.
func closing(f *os.File, err error) error {
	_ = f.Close()
	return err
}
