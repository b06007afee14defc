// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

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
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- n.agent.installCNI(ctx) }()
	n.until("the plugin", func() bool { return there("bin/weft-cni") })
	if there(cniinstall.ConfName) {
		t.Error("the runtime was told of an agent that cannot start workloads")
	}
	n.agent.config.Store.(*memstore.Store).Reconnect()
	n.until("the configuration", func() bool { return there(cniinstall.ConfName) })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDeletedFilesComeBack: the plugin, that for lo and the configuration, each of them; one of another network is left alone.
func TestDeletedFilesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		source := filepath.Join(dir, "source")
		if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := &Agent{log: slog.New(slog.DiscardHandler), config: Config{CNI: cniinstall.Options{ConfDir: dir, BinDir: filepath.Join(dir, "bin"), Source: source, IPv4: true}}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if _, err := a.config.CNI.Configure(); err != nil {
			t.Fatal(err)
		}
		go a.keepCNI(ctx)
		conf, plugin := filepath.Join(dir, cniinstall.ConfName), filepath.Join(dir, "bin", cniinstall.PluginName)
		loopback := filepath.Join(dir, "bin", cniinstall.LoopbackName)
		for _, path := range []string{plugin, conf, loopback, plugin} { // the plugin was never there
			_ = os.Remove(path)
			time.Sleep(filesPoll + time.Second) // of the test's own clock
			synctest.Wait()
			if files, err := a.config.CNI.Files(); err != nil || len(files) != 4 {
				t.Errorf("without %s: there are %v, %v", path, files, err)
			}
		}
		if err := os.WriteFile(conf, []byte("{}"), 0o600); err != nil { // of another network
			t.Fatal(err)
		}
		time.Sleep(filesPoll + time.Second) // of the test's own clock
		synctest.Wait()
		if data, err := os.ReadFile(conf); err != nil || string(data) != "{}" {
			t.Errorf("another network's file was replaced: %s, %v", data, err)
		}
	})
}
