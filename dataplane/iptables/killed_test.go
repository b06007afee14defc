// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/lockfile"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/xtables"
)

// The ports of the server: one that both versions of the policies open, and one that none does.
const openPort, closedPort = 9000, 9001

// versions are two states with many different rules, under which the same packets pass.
func versions(t testing.TB) (out [2]*desired.State) {
	t.Helper()
	for version := range out {
		var b build
		var ids []rule.PolicyID
		for i := range 40 {
			m := rule.Match{Protocol: 17, Src: rule.Side{Sets: []rule.Set{b.Set(fmt.Sprint("s", i), fmt.Sprint("10.66.0.", i))}}}
			m.Dst.Ports = ports(uint16(1000*(version+1) + i))
			ids = append(ids, b.Policy(np(fmt.Sprint("p", i)), []rule.Rule{allow(m)}, nil))
		}
		ids = append(ids, b.Policy(np("serve"), []rule.Rule{allow(rule.Match{Protocol: 17, Dst: rule.Side{Ports: ports(openPort)}})}, nil))
		open := b.Policy(profile("open"), []rule.Rule{allow(rule.Match{})}, []rule.Rule{allow(rule.Match{})})
		b.Endpoint("cali1", nil, []rule.PolicyID{open}, "10.65.0.1")
		e := b.Endpoint("cali2", nil, []rule.PolicyID{open}, "10.65.0.2")
		e.Tiers[rule.Ingress] = []desired.TierPolicies{tier("default", rule.Deny, ids...)}
		out[version] = b.State(t)
	}
	return out
}

// watchOver sends datagrams to the open and the closed port until the test ends, which none may pass that is for the closed one.
func watchOver(t *testing.T, p path) {
	t.Helper()
	var passed, leaked atomic.Int64
	done := make(chan struct{})
	for port, count := range map[int]*atomic.Int64{openPort: &passed, closedPort: &leaked} {
		server := socket(t, p.ends.Server, fmt.Sprint(":", port))
		go func() {
			buf := make([]byte, 16)
			for {
				if _, _, err := server.ReadFrom(buf); err != nil {
					return
				}
				count.Add(1)
			}
		}()
		client, to := socket(t, p.ends.Client, ":0"), &net.UDPAddr{IP: p.ends.Addr.AsSlice(), Port: port}
		go func() {
			every := time.NewTicker(time.Millisecond)
			defer every.Stop()
			for {
				select {
				case <-done:
					return
				case <-every.C:
					_, _ = client.WriteTo([]byte("x"), to)
				}
			}
		}()
	}
	t.Cleanup(func() {
		close(done)
		if leaked.Load() > 0 || passed.Load() == 0 {
			t.Errorf("%d datagrams through the closed port, %d through the open one", leaked.Load(), passed.Load())
		}
	})
}

func socket(t *testing.T, ns *netns.NS, addr string) (conn net.PacketConn) {
	t.Helper()
	err := ns.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// tables are the texts of all tables.
func tables(t *testing.T, d *Driver) map[tableKey]string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[tableKey]string{}
	for _, key := range tableKeys() {
		held, err := d.tables.Save(t.Context(), key.fam.v6, key.name)
		if err != nil {
			t.Fatal(err)
		}
		out[key] = held.Dump()
	}
	return out
}

// wholes says of each table whether it is as in one of two versions.
func wholes(t *testing.T, when string, got map[tableKey]string, want [2]map[tableKey]string) {
	t.Helper()
	for key, text := range got {
		if text != want[0][key] && text != want[1][key] {
			t.Fatalf("%s: IPv%d table %s is as in neither version:\n%s", when, key.fam.version, key.name, text)
		}
	}
}

// murderous puts a tool in front of the real one that, while the file that it returns is there, is killed while it changes tables, as many seconds
// after its start as the file says.
func murderous(t *testing.T, flavour xtables.Flavour) (orders string) {
	t.Helper()
	name, dir := "xtables-"+string(flavour)+"-multi", t.TempDir()
	real, err := proc.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	orders = filepath.Join(dir, "orders")
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in *-restore) if [ -e %s ]; then\n(sleep $(cat %s); kill -9 $$) </dev/null >/dev/null 2>&1 &\nfi;; esac\nexec %s \"$@\"\n", orders, orders, real)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return orders
}

