// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/internal/lockfile"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/xtables"
)

var flavours = []xtables.Flavour{xtables.NFT, xtables.Legacy}

// each runs a test for both flavours, each in a new namespace.
func each(t *testing.T, f func(t *testing.T, flavour xtables.Flavour, tool *xtables.Tool, ns *netns.NS)) {
	t.Helper()
	for _, flavour := range flavours {
		t.Run(string(flavour), func(t *testing.T) {
			ns := netnstest.New(t)
			var tool *xtables.Tool
			err := ns.Do(func() (err error) {
				tool, err = xtables.Open(flavour)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tool.Close() })
			f(t, flavour, tool, ns)
		})
	}
}

// run runs iptables of a flavour as someone else.
func run(t *testing.T, ns *netns.NS, flavour xtables.Flavour, args string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Spec{Path: "xtables-" + string(flavour) + "-multi", Args: strings.Fields("iptables " + args), NS: ns})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func save(t *testing.T, tables xtables.Tables, v6 bool) *xtables.Table {
	t.Helper()
	held, err := tables.Save(t.Context(), v6, "filter")
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// TestFakeIsLikeTheKernel carries out the same random scripts on both and compares what is refused and what is there.
func TestFakeIsLikeTheKernel(t *testing.T) {
	each(t, func(t *testing.T, _ xtables.Flavour, tool *xtables.Tool, _ *netns.NS) {
		fake := &xtables.Fake{}
		r := rand.New(rand.NewPCG(7, 7))
		chains := []string{"weft-a", "weft-b", "weft-c", "weft-d"}
		// Rules lead down the alphabet only: the kernel refuses loops, and the fake does not look for them.
		rule := func(from int) string {
			if to := from + 1 + r.IntN(4); to < len(chains) && r.IntN(2) == 0 {
				return fmt.Sprintf("-p udp -g %s", chains[to])
			}
			return []string{"-s 10.0.0.0/8 -j DROP", "-m comment --comment \"rule 7 \\\"x\\\"\" -j RETURN", "-i cali+ -j ACCEPT"}[r.IntN(3)]
		}
		refused := 0
		for step := range 150 {
			s := xtables.NewScript("filter")
			for n := range 1 + r.IntN(6) {
				s.Tag(n)
				i := r.IntN(len(chains))
				switch r.IntN(9) {
				case 0:
					s.DeleteChain(chains[i])
				case 1:
					s.DeleteAt(chains[i], 1+r.IntN(2))
				case 2:
					s.Insert(chains[i], rule(i))
				case 3:
					s.Insert("FORWARD", "-j "+chains[i])
				case 4:
					s.DeleteAt("FORWARD", 1)
				case 5, 6:
					s.Chain(chains[i])
				default:
					s.Append(chains[i], rule(i))
				}
			}
			v6 := false
			_, got := tool.Restore(t.Context(), v6, s)
			_, want := fake.Restore(t.Context(), v6, s)
			if (got == nil) != (want == nil) {
				t.Fatalf("step %d: the kernel says %v, the fake %v to\n%s", step, got, want, s)
			}
			if got != nil {
				refused++
			}
			held := save(t, tool, v6)
			if got, want := held.Dump(), save(t, fake, v6).Dump(); got != want {
				t.Fatalf("step %d: the kernel holds\n%s\nthe fake\n%s", step, got, want)
			}
			sameListing(t, tool, fake, slices.Sorted(maps.Keys(held.Chains)))
		}
		if refused < 20 || refused > 130 {
			t.Errorf("%d of 150 scripts were refused: the generator hardly tries one of the two", refused)
		}
	})
}

// sameListing asks both for chains behind a script, for one more that is not there, and behind a script that is refused.
func sameListing(t *testing.T, tool *xtables.Tool, fake *xtables.Fake, chains []string) {
	t.Helper()
	good := xtables.NewScript("filter")
	good.Chain("weft-z")
	good.Append("weft-z", "-s 10.0.0.0/8 -j DROP")
	back := append(slices.Clone(chains), "weft-z")
	got, err := tool.Restore(t.Context(), false, good, back...)
	want, errFake := fake.Restore(t.Context(), false, good, back...)
	if err != nil || errFake != nil || fmt.Sprint(got) != fmt.Sprint(want) || len(got["weft-z"]) != 1 {
		t.Fatalf("the kernel lists %v, %v; the fake %v, %v", got, err, want, errFake)
	}
	drop := xtables.NewScript("filter")
	drop.Chain("weft-z")
	drop.DeleteChain("weft-z")
	var refused *xtables.RefusedError
	_, err = tool.Restore(t.Context(), false, drop, "weft-z")
	if _, errFake = fake.Restore(t.Context(), false, drop, "weft-z"); err == nil || errFake == nil || errors.As(err, &refused) {
		t.Fatalf("a chain that is not there: the kernel says %v, the fake %v; want errors that are no refusals", err, errFake)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, flavour xtables.Flavour, tool *xtables.Tool, ns *netns.NS) {
		run(t, ns, flavour, "-N theirs")
		run(t, ns, flavour, "-A theirs -p tcp -j ACCEPT")
		run(t, ns, flavour, "-A FORWARD -j theirs")
		before := run(t, ns, flavour, "-S")
		s := xtables.NewScript("filter")
		s.Chain("weft-a")
		s.Append("weft-a", "-j RETURN")
		s.Insert("FORWARD", "-j weft-a")
		if _, err := tool.Restore(t.Context(), false, s); err != nil {
			t.Fatal(err)
		}
		run(t, ns, flavour, "-I FORWARD -p udp -j ACCEPT")
		held := save(t, tool, false)
		if want := "FORWARD 2: -j weft-a\nchain weft-a\n\t-j RETURN\n"; held.Dump() != want {
			t.Errorf("held\n%s\nwant\n%s", held.Dump(), want)
		}
		s = xtables.NewScript("filter")
		s.DeleteAt("FORWARD", 2)
		s.DeleteAt("FORWARD", 1)
		s.Chain("weft-a")
		s.DeleteChain("weft-a")
		if _, err := tool.Restore(t.Context(), false, s); err != nil {
			t.Fatal(err)
		}
		if after := run(t, ns, flavour, "-S"); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
}

func TestRefusalNamesTheLine(t *testing.T) {
	each(t, func(t *testing.T, _ xtables.Flavour, tool *xtables.Tool, _ *netns.NS) {
		s := xtables.NewScript("filter")
		s.Chain("weft-a")
		s.Tag("good")
		s.Append("weft-a", "-j DROP")
		s.Tag("bad")
		s.Append("weft-a", "-m set --match-set absent src -j DROP")
		_, err := tool.Restore(t.Context(), true, s)
		var refused *xtables.RefusedError
		if !errors.As(err, &refused) || !refused.Known || refused.Tag != "bad" || !strings.Contains(err.Error(), "absent") {
			t.Errorf("got %+v; want the line with the set that is not there", err)
		}
		if held := save(t, tool, true); len(held.Chains) != 0 {
			t.Errorf("held %v after a refusal", held.Chains)
		}
	})
}

// TestAbsentTableStaysAbsent: to look at a legacy table must not make it.
func TestAbsentTableStaysAbsent(t *testing.T) {
	each(t, func(t *testing.T, _ xtables.Flavour, tool *xtables.Tool, ns *netns.NS) {
		held := save(t, tool, false)
		if held.Dump() != "" {
			t.Errorf("held %s", held.Dump())
		}
		var names []byte
		err := ns.Do(func() (err error) {
			names, err = os.ReadFile("/proc/thread-self/net/ip_tables_names")
			return err
		})
		if err != nil || len(names) > 0 {
			t.Errorf("legacy tables %q, %v; want none", names, err)
		}
	})
}

// TestWatchTellsWhoseChangeItIs: one's own and others' changes give signs, in turn and at once, and are told apart.
func TestWatchTellsWhoseChangeItIs(t *testing.T) {
	each(t, func(t *testing.T, flavour xtables.Flavour, tool *xtables.Tool, ns *netns.NS) {
		t.Setenv("XTABLES_LOCKFILE", t.TempDir()+"/lock")
		var w *xtables.Watch
		err := ns.Do(func() (err error) {
			w, err = xtables.OpenWatch(flavour)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		signs, ended := make(chan xtables.Sign), make(chan error, 1)
		go func() {
			for {
				sign, err := w.Next()
				if err != nil {
					ended <- err
					return
				}
				signs <- sign
			}
		}()
		// until waits for a sign by us or by others.
		until := func(mine bool) {
			t.Helper()
			for {
				select {
				case s := <-signs:
					if tool.Mine(s) == mine {
						return
					}
				case err := <-ended:
					t.Fatal(err)
				case <-time.After(5 * time.Second):
					t.Fatalf("no sign of a change with mine = %v", mine)
				}
			}
		}
		own := xtables.NewScript("filter")
		own.Chain("weft-a")
		own.Append("weft-a", "-j DROP")
		change := func() {
			t.Helper()
			if _, err := tool.Restore(t.Context(), false, own, "weft-a"); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			run(t, ns, flavour, "-A INPUT -j ACCEPT")
			until(false)
			change()
			until(true)
			change()
			run(t, ns, flavour, "-A INPUT -j ACCEPT")
			change()
			until(false)
			until(true)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for {
			select {
			case <-signs:
				continue
			case err := <-ended:
				if !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
			case <-time.After(5 * time.Second):
				t.Error("Next does not return after Close")
			}
			return
		}
	})
}

// TestHeldLock: a lock that stays taken is no refusal of the script, of which nothing happens; once it is free the script goes through.
func TestHeldLock(t *testing.T) {
	ns, path := netnstest.New(t), t.TempDir()+"/lock"
	t.Setenv("XTABLES_LOCKFILE", path)
	var tool *xtables.Tool
	if err := ns.Do(func() (err error) { tool, err = xtables.Open(xtables.Legacy); return err }); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tool.Close() }()
	tool.SetLockSeconds(1)
	holder, err := lockfile.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	s := xtables.NewScript("filter")
	s.Chain("weft-a")
	_, err = tool.Restore(t.Context(), false, s)
	var refused *xtables.RefusedError
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "lock") {
		t.Errorf("with the lock taken: %v; want an error about the lock, not of the script", err)
	}
	if held := save(t, tool, false); len(held.Chains) != 0 {
		t.Errorf("with the lock taken: the kernel holds %v", held.Chains)
	}
	if err := holder.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := tool.Restore(t.Context(), false, s, "weft-a"); err != nil {
		t.Errorf("with the lock free: %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := xtables.Open(xtables.Legacy); err == nil || !strings.Contains(err.Error(), "install the package iptables") {
		t.Errorf("got %v; want what to install", err)
	}
}
