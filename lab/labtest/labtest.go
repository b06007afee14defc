// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package labtest gives tests a lab: Up builds the programs, makes a lab and checks at the end of the test that nothing is left of it.
package labtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/proc"
)

// The time limits of a test's lab.
const (
	upLimit   = 60 * time.Second
	downLimit = 30 * time.Second
)

// Up makes a lab that is removed with the test; see lab.Spec. Without a name it gets one that no other test has. When the test fails, the
// ends of the agents' logs are shown.
func Up(t testing.TB, spec lab.Spec) *lab.Lab {
	t.Helper()
	spec.Name, spec.Owned, spec.Bin = cmp.Or(spec.Name, Name(t)), true, Programs(t)
	spec.Progress = func(line string) { t.Log(line) }
	before, err := lab.TakeInventory(spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), upLimit)
	defer cancel()
	l, err := lab.Up(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { down(t, l, before) })
	return l
}

// down removes the lab and compares what there is with what there was.
func down(t testing.TB, l *lab.Lab, before lab.Inventory) {
	if t.Failed() {
		t.Log(l.LogEnds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), downLimit)
	defer cancel()
	if err := l.Down(ctx); err != nil && !errors.Is(err, lab.ErrNotFound) {
		t.Error(err)
	}
	after, err := lab.TakeInventory(l.Name())
	if err != nil {
		t.Error(err)
	}
	if left := after.Since(before); len(left) > 0 {
		t.Errorf("the lab left behind: %s", strings.Join(left, ", "))
	}
}

// Attach adds workloads, several at once; keys are "namespace/name", all with the label app=<name>.
func Attach(t testing.TB, l *lab.Lab, where map[string]string) {
	t.Helper()
	var wg sync.WaitGroup
	for key, node := range where {
		namespace, name, _ := strings.Cut(key, "/")
		wg.Go(func() {
			_, err := l.AddWorkload(t.Context(), lab.Workload{Node: node, Namespace: namespace, Name: name, Labels: map[string]string{"app": name}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// Name returns a lab name that belongs to this test in this process.
func Name(t testing.TB) string {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, t.Name(), os.Getpid()) // never fails (hash.Hash)
	return "t" + strconv.FormatUint(uint64(h.Sum32()), 36)
}

var build = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	mod, err := proc.Output(ctx, proc.Spec{Path: "go", Args: []string{"env", "GOMOD"}})
	if err != nil {
		return "", err
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	bin := filepath.Join(root, "bin", "test")
	// The go command leaves programs alone that are up to date, so this is quick from the second test package on.
	_, err = proc.Output(ctx, proc.Spec{Path: "go", Args: []string{"build", "-o", bin + "/", "./cmd/weft", "./cmd/weft-cni"}, Dir: root})
	return bin, err
})

// Programs builds weft and weft-cni from the tree under test and returns their directory.
func Programs(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatalf("build the programs under test: %v", err)
	}
	return bin
}