// TestToolIsKilled kills iptables-restore with -9 at many moments of its work: each table is as before or as after, nothing opens, and the next Apply
// gets through.
func TestToolIsKilled(t *testing.T) {
	for _, flavour := range flavours {
		t.Run(string(flavour), func(t *testing.T) {
			t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/lock")
			orders := murderous(t, flavour)
			p, views := newPath(t), versions(t)
			d := openDriver(t, p.router, Options{Flavour: flavour})
			var want [2]map[tableKey]string
			for _, version := range []int{1, 0} {
				apply(t, d, views[version], nil)
				want[version] = tables(t, d)
			}
			watchOver(t, p)
			at, failures := 0, 0
			const moments, patience = 24, 20 // on a busy machine the tool may be done before its murderer gets a processor
			for round := 0; round < moments || failures == 0 && round < patience*moments; round++ {
				if err := os.WriteFile(orders, fmt.Appendf(nil, "%.4f", float64(round%moments)*0.0007), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Apply(t.Context(), views[1-at], desired.Diff(views[at], views[1-at])); err != nil {
					failures++
				}
				wholes(t, fmt.Sprintf("killed, round %d", round), tables(t, d), want)
				if err := os.Remove(orders); err != nil {
					t.Fatal(err)
				}
				at = 1 - at
				apply(t, d, views[at], &desired.Delta{})
				if got := tables(t, d); !maps.Equal(got, want[at]) {
					t.Fatalf("round %d: after the next Apply the tables are not those of version %d", round, at)
				}
			}
			if failures == 0 {
				t.Error("no Apply failed: nothing was killed")
			}
		})
	}
}

// flipEnv makes the test binary a program that does nothing but change between two versions.
const flipEnv = "WEFT_TEST_FLIP"

func TestFlip(t *testing.T) {
	flavour := xtables.Flavour(os.Getenv(flipEnv))
	if flavour == "" {
		t.Skip("is run by TestAgentIsKilled")
	}
	views := versions(t)
	d, err := New(Options{Flavour: flavour})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; at = 1 - at {
		apply(t, d, views[at], desired.Diff(views[1-at], views[at]))
	}
}

// TestAgentIsKilled kills a program that changes tables all the time with -9: each table is as before or as after, nothing opens, and its successor gets
// to its state, though a tool that was started before may still be at work.
func TestAgentIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, flavour := range flavours {
		t.Run(string(flavour), func(t *testing.T) {
			t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/lock")
			p, views := newPath(t), versions(t)
			d := openDriver(t, p.router, Options{Flavour: flavour})
			var want [2]map[tableKey]string
			for _, version := range []int{1, 0} {
				apply(t, d, views[version], nil)
				want[version] = tables(t, d)
			}
			watchOver(t, p)
			for round := range 5 {
				victim, err := proc.Start(proc.Spec{Path: self, Args: []string{"-test.run=^TestFlip$"}, Env: []string{flipEnv + "=" + string(flavour)}, NS: p.router})
				if err != nil {
					t.Fatal(err)
				}
				signalled(t, d)                                         // it is at work
				time.Sleep(time.Duration(round) * 3 * time.Millisecond) // another moment each time
				if err := victim.Kill(); err != nil {
					t.Fatal(err)
				}
				wholes(t, fmt.Sprintf("killed, round %d", round), tables(t, d), want)
				for {
					_, err := d.Apply(t.Context(), views[0], nil) // may meet the orphan
					if err == nil && maps.Equal(tables(t, d), want[0]) {
						break
					}
					if err == nil {
						signalled(t, d)
					}
				}
			}
		})
	}
}

// TestLockOfOthers: while someone else holds the lock of the tools nothing changes, and nothing is blamed for it; afterwards all goes on.
func TestLockOfOthers(t *testing.T) {
	lock := t.TempDir() + "/lock"
	t.Setenv("XTABLES_LOCKFILE", lock)
	p, views := newPath(t), versions(t)
	d := openDriver(t, p.router, Options{Flavour: xtables.Legacy})
	apply(t, d, views[0], nil)
	before := tables(t, d)
	watchOver(t, p)
	holder, err := lockfile.Acquire(lock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	delta := desired.Diff(views[0], views[1])
	if r, err := d.Apply(ctx, views[1], delta); err == nil {
		t.Errorf("with the lock taken: %+v; want an error", r)
	}
	if got := tables(t, d); !maps.Equal(got, before) {
		t.Error("with the lock taken the tables changed")
	}
	if err := holder.Release(); err != nil {
		t.Fatal(err)
	}
	if r := apply(t, d, views[1], delta); len(r.Programmed) != 2 || len(r.Failed) != 0 {
		t.Errorf("with the lock free: %+v; want both endpoints programmed", r)
	}
}
