// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package netnstest gives tests network namespaces: Main runs a whole test binary inside a fresh one, New makes one for a test.
//
// Code that works in the namespace of its process, as an agent's does, is tested in a process that has one of its own; the machine's
// links are never touched.
package netnstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// inside names the namespace in the environment of the process that runs the tests.
const inside = "WEFT_TEST_NETNS"

// Main is for TestMain: it runs the tests (m is the *testing.M, or what wraps it) in a child process inside a new namespace, deletes that
// and what New made, and exits.
func Main(m interface{ Run() int }) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	code, err := runInside(fmt.Sprintf("%stest%d", own.NamespacePrefix, os.Getpid()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func runInside(name string) (code int, err error) {
	if err := sweep(name); err != nil { // what a process of the same number has left that was killed
		return 1, err
	}
	ns, err := netns.Create(name)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, ns.Close(), sweep(name)) }()
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	err = proc.Run(context.Background(), proc.Spec{Path: self, Args: os.Args[1:], Env: []string{inside + "=" + name}, NS: ns},
		proc.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	if code, ok := proc.ExitCode(err); ok {
		return code, nil
	}
	return 0, err
}

// sweep deletes the namespace and everything named after it: a test that was killed cleans up nothing itself.
func sweep(name string) error {
	all, err := netns.List()
	for _, n := range all {
		if n == name || strings.HasPrefix(n, name+"-") {
			err = errors.Join(err, netns.Delete(n))
		}
	}
	return err
}

// serial numbers the namespaces of one process.
var serial atomic.Int64

// New makes a namespace for one test and deletes it afterwards. A test may delete it earlier.
func New(t testing.TB) *netns.NS {
	t.Helper()
	prefix := os.Getenv(inside)
	if prefix == "" {
		prefix = fmt.Sprintf("%stest%d", own.NamespacePrefix, os.Getpid())
	}
	ns, err := create(prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = ns.Close()
		if err := netns.Delete(ns.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	return ns
}

// create makes a namespace with the next name that is free: a process of the same number, killed earlier, may have left some.
func create(prefix string) (*netns.NS, error) {
	for {
		ns, err := netns.Create(fmt.Sprintf("%s-%d", prefix, serial.Add(1)))
		if !errors.Is(err, fs.ErrExist) {
			return ns, err
		}
	}
}
