// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

func embedded(t testing.TB, c EmbeddedConfig) *Embedded {
	t.Helper()
	e, err := StartEmbedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestEmbeddedRestarts keeps a client with a watch over two restarts, the first after a crash left its socket behind.
func TestEmbeddedRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := embedded(t, EmbeddedConfig{Dir: dir})
	s := client(t, e.Endpoints()...)
	f := follow(t, s)
	for i := range 3 {
		if _, err := s.Create(t.Context(), counter(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the watch to notice", func() bool { b, _ := f.state(); return !b.InSync && errors.Is(b.Err, store.ErrUnavailable) })
		if err := os.WriteFile(filepath.Join(dir, "etcd.sock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e = embedded(t, EmbeddedConfig{Dir: dir})
	}
	list, err := s.List(t.Context(), api.IPPools, "")
	if err != nil || len(list.Items) != 3 {
		t.Fatalf("%d objects, %v", len(list.Items), err)
	}
	f.wantList(list)
}

func TestEmbeddedErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := embedded(t, EmbeddedConfig{Dir: dir, Listen: []string{"http://127.0.0.1:0", "http://[::1]:0", "unix://" + filepath.Join(dir, "s")}})
	if len(e.Endpoints()) != 3 {
		t.Errorf("endpoints %v, want 3", e.Endpoints())
	}
	for _, endpoint := range e.Endpoints() {
		s := client(t, endpoint)
		if _, err := s.List(t.Context(), api.IPPools, ""); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	for want, c := range map[string]EmbeddedConfig{
		dir + ": the directory is in use by another server": {Dir: dir},
		"http://0.0.0.0:2379\": an embedded server has no":  {Dir: t.TempDir(), Listen: []string{"http://0.0.0.0:2379"}},
		"http://etcd.example:1\": an embedded server has":   {Dir: t.TempDir(), Listen: []string{"http://etcd.example:1"}},
		"https://127.0.0.1:1\": an embedded server has":     {Dir: t.TempDir(), Listen: []string{"https://127.0.0.1:1"}},
		"must be absolute":       {Dir: t.TempDir(), Listen: []string{"unix://s"}},
		"address already in use": {Dir: t.TempDir(), Listen: []string{strings.Replace(e.Endpoints()[0], "unix", "http", 1)}},
	} {
		if other, err := StartEmbedded(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, %v; want an error with %q", c, other, err, want)
		}
	}
}

// TestAcrossNetworkNamespaces reaches the server over its socket from a namespace that has no network at all.
func TestAcrossNetworkNamespaces(t *testing.T) {
	t.Parallel()
	e := embedded(t, EmbeddedConfig{Dir: t.TempDir()})
	name := fmt.Sprintf("weft-store%d", os.Getpid())
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = netns.Delete(name) })
	// A process of its own, for gRPC dials on any thread.
	out := &strings.Builder{}
	err = proc.Run(t.Context(), proc.Spec{Path: os.Args[0], Env: []string{childEndpoint + "=" + e.Endpoints()[0]}, NS: ns}, proc.IO{Out: out, Err: out})
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := client(t, e.Endpoints()...).Get(t.Context(), api.KeyOf(counter("from-the-child"))); err != nil {
		t.Error(err)
	}
}

// childEndpoint is the environment variable that makes the test binary a client of the endpoint it holds.
const childEndpoint = "WEFT_TEST_ENDPOINT"

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(childEndpoint); endpoint != "" {
		if err := beChild(endpoint); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func beChild(endpoint string) error {
	s, err := New(Config{Endpoints: []string{endpoint}})
	if err != nil {
		return err
	}
	_, err = s.Create(context.Background(), counter("from-the-child"))
	return errors.Join(err, s.Close())
}
