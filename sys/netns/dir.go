// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// prepareDir makes Dir a shared mount, as ip-netns(8) does, so that namespaces made here are seen in other mount namespaces and
// vanish there when deleted. It returns with Dir locked against other makers, iproute2 among them; call unlock when done.
func prepareDir() (unlock func(), err error) {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return nil, fmt.Errorf("network namespace directory: %w", err)
	}
	dir, err := os.Open(Dir)
	if err != nil {
		return nil, fmt.Errorf("network namespace directory: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, closing(dir, fmt.Errorf("lock %s: %w", Dir, err))
	}
	if err := shareDir(); err != nil {
		return nil, closing(dir, err)
	}
	return func() { _ = dir.Close() }, nil
}

// shareDir marks Dir shared; a directory that is no mount point yet answers EINVAL and is first mounted on itself.
func shareDir() error {
	err := unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) {
		return wrapShare(err)
	}
	if err := unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return wrapShare(err)
	}
	return wrapShare(unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, ""))
}

func wrapShare(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("make %s a shared mount (are you root?): %w", Dir, err)
}
