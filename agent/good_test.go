// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

func keeper(t *testing.T, path string) *goodKeeper {
	t.Helper()
	dir, err := lastgood.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return newGoodKeeper(dir, slog.New(slog.DiscardHandler))
}

// TestLastGoodVersions follows a policy through versions and restarts of the agent.
func TestLastGoodVersions(t *testing.T) {
	path := t.TempDir()
	policy := func(selector string) *v3.NetworkPolicy {
		return calctest.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector = selector })
	}
	key := api.KeyOf(policy(""))
	put := func(selector string, revision int64) store.Event {
		return store.Event{Key: key, Object: policy(selector), Revision: revision}
	}
	files := func() int {
		list, err := filepath.Glob(filepath.Join(path, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	var b *bench
	start := func(events ...store.Event) {
		t.Helper()
		b = newBench(t)
		b.loop.good = keeper(t, path)
		changes, err := b.loop.good.restore()
		if err != nil {
			t.Fatal(err)
		}
		b.loop.graph.Apply(changes)
		b.sync(events...)
	}
	// expect says which version selects an endpoint: that with the label app of this value, if any.
	expect := func(when, app string, onDisk int) {
		t.Helper()
		e := endpoint("a", "10.0.0.1/32")
		e.Labels["app"] = app
		accepted := make(chan acceptance, 1)
		b.loop.locals <- localChange{key: keyOf("a"), endpoint: e, accepted: accepted}
		<-accepted
		got := -1
		b.loop.ask(t.Context(), func() {
			if ep, ok := b.loop.graph.View().Endpoint(endpointID(keyOf("a"))); ok {
				got = len(ep.Tiers[0])
			}
		})
		if want := min(len(app), 1); got != want || files() != onDisk {
			t.Errorf("%s: %d tiers for app %q, %d files; want %d and %d", when, got, app, files(), want, onDisk)
		}
	}
	start(put("app == 'one'", 1))
	expect("valid", "one", 0)
	b.sync(put("app == 'two'", 2), put("app = 'three'", 3))
	expect("turned invalid", "two", 1)
	b.sync(put("app == ", 4))
	expect("still invalid", "two", 1)
	start(put("app == ", 4))
	expect("restarted", "two", 1)
	b.sync(put("app == 'five'", 5))
	expect("valid again", "five", 0)
	b.sync(store.Event{Key: key, Err: os.ErrInvalid, Revision: 6})
	expect("unreadable", "five", 1)
	start(store.Event{Key: key, Err: os.ErrInvalid, Revision: 6})
	expect("restarted again", "five", 1)
	start()
	expect("deleted while no agent ran", "", 0)
	start(put("app == 'one'", 7))
	b.sync(put("app == ", 8), store.Event{Key: key, Revision: 9})
	expect("deleted", "", 0)
}

// TestADamagedLastGoodVersionEndsTheAgent: what is in force stays; nothing is opened that the version closed.
func TestADamagedLastGoodVersionEndsTheAgent(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("ready", n.ready)
	k := n.agent.loop.good
	if err := k.dir.Put(calctest.Policy("ns/p", func(*v3.NetworkPolicySpec) {})); err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n.stop = nil
	files, err := filepath.Glob(filepath.Join(n.dir, "lastgood", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"cut off":  func(b []byte) []byte { return b[:len(b)-9] },
		"empty":    func([]byte) []byte { return nil },
		"one byte": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files[0], damage(append([]byte{}, data...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keeper(t, filepath.Join(n.dir, "lastgood")).restore(); err == nil || !strings.Contains(err.Error(), files[0]) || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: %v; want the file and what to do", name, err)
		}
		if err := n.agent.start(t.Context()); err == nil || !strings.Contains(err.Error(), files[0]) {
			t.Errorf("%s: the agent started: %v", name, err)
		}
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
