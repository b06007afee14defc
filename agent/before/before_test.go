// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package before_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/agent/before"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/sysctl"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// TestRestore: a parameter that changes others, and those, come back as they were at first, however often an agent has started since.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	const forward, one = "net/ipv4/ip_forward", "net/ipv4/conf/lo/forwarding"
	patterns := []string{forward, "net/ipv4/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects"}
	err := errors.Join(sysctl.Set(forward, "0"), sysctl.Set(one, "1"), sysctl.Set("net/ipv4/conf/all/accept_redirects", "0"),
		before.Note(dir, patterns...), sysctl.Set(forward, "1"), before.Note(dir, patterns...))
	if err != nil {
		t.Fatal(err)
	}
	if changes, err := before.Changes(dir); err != nil || len(changes) == 0 || changes[0] != (before.Change{Key: forward, Now: "1", Was: "0"}) {
		t.Errorf("changes %v, %v", changes, err)
	}
	if err := before.Restore(dir); err != nil {
		t.Fatal(err)
	}
	if changes, err := before.Changes(dir); err != nil || len(changes) > 0 {
		t.Errorf("not restored: %v, %v", changes, err)
	}
	if value, err := sysctl.Get(one); value != "1" {
		t.Errorf("%s = %q, %v; want 1", one, value, err)
	}
}

func TestNothingNoted(t *testing.T) {
	if changes, err := before.Changes(t.TempDir()); err != nil || len(changes) > 0 || before.Restore(t.TempDir()) != nil {
		t.Errorf("changes %v, %v", changes, err)
	}
}

func TestDamagedNote(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sysctls.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := before.Restore(dir); err == nil {
		t.Error("a damaged note says nothing of what was")
	}
}
