// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/own"
)

// maxName is the longest name a directory entry may have (NAME_MAX).
const maxName = 255

// Create makes a namespace with its loopback up and leaves it mounted under Dir. The name must start with own.NamespacePrefix.
// The error Is fs.ErrExists when the name is taken.
func Create(name string) (*NS, error) {
	if err := checkOwn(name); err != nil {
		return nil, err
	}
	unlock, err := prepareDir()
	if err != nil {
		return nil, err
	}
	defer unlock()
	path := Path(name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return nil, fmt.Errorf("create network namespace: %w", err)
	}
	_ = f.Close()
	if err := onThread(func() error { return mountNew(path) }); err != nil {
		return nil, errors.Join(fmt.Errorf("create network namespace %s: %w", name, err), remove(path))
	}
	n, err := OpenPath(path)
	if err != nil {
		return nil, errors.Join(err, remove(path))
	}
	return n, nil
}

// Delete removes the name of a namespace made by Create. The kernel frees the namespace when its last process and socket are gone.
// The error Is fs.ErrNotExist when there is none.
func Delete(name string) error {
	if err := checkOwn(name); err != nil {
		return err
	}
	unlock, err := prepareDir()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(Path(name)); err != nil {
		return fmt.Errorf("delete network namespace: %w", err)
	}
	return remove(Path(name))
}

// List returns the sorted names of the namespaces that carry own.NamespacePrefix.
func List() ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), own.NamespacePrefix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// checkOwn refuses names that weft may not create or delete.
func checkOwn(name string) error {
	rest, ok := strings.CutPrefix(name, own.NamespacePrefix)
	switch {
	case !ok || rest == "":
		return fmt.Errorf("network namespace %q: the name must start with %q and go on after it", name, own.NamespacePrefix)
	case filepath.Base(name) != name || len(name) > maxName:
		return fmt.Errorf("network namespace %q: want a plain file name of at most %d bytes", name, maxName)
	}
	return nil
}

// mountNew moves the calling thread into a new namespace, brings its loopback up and pins it at path.
func mountNew(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := LoopbackUp(); err != nil {
		return err
	}
	if err := unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind mount on %s: %w", path, err)
	}
	return nil
}

// remove unmounts and unlinks the name at path.
func remove(path string) error {
	// EINVAL: nothing is mounted, the file alone was left behind by a crash between its creation and the mount.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("delete network namespace: unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete network namespace: %w", err)
	}
	return nil
}
