// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/store"
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
		if err := b.loop.restoreGood(); err != nil {
			t.Fatal(err)
		}
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

// TestInvalidBeforeTheStart: of an object that turned invalid while no agent ran, the version that the last agent knew is in force, and kept; one that has
// come since, or that nobody knew valid, is not.
func TestInvalidBeforeTheStart(t *testing.T) {
	policy := func(name, selector string) store.Event {
		p := calctest.Policy("ns/"+name, func(s *v3.NetworkPolicySpec) { s.Selector, s.Types = selector, []v3.PolicyType{v3.Ingress} })
		return store.Event{Key: api.KeyOf(p), Object: p, Revision: 1}
	}
	garbage := func(name string) store.Event {
		return store.Event{Key: policy(name, "").Key, Err: errors.New("garbage"), Revision: 2}
	}
	config := Config{Node: "n1", CacheDir: t.TempDir()}
	cached := func(events ...store.Event) {
		t.Helper()
		c := inputcache.New(inputcache.Options{Dir: config.CacheDir, Node: config.Node, Prompt: isWritten, Log: slog.New(slog.DiscardHandler)})
		c.Note(store.Batch{Events: events, InSync: true, Revision: 1})
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if c.Run(over); c.Err() != nil {
			t.Fatal(c.Err())
		}
	}
	path := t.TempDir()
	for _, tc := range []struct {
		when   string
		before []store.Event // of the last agent
		now    store.Event
		closed bool
	}{
		{"known", []store.Event{policy("p", "app == 'one'")}, garbage("p"), true},
		{"kept", nil, garbage("p"), true}, // by the agent above
		{"known, and mended", []store.Event{policy("p", "app == 'one'")}, policy("p", "app == 'two'"), false},
		{"another is known", []store.Event{policy("p", "app == 'one'")}, garbage("q"), false},
		{"invalid before", []store.Event{policy("p", "app = 'one'")}, policy("p", "app = 'one'"), false},
		{"garbage before", []store.Event{garbage("p")}, garbage("p"), false},
	} {
		cached(tc.before...)
		b := newBench(t)
		b.loop.good = keeper(t, path)
		b.loop.good.open(config)
		if err := b.loop.restoreGood(); err != nil {
			t.Fatal(err)
		}
		b.sync(tc.now, openProfile())
		if got := b.closed("one"); got != [2]bool{rule.Ingress: tc.closed} {
			t.Errorf("%s: closed %v", tc.when, got)
		}
		if b.loop.good.before != nil {
			t.Errorf("%s: the older inputs stay open", tc.when)
		}
	}
}

// TestInvalidAndNothingKnown: what is invalid when an agent starts that has no inputs of an agent before denies what it governs, also after another restart, until
// it is mended. What is garbage from the start while the agent runs does not.
func TestInvalidAndNothingKnown(t *testing.T) {
	policy := calctest.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Selector = "app == 'two'" })
	garbage := func(name string) store.Event {
		return store.Event{Key: api.Key{Resource: api.NetworkPolicies, Namespace: "ns", Name: name}, Err: errors.New("garbage"), Revision: 2}
	}
	for what, damage := range map[string]func(dir string) error{
		"missing": func(string) error { return nil },
		"damaged": func(dir string) error { return os.WriteFile(inputcache.Path(dir), []byte("garbage"), 0o600) },
	} {
		path, config := t.TempDir(), Config{Node: "n1", CacheDir: t.TempDir()}
		if err := damage(config.CacheDir); err != nil {
			t.Fatal(err)
		}
		var b *bench
		blind := true
		start := func(now store.Event) {
			t.Helper()
			b = newBench(t)
			b.loop.good = keeper(t, path)
			if blind {
				b.loop.good.open(config)
			}
			if err := b.loop.restoreGood(); err != nil {
				t.Fatal(err)
			}
			b.sync(now, openProfile())
		}
		expect := func(when string, want [2]bool) {
			t.Helper()
			if got := b.closed("one"); got != want {
				t.Errorf("%s, %s: closed %v", what, when, got)
			}
		}
		closed, open := [2]bool{true, true}, [2]bool{}
		start(store.Event{Key: api.KeyOf(policy), Object: policy, Revision: 2})
		expect("all is valid", open)
		b.sync(garbage("later"))
		expect("garbage while the agent runs", open)
		start(garbage("p"))
		expect("at the start", closed)
		blind = false // the account that the agent has kept of the loss is enough
		start(garbage("p"))
		expect("at the next start", closed)
		b.sync(store.Event{Key: api.KeyOf(policy), Object: policy, Revision: 3})
		expect("mended", open)
		if files, err := filepath.Glob(filepath.Join(path, "*")); err != nil || len(files) > 0 {
			t.Errorf("%s: the account of the loss stays: %v, %v", what, files, err)
		}
	}
}

