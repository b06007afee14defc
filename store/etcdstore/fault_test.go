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
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

func TestServerKilled(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	l := startLoad(t, client(t, p.client), 4)
	for range 3 {
		l.progress(100)
		p.kill()
		eventually(t, "the watch to notice", func() bool { b, _ := l.seen.state(); return !b.InSync && b.Err != nil })
		p.start(t)
	}
	l.progress(100)
	l.finish()
}

// TestLostAnswers breaks connections after requests went through and before answers came back: the writes are made, and their writers are
// not told. They must find out.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	lossy := startProxy(t, p.client)
	l := startLoad(t, client(t, lossy.endpoint), 6)
	for range 40 {
		l.progress(3)
		lossy.LoseAnswers()
		eventually(t, "the connection to break", lossy.Idle)
		lossy.Mend()
	}
	l.progress(3)
	l.finish()
}

// TestSlowServer has round trips longer than the time of a first try, so answers to writes come too late.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	slow := startProxy(t, p.client)
	l := startLoad(t, client(t, slow.endpoint), 3)
	l.progress(20)
	for _, delay := range []time.Duration{20 * time.Millisecond, quick.attempt / 2, quick.attempt * 3 / 5} {
		slow.Delay(delay)
		l.progress(2)
	}
	slow.Delay(0)
	l.progress(20)
	l.finish()
}

// TestDeafServer keeps connections open and answers nothing, as a server does that hangs, or one behind a firewall that drops.
func TestDeafServer(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	deaf := startProxy(t, p.client)
	l := startLoad(t, client(t, deaf.endpoint), 2)
	l.progress(10)
	deaf.Deafen()
	eventually(t, "the watch to notice", func() bool {
		b, _ := l.seen.state()
		return !b.InSync && errors.Is(b.Err, store.ErrUnavailable) && strings.Contains(b.Err.Error(), "no sign of life")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.s.List(ctx, api.IPPools, ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("list: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := l.s.Update(ctx, counter("shared"))
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("an update that could not even read: %v", err)
	}
	deaf.Hear()
	l.progress(10)
	l.finish()
}

// TestOutcomeUnknown gives a writer no time to find out.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	deaf := startProxy(t, p.client)
	s := client(t, deaf.endpoint)
	obj, err := s.Create(t.Context(), counter("a"))
	if err != nil {
		t.Fatal(err)
	}
	deaf.Deafen()
	defer deaf.Hear()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = s.Update(ctx, obj)
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "ippools.projectcalico.org a") {
		t.Errorf("update: %v", err)
	}
}

func TestLeaderChanges(t *testing.T) {
	t.Parallel()
	members := startCluster(t)
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.client)
	}
	l := startLoad(t, client(t, endpoints...), 4)
	l.progress(20)

	hung := members[leader(t, members)]
	hung.signal(t, syscall.SIGSTOP)
	l.progress(20)
	hung.signal(t, syscall.SIGCONT)
	l.progress(20)
	hung.waitReady(t)

	dead := members[leader(t, members)]
	dead.kill()
	l.progress(20)
	dead.start(t)
	dead.waitReady(t)
	l.progress(20)
	l.finish()
}

// TestNoMajority stops two members of three: the third has no leader and must not be believed.
func TestNoMajority(t *testing.T) {
	t.Parallel()
	members := startCluster(t)
	s := client(t, members[0].client)
	if _, err := s.Create(t.Context(), counter("a")); err != nil {
		t.Fatal(err)
	}
	f := follow(t, s)
	eventually(t, "the snapshot", func() bool { b, n := f.state(); return b.InSync && n == 1 })
	members[1].kill()
	members[2].kill()
	eventually(t, "the watch to notice", func() bool { b, _ := f.state(); return !b.InSync })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.List(ctx, api.IPPools, ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("list without a majority: %v", err)
	}
	if _, n := f.state(); n != 1 {
		t.Errorf("the watch keeps %d objects, want 1", n)
	}
	members[1].start(t)
	eventually(t, "the watch to be back", func() bool { b, _ := f.state(); return b.InSync })
}

// TestServerFromThePast replaces a server's data by an older copy, and then by that of a new cluster.
func TestServerFromThePast(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	s := client(t, p.client)
	if _, err := s.Create(t.Context(), counter("old")); err != nil {
		t.Fatal(err)
	}
	p.kill()
	data, backup := filepath.Join(p.dir, "data"), filepath.Join(p.dir, "backup")
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	for i := range 5 {
		if _, err := s.Create(t.Context(), counter(fmt.Sprint("new-", i))); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, s)
	eventually(t, "the snapshot", func() bool { b, n := f.state(); return b.InSync && n == 6 })
	refused := func(text string) {
		t.Helper()
		p.start(t)
		eventually(t, "the watch to refuse", func() bool {
			b, _ := f.state()
			return !b.InSync && b.Err != nil && strings.Contains(b.Err.Error(), text)
		})
		if _, n := f.state(); n != 6 {
			t.Errorf("the watch has %d objects, want the 6 it had", n)
		}
	}
	p.kill()
	if err := errors.Join(os.RemoveAll(data), os.Rename(backup, data)); err != nil {
		t.Fatal(err)
	}
	refused("went back in time")
	p.kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	p.args = append(p.args, "--initial-cluster-token", "another")
	refused("another cluster")

	fresh := follow(t, client(t, p.client)) // as a restarted process would
	eventually(t, "a new watch to take it", func() bool { b, n := fresh.state(); return b.InSync && n == 0 })
}
