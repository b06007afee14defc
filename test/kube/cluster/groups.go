// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// makeGroups makes the control group of a machine, in which the pods of a node are, in every hierarchy, and removes it at the end of the test.
func makeGroups(t testing.TB, name string) {
	t.Helper()
	for _, hierarchy := range hierarchies(t) {
		group := filepath.Join(hierarchy, name)
		if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeGroup(t, group) })
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(hierarchy, file))
			if err != nil {
				continue // only the hierarchy of cpusets has them
			}
			if err := os.WriteFile(filepath.Join(group, file), value, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hierarchies are the mount points of control groups: one with version 2, several with version 1.
func hierarchies(t testing.TB) []string {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup"}
	}
	entries, err := os.ReadDir("/sys/fs/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		path := filepath.Join("/sys/fs/cgroup", e.Name())
		if _, err := os.Stat(filepath.Join(path, "cgroup.procs")); err == nil {
			out = append(out, path)
		}
	}
	return out
}

// removeGroup removes a control group and all below it, whose processes have been killed and may be about to end.
func removeGroup(t testing.TB, group string) {
	t.Helper()
	var below []string
	_ = filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			below = append(below, path)
		}
		return nil
	})
	slices.SortFunc(below, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, path := range below {
		eventually(t, path+" to be empty", 20*time.Second, func() error {
			if err := syscall.Rmdir(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
	}
}