// damages are what may become of a file.
var damages = map[string]func([]byte) []byte{
	"cut off":      func(b []byte) []byte { return b[:len(b)-9] },
	"empty":        func([]byte) []byte { return nil },
	"one byte":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	"the checksum": func(b []byte) []byte { b[3] ^= 1; return b },
	"zeros":        func(b []byte) []byte { return make([]byte, len(b)) },
	"no newline":   func(b []byte) []byte { return b[:64] },
}

// TestALostVersionCloses: where the last good version of a policy is damaged on disk, the agent starts, and what the invalid version in the datastore governs
// is denied, through restarts, until it is mended or deleted.
func TestALostVersionCloses(t *testing.T) {
	for damage, do := range damages {
		t.Run(damage, func(t *testing.T) {
			path := t.TempDir()
			policy := func(selector string, bad bool) *v3.NetworkPolicy {
				return calctest.Policy("ns/p", func(s *v3.NetworkPolicySpec) {
					s.Selector, s.Types, s.Ingress = selector, []v3.PolicyType{v3.Ingress}, []v3.Rule{{Action: v3.Allow}}
					if bad {
						s.Ingress[0].Source = &v3.EntityRule{Selector: "app ="}
					}
				})
			}
			good := policy("app == 'one'", false)
			name := damagedFile(t, path, good, do)
			key := api.KeyOf(good)
			var b *bench
			start := func(events ...store.Event) {
				b = newBench(t)
				b.loop.good = keeper(t, path)
				if err := b.loop.restoreGood(); err != nil {
					t.Fatal(err)
				}
				b.sync(append(events, openProfile())...)
			}
			// expect says which directions of an endpoint with a label are closed, and by how many files.
			expect := func(when, app string, closed [2]bool, onDisk bool) {
				t.Helper()
				if got := b.closed(app); got != closed {
					t.Errorf("%s: closed %v for app %q, want %v", when, got, app, closed)
				}
				if _, err := os.Stat(name); (err == nil) != onDisk {
					t.Errorf("%s: the file: %v", when, err)
				}
			}
			none, ingress, both := [2]bool{}, [2]bool{rule.Ingress: true}, [2]bool{true, true}
			bad := func(selector string, revision int64) store.Event {
				return store.Event{Key: key, Object: policy(selector, true), Revision: revision}
			}
			unreadable := store.Event{Key: key, Err: errors.New("garbage"), Revision: 5}
			for range 2 {
				start(bad("app == 'one'", 2))
				expect("its rules are wrong", "one", ingress, true)
				expect("its rules are wrong", "two", none, true)
			}
			b.sync(bad("app == 'two'", 3))
			expect("another choice", "one", none, true)
			expect("another choice", "two", ingress, true)
			b.sync(bad("app ==", 4))
			expect("its choice is wrong", "two", both, true)
			start(unreadable)
			expect("unreadable", "one", both, true)
			text := ""
			b.loop.ask(t.Context(), func() { text = fmt.Sprint(b.loop.graph.Problems()[0].Text()) })
			if !strings.Contains(text, "its last good version is lost") || !strings.Contains(text, "denies all that it governs") {
				t.Errorf("the status says %q", text)
			}
			b.sync(store.Event{Key: key, Object: policy("app == 'one'", false), Revision: 6})
			expect("mended", "one", none, false)
			b.sync(bad("app == 'two'", 7))
			expect("invalid again, with a good version", "two", none, true)
		})
	}
}

