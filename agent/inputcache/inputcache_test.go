// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package inputcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/store"
)

// cache is one that runs.
type cache struct {
	*inputcache.Cache
	dir  string
	stop func()
}

func start(t *testing.T, dir string) cache {
	c := inputcache.New(inputcache.Options{
		Dir: dir, Node: "n1", Log: slog.New(slog.DiscardHandler),
		Prompt: func(r api.Resource) bool { return r == api.GlobalNetworkPolicies },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(ctx) }()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return cache{c, dir, stop}
}

func set(name string, nets ...string) store.Event {
	obj := calctest.GlobalNetworkSet(name, nil, nets...)
	store.SetRevision(obj, 5)
	return store.Event{Key: api.KeyOf(obj), Object: obj, Revision: 5}
}

func gone(name string) store.Event { return store.Event{Key: set(name).Key, Revision: 6} }

func policy(name string) store.Event {
	obj := calctest.GlobalPolicy(name, func(s *v3.GlobalNetworkPolicySpec) { s.Selector = "all()" })
	return store.Event{Key: api.KeyOf(obj), Object: obj, Revision: 9}
}

// load returns what is read as text by name, and the error.
func load(dir string) (map[string]string, error) {
	s, err := inputcache.Load(dir, "n1")
	out := map[string]string{}
	for _, e := range s.Events {
		switch o := e.Object.(type) {
		case nil:
			out[e.Key.Name] = e.Err.Error()
		case *v3.GlobalNetworkSet:
			out[e.Key.Name] = fmt.Sprint(o.Spec.Nets, " ", o.ResourceVersion, " ", e.Revision)
		default:
			out[e.Key.Name] = "there"
		}
	}
	return out, err
}

func expect(t *testing.T, dir, when string, want map[string]string) {
	t.Helper()
	if got, err := load(dir); err != nil || !maps.Equal(got, want) {
		t.Errorf("%s: %v, %v; want %v", when, got, err, want)
	}
}

// TestLifeOfAFile: nothing before the watch is in sync, then changes within a second, those that may not wait at once, also after the end of the process.
func TestLifeOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, filepath.Join(t.TempDir(), "made"))
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		c.Note(store.Batch{Events: []store.Event{set("a", "10.0.0.0/8"), set("b")}})
		wait(time.Minute)
		if _, err := load(c.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("half of the inputs were kept: %v", err)
		}
		c.Note(store.Batch{InSync: true, Revision: 6, Events: []store.Event{{Key: set("c").Key, Err: errors.New("garbage"), Revision: 6}}})
		wait(2 * time.Second)
		expect(t, c.dir, "in sync", map[string]string{"a": "[10.0.0.0/8] 5 5", "b": "[] 5 5", "c": "garbage"})
		c.Note(store.Batch{InSync: true, Revision: 7, Events: []store.Event{set("a", "10.1.0.0/16"), gone("b")}})
		expect(t, c.dir, "at once", map[string]string{"a": "[10.0.0.0/8] 5 5", "b": "[] 5 5", "c": "garbage"})
		wait(2 * time.Second)
		want := map[string]string{"a": "[10.1.0.0/16] 5 5", "c": "garbage"}
		expect(t, c.dir, "a second later", want)
		c.Note(store.Batch{InSync: true, Revision: 9, Events: []store.Event{policy("p")}})
		want["p"] = "there"
		expect(t, c.dir, "a policy", want)
		before, _ := inputcache.Load(c.dir, "n1")
		wait(10 * time.Minute)
		if after, err := inputcache.Load(c.dir, "n1"); err != nil || after.Time.Sub(before.Time) < 9*time.Minute || after.Revision != 9 {
			t.Errorf("known to be as of %s, revision %d, %v; ten minutes earlier %s", after.Time, after.Revision, err, before.Time)
		}
		c.Note(store.Batch{Err: store.ErrUnavailable, Revision: 9})
		wait(time.Second)
		before, _ = inputcache.Load(c.dir, "n1")
		wait(10 * time.Minute)
		if after, err := inputcache.Load(c.dir, "n1"); err != nil || after.Time != before.Time {
			t.Errorf("as of %s, %v, though the datastore is away since %s", after.Time, err, before.Time)
		}
		c.Note(store.Batch{Revision: 10, Events: []store.Event{set("d")}})
		c.stop()
		want["d"] = "[] 5 5"
		expect(t, c.dir, "after the end", want)

		again := start(t, c.dir)
		again.Note(store.Batch{Events: []store.Event{set("e")}})
		wait(time.Minute)
		expect(t, c.dir, "until the next watch is in sync", want)
		again.Note(store.Batch{InSync: true, Revision: 11})
		wait(2 * time.Second)
		expect(t, c.dir, "then", map[string]string{"e": "[] 5 5"})
	})
}

