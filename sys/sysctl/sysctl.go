// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package sysctl reads and writes kernel parameters: Set("net/ipv4/ip_forward", "1").
//
// Parameters under net/ belong to the network namespace of the calling thread, so inside netns.NS.Do they are that namespace's.
package sysctl

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// root is where the kernel shows its parameters (proc_sys(5)).
const root = "/proc/sys"

// inContainer is where a container that may write them finds the host's root mounted: its own /proc/sys is read-only.
const inContainer = "/host" + root

// Get returns the value of a parameter without surrounding blanks. The key is its path below /proc/sys, written with slashes
// because interface names may hold dots. The error Is fs.ErrNotExist when this kernel has no such parameter.
func Get(key string) (string, error) {
	path, err := pathOf(key)
	if err != nil {
		return "", err
	}
	value, err := read(path)
	if err != nil {
		return "", fmt.Errorf("sysctl %s: %w", key, err)
	}
	return value, nil
}

// Set writes a parameter unless it has the value already. The error Is fs.ErrNotExist when this kernel has no such parameter.
func Set(key, value string) error {
	now, err := Get(key)
	if err != nil || now == value {
		return err
	}
	if err := write(filepath.Join(root, key), value); err != nil {
		return fmt.Errorf("sysctl %s=%s: %w", key, value, err)
	}
	return nil
}

// Keys lists the parameters whose keys match a pattern (path.Match): "net/ipv4/conf/*/forwarding".
func Keys(pattern string) ([]string, error) {
	path, err := pathOf(pattern)
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("sysctl %q: %w", pattern, err)
	}
	for i, name := range found {
		found[i] = strings.TrimPrefix(name, root+"/")
	}
	return found, nil
}

// longest bounds a value in bytes: a page, as the kernel's own.
const longest = 4096

// read and write do without os.File, which asks the poller about every file: a workload's interface has a dozen parameters.
func read(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var value [longest]byte
	n, err := unix.Read(fd, value[:])
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(value[:n])), nil
}

// write does not create: a parameter that vanished (its interface was deleted) must be an error.
func write(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EROFS) {
		if again, errAgain := unix.Open(inContainer+strings.TrimPrefix(path, root), unix.O_WRONLY|unix.O_CLOEXEC, 0); errAgain == nil {
			fd, err = again, nil
		}
	}
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte(value))
	return errors.Join(err, unix.Close(fd))
}

// pathOf refuses keys that leave /proc/sys.
func pathOf(key string) (string, error) {
	if !filepath.IsLocal(key) {
		return "", fmt.Errorf("sysctl %q: want a path below %s such as net/ipv4/ip_forward", key, root)
	}
	return filepath.Join(root, key), nil
}