// damagedFile keeps an object and damages its file.
func damagedFile(t *testing.T, path string, good api.Object, damage func([]byte) []byte) string {
	t.Helper()
	k := keeper(t, path)
	if err := k.dir.Put(good); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(path, k.dir.Name(api.KeyOf(good)))
	data, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, damage(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// openProfile allows what no policy governs.
func openProfile() store.Event {
	p := &v3.Profile{ObjectMeta: v3.ObjectMeta{Name: "open"}}
	p.Spec.Ingress, p.Spec.Egress = []v3.Rule{{Action: v3.Allow}}, []v3.Rule{{Action: v3.Allow}}
	return store.Event{Key: api.KeyOf(p), Object: p, Revision: 1}
}

// closed tells in which directions a packet of an endpoint with a label is denied.
func (b *bench) closed(app string) (out [2]bool) {
	e := endpoint("a", "10.0.0.1/32")
	e.Labels["app"], e.Spec.Profiles = app, []string{"open"}
	accepted := make(chan acceptance, 1)
	b.loop.locals <- localChange{key: keyOf("a"), endpoint: e, accepted: accepted}
	<-accepted
	b.loop.ask(b.t.Context(), func() {
		ep, ok := b.loop.graph.View().Endpoint(endpointID(keyOf("a")))
		if !ok {
			b.t.Error("the endpoint is not in force")
			return
		}
		for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
			p := eval.Packet{Src: netip.MustParseAddr("10.9.9.9"), Dst: netip.MustParseAddr("10.9.9.8"), Protocol: 6, DstPort: 80}
			out[dir] = eval.Evaluate(eval.FromView(b.loop.graph.View()), ep, dir, p).Verdict == rule.Deny
		}
	})
	return out
}

// TestALostVersionThatIsNotNeeded: a damaged file of an object that is gone, or valid by now, closes nothing and is removed.
func TestALostVersionThatIsNotNeeded(t *testing.T) {
	for name, now := range map[string]func(*v3.NetworkPolicy) []store.Event{
		"gone": func(*v3.NetworkPolicy) []store.Event { return nil },
		"valid": func(p *v3.NetworkPolicy) []store.Event {
			return []store.Event{{Key: api.KeyOf(p), Object: p, Revision: 2}}
		},
	} {
		path := t.TempDir()
		good := calctest.Policy("ns/p", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{{Action: v3.Allow}} })
		file := damagedFile(t, path, good, damages["empty"])
		b := newBench(t)
		b.loop.good = keeper(t, path)
		if err := b.loop.restoreGood(); err != nil {
			t.Fatal(err)
		}
		b.sync(append(now(good), openProfile())...)
		if got := b.closed("one"); got != [2]bool{} {
			t.Errorf("%s: closed %v", name, got)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: the file stays", name)
		}
	}
}

// TestALostVersionWithoutAChoice: what a policy of the whole cluster governs is not known if it cannot be read. The status says so in so many words.
func TestALostVersionWithoutAChoice(t *testing.T) {
	path := t.TempDir()
	p := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: "p"}}
	damagedFile(t, path, p, damages["cut off"])
	b := newBench(t)
	b.loop.good = keeper(t, path)
	if err := b.loop.restoreGood(); err != nil {
		t.Fatal(err)
	}
	b.sync(store.Event{Key: api.KeyOf(p), Err: errors.New("garbage"), Revision: 2})
	b.loop.ask(t.Context(), func() {
		problems := b.loop.graph.Problems()
		if len(problems) != 1 || !problems[0].Refused || problems[0].InForce || !strings.Contains(problems[0].Text(), "ITS LAST GOOD VERSION IS LOST") {
			t.Errorf("%+v", problems)
		}
	})
}