// TestTheFileStaysSmall: it is rewritten when most of it has been replaced, and stays readable.
func TestTheFileStaysSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, t.TempDir())
		c.Note(store.Batch{InSync: true, Events: []store.Event{set("keep", "10.0.0.0/8")}})
		rng := rand.New(rand.NewPCG(1, 2))
		var most int64
		var last string
		for range 200 {
			nets := make([]string, 2000)
			for i := range nets {
				nets[i] = fmt.Sprintf("%d.%d.%d.%d/32", rng.IntN(256), rng.IntN(256), rng.IntN(256), rng.IntN(256))
			}
			c.Note(store.Batch{InSync: true, Events: []store.Event{set("much", nets...)}})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			info, err := os.Stat(inputcache.Path(c.dir))
			if err != nil {
				t.Fatal(err)
			}
			most, last = max(most, info.Size()), fmt.Sprint(nets, " 5 5")
		}
		if most < 1<<20 || most > 2<<20 {
			t.Errorf("at most %d bytes", most)
		}
		expect(t, c.dir, "in the end", map[string]string{"keep": "[10.0.0.0/8] 5 5", "much": last})
	})
}

// written returns a file, and what was read of it after each of its writes.
func written(t *testing.T) (data []byte, states []map[string]string) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, t.TempDir())
		for _, events := range [][]store.Event{{set("a"), set("b", "10.0.0.0/8")}, {gone("a"), policy("p")}, {set("c"), gone("b")}} {
			c.Note(store.Batch{InSync: true, Revision: 8, Events: events})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			state, err := load(c.dir)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, state)
		}
		var err error
		if data, err = os.ReadFile(inputcache.Path(c.dir)); err != nil {
			t.Fatal(err)
		}
	})
	return data, states
}

// TestDamage: a file that was cut off anywhere is a state that was, or refused; one with any bit changed is refused, and so is one with bytes lost or added in its middle.
func TestDamage(t *testing.T) {
	data, states := written(t)
	dir := t.TempDir()
	read := func(data []byte) (map[string]string, error) {
		if err := os.WriteFile(inputcache.Path(dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
		return load(dir)
	}
	known := func(state map[string]string) bool {
		for _, s := range states {
			if maps.Equal(state, s) {
				return true
			}
		}
		return false
	}
	seen := 0
	for n := range data {
		got, err := read(data[:n])
		if err == nil && !known(got) || err != nil && !strings.Contains(err.Error(), inputcache.Path(dir)) {
			t.Errorf("cut off after %d bytes: %v, %v", n, got, err)
		}
		if err == nil {
			seen++
		}
	}
	if seen == 0 || seen == len(data) {
		t.Errorf("%d of %d beginnings are states", seen, len(data))
	}
	for i := range data {
		for name, bad := range map[string][]byte{
			"changed": append(append(bytes.Clone(data[:i]), data[i]^0x10), data[i+1:]...), "lost": append(bytes.Clone(data[:i]), data[i+1:]...), "added": append(append(bytes.Clone(data[:i]), 0), data[i:]...),
		} {
			if got, err := read(bad); err == nil && (name == "changed" || !known(got)) {
				t.Errorf("byte %d %s: %v", i, name, got)
			}
		}
	}
	if got, err := read(append(bytes.Clone(data), make([]byte, 4096)...)); err == nil {
		t.Errorf("with zeros at its end: %v", got)
	}
}

// TestStrangers: the file of another node is refused by name.
func TestStrangers(t *testing.T) {
	data, _ := written(t)
	dir := t.TempDir()
	if err := os.WriteFile(inputcache.Path(dir), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inputcache.Load(dir, "n2"); err == nil || !strings.Contains(err.Error(), "it is that of node n1, and this is n2") {
		t.Errorf("another node: %v", err)
	}
}

// TestWritesThatFail: what could not be written stays due, the error is told until then, and the older state stays readable.
func TestWritesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // where a directory ought to be
			t.Fatal(err)
		}
		c := start(t, dir)
		c.Note(store.Batch{InSync: true, Events: []store.Event{set("a")}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), inputcache.Path(dir)) {
			t.Errorf("error %v", err)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := c.Err(); err != nil {
			t.Error(err)
		}
		expect(t, dir, "later", map[string]string{"a": "[] 5 5"})
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("weft"))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(inputcache.Path(dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := inputcache.Load(dir, "n1"); err != nil && len(s.Events) > 0 {
			t.Error("events beside an error")
		}
	})
}
