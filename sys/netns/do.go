// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// errGoexit is returned by Do when fn ended its goroutine (runtime.Goexit, testing's FailNow) instead of returning.
var errGoexit = errors.New("the function ended its goroutine instead of returning")

// Do runs fn with the calling thread inside the namespace and waits for it. It enters by file, so that a namespace whose name was
// deleted meanwhile still works.
//
// fn runs on another goroutine with its own thread: do not call testing.T.FailNow in it. Goroutines started by fn run outside the namespace.
func (n *NS) Do(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.path, err)
		}
		return fn()
	})
}

// DoNamed runs fn inside the namespace called name; see NS.Do.
func DoNamed(name string, fn func() error) error {
	n, err := Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }()
	return n.Do(fn)
}

// onThread runs fn on a thread of its own whose network namespace fn may change. Afterwards the thread returns to the namespace
// it came from; when that is impossible it stays locked and so ends with the goroutine, and nobody else ever runs on it.
func onThread(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := Current()
		if err != nil {
			runtime.UnlockOSThread()
			result <- err
			return
		}
		err = errGoexit
		defer func() {
			if unix.Setns(home.FD(), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			_ = home.Close()
			result <- err
		}()
		err = fn()
	}()
	return <-result
}
