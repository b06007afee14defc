// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

// TestTheRuntimeIsToldLast: the plugin is there from the start, its configuration only once workloads can be started.
func TestTheRuntimeIsToldLast(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("ready", n.ready)
	n.agent.config.Store.(*memstore.Store).Disconnect(store.ErrUnavailable)
	n.until("not ready", func() bool { return !n.ready() })
	source := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n.agent.config.CNI = cniinstall.Options{ConfDir: dir, BinDir: filepath.Join(dir, "bin"), Source: source, IPv4: true}
	there := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	done := make(chan error, 1)
	go func() { done <- n.agent.installCNI(t.Context()) }()
	n.until("the plugin", func() bool { return there("bin/weft-cni") })
	if there(cniinstall.ConfName) {
		t.Error("the runtime was told of an agent that cannot start workloads")
	}
	n.agent.config.Store.(*memstore.Store).Reconnect()
	if err := <-done; err != nil || !there(cniinstall.ConfName) {
		t.Errorf("%v", err)
	}
}
