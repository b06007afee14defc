// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
)

// runStore runs the datastore role in this process until the test ends.
func runStore(t *testing.T, c StoreConfig) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- RunStore(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("datastore: %v", err)
		}
	})
	if err := eventually(t, 10*time.Second, func() error { return dialUnix(t.Context(), c.Socket) }); err != nil {
		t.Fatal(err)
	}
}

// TestStoreRoles writes through a forwarder, a TCP hop and the embedded server behind it, and reads directly.
func TestStoreRoles(t *testing.T) {
	dir := t.TempDir()
	origin := filepath.Join(dir, "origin.sock")
	runStore(t, StoreConfig{Socket: origin, Dir: filepath.Join(dir, "data")})
	hop := tcpInFrontOf(t, origin)
	forwarder := filepath.Join(dir, "forwarder.sock")
	runStore(t, StoreConfig{Socket: forwarder, Remote: "http://" + hop})

	far, near := client(t, forwarder), client(t, origin)
	if _, err := far.Create(t.Context(), namespaceObject("shop")); err != nil {
		t.Fatal(err)
	}
	got, err := near.Get(t.Context(), api.Key{Resource: api.Namespaces, Name: "shop"})
	if err != nil || got.GetLabels()[namespaceLabel] != "shop" {
		t.Errorf("read %v, %v", got, err)
	}
}

func client(t *testing.T, socket string) store.Store {
	t.Helper()
	s, err := etcdstore.New(etcdstore.Config{Endpoints: []string{"unix://" + socket}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// tcpInFrontOf lets a unix socket be reached by TCP.
func tcpInFrontOf(t *testing.T, socket string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			back, err := net.Dial("unix", socket)
			if err != nil {
				_ = conn.Close()
				continue
			}
			go pipe(conn, back)
			go pipe(back, conn)
		}
	}()
	return ln.Addr().String()
}

func pipe(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_, _ = to.Close(), from.Close()
			return
		}
	}
}
