// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/packet"
)

// packetsPerState is how many packets a random state is judged by before the next. The counters are read once a volley of them: for some drivers
// that is slow.
const (
	packetsPerState = 40
	volley          = 10
)

// plan is how long the random comparison goes on. WEFT_LONG makes it ten times longer, WEFT_JUDGE gives a duration ("1h"). WEFT_SEED repeats
// one.
type plan struct {
	packets int
	until   time.Time // zero: packets count
	seed    uint64
}

func planned(t testing.TB) plan {
	t.Helper()
	p := plan{packets: 2000, seed: uint64(time.Now().UnixNano())}
	if os.Getenv("WEFT_LONG") != "" {
		p.packets = 20000
	}
	if text := os.Getenv("WEFT_JUDGE"); text != "" {
		d, err := time.ParseDuration(text)
		must(t, err)
		p.until = time.Now().Add(d)
	}
	if text := os.Getenv("WEFT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		p.seed = seed
	}
	return p
}

func (p plan) done(packets int) bool {
	if p.until.IsZero() {
		return packets >= p.packets
	}
	return time.Now().After(p.until)
}

// random compares the driver with the judge for as long as planned.
func random(t *testing.T, open Open) {
	b, p := newJudged(t, open), planned(t)
	seen := map[string]int{}
	must(t, b.compare(t, newGenerator(p.seed, true), p, seen))
	t.Logf("seed %d: judged %v", p.seed, seen)
	for _, kind := range []string{"delivered", "dropped", "to the host"} {
		if seen[kind] == 0 {
			t.Errorf("seed %d: no packet was expected to be %s: the generator is too narrow", p.seed, kind)
		}
	}
}

// Judge compares a driver with the judge by a number of random packets. It returns the first difference, as small as it gets.
func Judge(t *testing.T, open Open, packets int) error {
	t.Helper()
	p := planned(t)
	p.packets, p.until = packets, time.Time{}
	return newJudged(t, open).compare(t, newGenerator(p.seed, true), p, map[string]int{})
}

// newJudged is a bench where nothing moves but what the test sends.
func newJudged(t *testing.T, open Open) *bench {
	t.Helper()
	b := newBench(t, open, false)
	b.foreign(t, true)
	return b
}

// compare walks from one random state to the next by deltas, and sends random packets in each. The first difference between the driver and the
// judge is made as small as it gets.
func (b *bench) compare(t *testing.T, g *generator, p plan, seen map[string]int) error {
	return packet.OnOneCPU(func() error { return b.walk(t, g, p, seen) })
}

func (b *bench) walk(t *testing.T, g *generator, p plan, seen map[string]int) error {
	var old *desired.State
	for packets := 0; !p.done(packets); {
		now := g.state(t)
		if err := b.program(t, old, now); err != nil {
			return fmt.Errorf("seed %d, after %d packets: %w", p.seed, packets, err)
		}
		for range packetsPerState / volley {
			var probes []probe
			for range volley {
				probes = append(probes, g.probe())
			}
			failing, err := b.tryAll(now, probes, seen)
			var d *difference
			if errors.As(err, &d) {
				return fmt.Errorf("seed %d, after %d packets: %w\n%s", p.seed, packets, err, b.shrink(t, scenarioOf(old, now, probes[failing])))
			}
			if err != nil {
				return err
			}
			packets += volley
		}
		old = now
	}
	return nil
}

// program goes from one state, nil if unknown, to another.
func (b *bench) program(t testing.TB, from, to *desired.State) error {
	var delta *desired.Delta
	if from != nil {
		if delta = desired.Diff(from, to); delta == nil {
			return nil
		}
	}
	b.hits = nil
	r, err := b.driver.Apply(t.Context(), to, delta)
	if err != nil {
		return err
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("endpoints failed: %v", r.Failed)
	}
	return nil
}

// difference is what the driver does and the judge does not say.
type difference struct {
	did, want string
}

func (d *difference) Error() string {
	return fmt.Sprintf("the driver: %s; the judge: %s", d.did, d.want)
}

// tryAll sends some packets. Where the counters of rules are not what they ought to be after all of them, it goes back to one by one. It returns
// the first packet with a difference.
func (b *bench) tryAll(view desired.View, probes []probe, seen map[string]int) (int, error) {
	before, err := b.lastHits()
	if err != nil {
		return 0, err
	}
	ought := map[rule.ID]uint64{}
	maps.Copy(ought, before)
	for i, p := range probes {
		want := expect(view, p)
		out, err := b.Send(p.from, p.packet)
		if err != nil {
			return i, err
		}
		if out != want.out {
			return i, &difference{place(out), place(want.out)}
		}
		for id := range want.hits {
			ought[id]++
		}
		seen[want.kind()]++
	}
	if b.hits, err = b.driver.Hits(); err != nil || maps.Equal(ought, b.hits) {
		return 0, err
	}
	for i, p := range probes {
		if err := b.try(p, expect(view, p)); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// try sends a packet and returns a difference between what happened, to it and to the counters of the rules, and what ought to.
func (b *bench) try(p probe, want expectation) error {
	before, err := b.lastHits()
	if err != nil {
		return err
	}
	out, err := b.Send(p.from, p.packet)
	if err != nil {
		return err
	}
	if b.hits, err = b.driver.Hits(); err != nil {
		return err
	}
	if out != want.out {
		return &difference{place(out), place(want.out)}
	}
	var did []rule.ID
	for id, n := range b.hits {
		if n > before[id] {
			did = append(did, id)
		}
	}
	slices.Sort(did)
	if ought := slices.Sorted(maps.Keys(want.hits)); !slices.Equal(did, ought) {
		return &difference{fmt.Sprintf("%s by rules %v", place(out), did), fmt.Sprintf("%s by rules %v", place(out), ought)}
	}
	return nil
}

func (b *bench) lastHits() (map[rule.ID]uint64, error) {
	if b.hits != nil {
		return b.hits, nil
	}
	return b.driver.Hits()
}

func place(out string) string {
	if out == "" {
		return "dropped"
	}
	return "out at " + out
}

// shrink minimises a scenario that has shown a difference and renders it, with what the driver and the judge make of it.
func (b *bench) shrink(t *testing.T, s scenario) string {
	s = minimise(func(s scenario) bool {
		var d *difference
		return errors.As(b.replay(t, s), &d)
	}, s)
	verdict := "the difference is gone when it is tried again"
	if err := b.replay(t, s); err != nil {
		verdict = err.Error()
	}
	state, err := stateOf(s.now)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s\n%s\nthe judge:\n%s", verdict, s, expect(state, s.probe).why)
}

// replay plays a scenario to a new driver.
func (b *bench) replay(t *testing.T, s scenario) error {
	before, err := stateOf(s.before)
	if err != nil {
		return err
	}
	now, err := stateOf(s.now)
	if err != nil {
		return err
	}
	if err := b.driver.Remove(t.Context()); err != nil {
		return err
	}
	b.reopen(t)
	if before != nil {
		if err := b.program(t, nil, before); err != nil {
			return err
		}
	}
	if err := b.program(t, before, now); err != nil {
		return err
	}
	return b.try(s.probe, expect(now, s.probe))
}
