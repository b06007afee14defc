// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

const table = "test"

var count atomic.Int32

// open connects within a new network namespace.
func open(t *testing.T, more ...**Conn) (*Conn, *netns.NS) {
	t.Helper()
	name := fmt.Sprintf("weft-sysnft%d-%d", os.Getpid(), count.Add(1))
	ns, err := netns.Create(name)
	check(t, err)
	t.Cleanup(func() {
		check(t, ns.Close())
		check(t, netns.Delete(name))
	})
	var c *Conn
	for _, p := range append([]**Conn{&c}, more...) {
		check(t, ns.Do(func() (err error) {
			*p, err = Open()
			return err
		}))
		t.Cleanup(func() { check(t, (*p).Close()) })
	}
	return c, ns
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, c *Conn, fill func(b *Batch)) {
	t.Helper()
	b := NewBatch(table)
	fill(b)
	check(t, c.Commit(b))
}

// TestExpressionsComeBackAsSent: every expression is dumped byte for byte as it was written, so rules can be compared by bytes.
func TestExpressionsComeBackAsSent(t *testing.T) {
	c, _ := open(t)
	ports := &Set{Name: "ports", Key: []Field{FieldPort}}
	verdicts := &Set{Name: "verdicts", Key: []Field{FieldIfname}, Verdicts: true}
	exprs := map[string]func(e *Exprs){
		"meta":     func(e *Exprs) { e.Meta(MetaIifname, 4); e.Meta(MetaL4proto, 5) },
		"ct":       func(e *Exprs) { e.CtState(0); e.CtMark(0) },
		"mss":      func(e *Exprs) { e.RouteMSS(0); e.LowerMSS(0) },
		"payload":  func(e *Exprs) { e.Payload(NetworkHeader, 12, 4, 0); e.Payload(TransportHeader, 2, 2, 7) },
		"mask":     func(e *Exprs) { e.Payload(NetworkHeader, 8, 16, 0); e.Mask(0, bytes.Repeat([]byte{0xf0}, 16)) },
		"cmp":      func(e *Exprs) { e.Meta(MetaIifname, 0); e.Cmp(CmpNeq, 0, []byte("cali")) },
		"cmp long": func(e *Exprs) { e.Payload(NetworkHeader, 8, 16, 0); e.Cmp(CmpEq, 0, make([]byte, 16)) },
		"range":    func(e *Exprs) { e.Payload(TransportHeader, 0, 2, 0); e.Range(true, 0, []byte{0, 1}, []byte{0, 9}) },
		"lookup":   func(e *Exprs) { e.Payload(TransportHeader, 0, 2, 0); e.Lookup(true, 0, "ports") },
		"vmap":     func(e *Exprs) { e.Meta(MetaOifname, 0); e.LookupVerdict(0, "verdicts") },
		"counter":  func(e *Exprs) { e.Counter() },
		"log":      func(e *Exprs) { e.Log("prefix") },
		"jump":     func(e *Exprs) { e.Verdict(Verdict{VerdictJump, "other"}) },
		"return":   func(e *Exprs) { e.Verdict(Verdict{Code: VerdictReturn}) },
		"drop":     func(e *Exprs) { e.Verdict(Verdict{}) },
		"fib":      func(e *Exprs) { e.RouteType(0) },
	}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		b.AddSet(ports)
		b.AddSet(verdicts)
		b.AddChain(Chain{Name: "chain"})
		b.AddChain(Chain{Name: "other"})
		for name, fill := range exprs {
			var e Exprs
			fill(&e)
			b.AddRule("chain", e.Bytes(), Comment(name))
		}
	})
	rules, err := c.Rules(table, "chain")
	check(t, err)
	if len(rules) != len(exprs) {
		t.Fatalf("%d rules of %d", len(rules), len(exprs))
	}
	for _, r := range rules {
		name := ParseComment(r.UserData)
		var e Exprs
		exprs[name](&e)
		if !r.Same(e.Bytes(), Comment(name)) {
			t.Errorf("%s: the kernel gives back\n% x\nfor\n% x", name, r.Exprs, e.Bytes())
		}
	}
}

// TestTranslationsComeBackAsSent does the same for those that belong into chains of type nat.
func TestTranslationsComeBackAsSent(t *testing.T) {
	c, _ := open(t)
	hook := map[string]*Hook{
		"in":  {Num: HookPrerouting, Priority: PriorityDstNAT, NAT: true},
		"out": {Num: HookPostrouting, Priority: PrioritySrcNAT, NAT: true},
	}
	to := &Set{Name: "to", Key: []Field{FieldProto, FieldPort}, Data: []Field{FieldIPv4, FieldPort}}
	ports := func(e *Exprs) *Ports {
		e.Load(4, []byte{4, 0})
		e.Load(5, []byte{8, 0})
		return &Ports{4, 5}
	}
	exprs := map[string]map[string]func(e *Exprs){
		"in": {
			"dnat": func(e *Exprs) {
				e.Meta(MetaL4proto, 0)
				e.Payload(TransportHeader, 2, 2, 1)
				e.LookupData(0, "to", 0)
				e.DstNAT(2, 0, &Ports{1, 1})
			},
			"dnat IPv6": func(e *Exprs) { e.Payload(NetworkHeader, 24, 16, 0); e.DstNAT(10, 0, nil) },
		},
		"out": {
			"snat":             func(e *Exprs) { e.Load(0, []byte{10, 0, 0, 1}); e.SrcNAT(2, 0, nil) },
			"snat ports":       func(e *Exprs) { e.Load(0, []byte{10, 0, 0, 1}); e.SrcNAT(2, 0, ports(e)) },
			"masquerade":       func(e *Exprs) { e.Masquerade(nil) },
			"masquerade ports": func(e *Exprs) { e.Masquerade(ports(e)) },
		},
	}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		b.AddSet(to)
		for chain, list := range exprs {
			b.AddChain(Chain{Name: chain, Hook: hook[chain]})
			for name, fill := range list {
				var e Exprs
				fill(&e)
				b.AddRule(chain, e.Bytes(), Comment(name))
			}
		}
	})
	rules, err := c.Rules(table, "")
	check(t, err)
	if len(rules) != 6 {
		t.Fatalf("%d rules of 6", len(rules))
	}
	for _, r := range rules {
		name := ParseComment(r.UserData)
		var e Exprs
		exprs[r.Chain][name](&e)
		if !r.Same(e.Bytes(), Comment(name)) {
			t.Errorf("%s: the kernel gives back\n% x\nfor\n% x", name, r.Exprs, e.Bytes())
		}
	}
	chains, err := c.Chains(table)
	check(t, err)
	for _, ch := range chains {
		if ch.Hook == nil || *ch.Hook != *hook[ch.Name] {
			t.Errorf("chain %s has hook %+v; want %+v", ch.Name, ch.Hook, hook[ch.Name])
		}
	}
}

// TestSetsComeBackAsSent does the same for the elements of all kinds of sets.
func TestSetsComeBackAsSent(t *testing.T) {
	c, _ := open(t)
	sets := map[*Set][]byte{
		{Name: "hosts", Key: []Field{FieldIPv4}}:                               {10, 0, 0, 1, 10, 0, 0, 2},
		{Name: "sized", Key: []Field{FieldPort}, Constant: true, Size: 2}:      {0, 1, 0, 2},
		{Name: "empty", Key: []Field{FieldIPv6}}:                               nil,
		{Name: "nets", Key: []Field{FieldIPv4}, Interval: true}:                {10, 0, 0, 0, 10, 255, 255, 255, 11, 0, 0, 0, 11, 0, 0, 0, 224, 0, 0, 0, 255, 255, 255, 255},
		{Name: "all", Key: []Field{FieldIPv4}, Interval: true, Constant: true}: {0, 0, 0, 0, 255, 255, 255, 255},
		{Name: "ports", Key: []Field{FieldPort}, Interval: true}:               {0, 0, 0, 9, 0, 10, 0xff, 0xff},
		{Name: "concat", Key: []Field{FieldIPv4, FieldProto, FieldPort}}:       {10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0},
		{Name: "values", Key: []Field{FieldIPv4}, Data: []Field{FieldIPv4}}:    {10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 2, 10, 0, 0, 9},
		{Name: "concat values", Key: []Field{FieldProto, FieldPort}, Data: []Field{FieldIPv6, FieldPort}}: {
			6, 0, 0, 0, 0, 80, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1f, 0x90, 0, 0,
		},
		{Name: "concat nets", Key: []Field{FieldIPv4, FieldProto}, Interval: true}: {10, 0, 0, 0, 6, 0, 0, 0, 10, 0, 0, 255, 6, 0, 0, 0},
	}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		for s, keys := range sets {
			b.AddSet(s)
			b.AddKeys(s, keys)
		}
	})
	infos, err := c.Sets(table)
	check(t, err)
	for s, want := range sets {
		found := false
		for _, i := range infos {
			found = found || i.Is(s)
		}
		if !found {
			t.Errorf("%s: not there in its shape: %+v", s.Name, infos)
		}
		got, err := c.Keys(table, s)
		check(t, err)
		if len(got) != len(want) || !sameKeys(got, want, s.Width()) {
			t.Errorf("%s: %v; want %v", s.Name, got, want)
		}
		commit(t, c, func(b *Batch) { b.DelKeys(s, want) })
		if got, err = c.Keys(table, s); err != nil || len(got) != 0 {
			t.Errorf("%s: %v left after deletion, %v", s.Name, got, err)
		}
	}
}

func sameKeys(a, b []byte, width int) bool {
	keys := map[string]bool{}
	for i := 0; i < len(a); i += width {
		keys[string(a[i:i+width])] = true
	}
	for i := 0; i < len(b); i += width {
		if !keys[string(b[i:i+width])] {
			return false
		}
	}
	return true
}

func TestVerdictMap(t *testing.T) {
	c, _ := open(t)
	m := &Set{Name: "m", Key: []Field{FieldPort}, Verdicts: true}
	jump := Verdict{VerdictJump, "chain"}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		b.AddChain(Chain{Name: "chain"})
		b.AddSet(m)
		b.AddVerdicts(m, VerdictKey{[]byte{0, 1}, jump}, VerdictKey{[]byte{0, 2}, Verdict{Code: VerdictAccept}})
	})
	all, err := c.Verdicts(table, m)
	check(t, err)
	if len(all) != 2 || all["\x00\x01"] != jump {
		t.Errorf("map holds %v", all)
	}
	some, err := c.Lookup(table, m, []byte{0, 2}, []byte{0, 3})
	check(t, err)
	if len(some) != 1 || some["\x00\x02"].Code != VerdictAccept {
		t.Errorf("looked up %v", some)
	}
	// A key changes its verdict by deletion and addition in one transaction.
	commit(t, c, func(b *Batch) {
		b.DelKeys(m, []byte{0, 2})
		b.AddVerdicts(m, VerdictKey{[]byte{0, 2}, jump})
	})
	if some, err = c.Lookup(table, m, []byte{0, 2}); err != nil || some["\x00\x02"] != jump {
		t.Errorf("after the change: %v, %v", some, err)
	}
}

// TestRefusalsNameTheirOperations: all operations at fault are named with their tags, and nothing is done.
func TestRefusalsNameTheirOperations(t *testing.T) {
	c, _ := open(t)
	b := NewBatch(table)
	b.AddTable()
	b.Tag("good")
	b.AddChain(Chain{Name: "chain"})
	b.Tag("first")
	b.DelChain("none")
	b.Tag("second")
	b.AddRule("nowhere", (&Exprs{}).Bytes(), nil)
	err := c.Commit(b)
	var refused *RefusedError
	if !errors.As(err, &refused) || len(refused.Refusals) != 2 {
		t.Fatalf("error %v; want two refusals", err)
	}
	if refused.Refusals[0].Tag != "first" || refused.Refusals[1].Tag != "second" || !errors.Is(err, unix.ENOENT) {
		t.Errorf("refusals %+v", refused.Refusals)
	}
	if !strings.Contains(err.Error(), "delete chain none") || !strings.Contains(err.Error(), "add rule to chain nowhere") {
		t.Errorf("error text %q", err)
	}
	if exists, _, err := c.Table(table); exists || err != nil {
		t.Errorf("the table exists after a refusal: %v, %v", exists, err)
	}
	// The connection is as good as new.
	commit(t, c, func(b *Batch) { b.AddTable() })
	if exists, plain, err := c.Table(table); !exists || !plain || err != nil {
		t.Errorf("table: %v %v %v", exists, plain, err)
	}
}

// TestWholeRefusal: what only the result as a whole shows is blamed on no operation.
func TestWholeRefusal(t *testing.T) {
	c, _ := open(t)
	b := NewBatch(table)
	b.AddTable()
	b.AddChain(Chain{Name: "base", Hook: &Hook{Num: HookForward, Priority: PriorityFilter}})
	b.AddChain(Chain{Name: "a"})
	b.AddChain(Chain{Name: "b"})
	for from, to := range map[string]string{"base": "a", "a": "b", "b": "a"} {
		var e Exprs
		e.Verdict(Verdict{VerdictJump, to})
		b.AddRule(from, e.Bytes(), nil)
	}
	var refused *RefusedError
	if err := c.Commit(b); !errors.As(err, &refused) {
		t.Errorf("a loop of chains: %v", err)
	}
}

// TestLargeBatch is one transaction that no default socket buffer holds.
func TestLargeBatch(t *testing.T) {
	c, _ := open(t)
	s := &Set{Name: "s", Key: []Field{FieldIPv4}}
	keys := make([]byte, 0, 800_000)
	for i := range 200_000 {
		keys = append(keys, 10, byte(i>>16), byte(i>>8), byte(i))
	}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		b.AddSet(s)
		b.AddKeys(s, keys)
	})
	count := func() int {
		got, err := c.Keys(table, s)
		check(t, err)
		distinct := map[string]bool{}
		for key := range slices.Chunk(got, s.KeyLen()) {
			distinct[string(key)] = true
		}
		return len(distinct)
	}
	n := count()
	for deadline := time.Now().Add(30 * time.Second); n != 200_000 && time.Now().Before(deadline); n = count() { // the kernel still grows the hash
	}
	if n != 200_000 {
		t.Errorf("%d keys; want 200000", n)
	}
}

// TestWatchSeesOthersOnly: neither own changes, of any size, nor other tables wake the watch.
func TestWatchSeesOthersOnly(t *testing.T) {
	var other *Conn
	c, ns := open(t, &other)
	var w *Watch
	check(t, ns.Do(func() (err error) {
		w, err = OpenWatch(table, c)
		return err
	}))
	quiet := func(when string) {
		t.Helper()
		check(t, w.file.SetReadDeadline(time.Now()))
		if err := w.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v; want silence", when, err)
		}
		check(t, w.file.SetReadDeadline(time.Time{}))
	}
	s := &Set{Name: "s", Key: []Field{FieldIPv4}}
	commit(t, c, func(b *Batch) {
		b.AddTable()
		b.AddSet(s)
		keys := make([]byte, 0, 200_000)
		for i := range 50_000 {
			keys = append(keys, 10, byte(i>>16), byte(i>>8), byte(i))
		}
		b.AddKeys(s, keys)
	})
	quiet("after an own change")
	b := NewBatch("another")
	b.AddTable()
	b.AddChain(Chain{Name: table})
	check(t, other.Commit(b))
	quiet("after a change of another table")
	commit(t, other, func(b *Batch) { b.DelKeys(s, []byte{10, 0, 0, 1}) })
	check(t, w.Next())

	closed := make(chan error)
	go func() { closed <- w.Next() }()
	check(t, w.Close())
	if err := <-closed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestWatchTellsGenerations: a change of a watched table comes with the generation that the kernel has behind it, one of another table does not come.
func TestWatchTellsGenerations(t *testing.T) {
	c, ns := open(t)
	var w *Watch
	check(t, ns.Do(func() (err error) {
		w, err = OpenWatchIP("filter")
		return err
	}))
	defer func() { check(t, w.Close()) }()
	commit(t, c, func(b *Batch) { b.AddTable() })
	for range 3 {
		before, err := c.Generation()
		check(t, err)
		if _, err := proc.Output(t.Context(), proc.Spec{Path: "iptables-nft", Args: []string{"-A", "FORWARD", "-j", "ACCEPT"}, NS: ns}); err != nil {
			t.Fatal(err)
		}
		after, err := c.Generation()
		check(t, err)
		if got, err := w.NextGeneration(); err != nil || got != after || after != before+1 {
			t.Errorf("told of generation %d, %v; the kernel went from %d to %d", got, err, before, after)
		}
	}
}

func TestMissingThings(t *testing.T) {
	c, _ := open(t)
	if rules, err := c.Rules(table, "chain"); err != nil || len(rules) != 0 {
		t.Errorf("rules of no table: %v, %v", rules, err)
	}
	if _, err := c.Keys(table, &Set{Name: "s", Key: []Field{FieldIPv4}}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "set s") {
		t.Errorf("elements of no set: %v", err)
	}
	check(t, c.Commit(NewBatch(table))) // nothing to do is no error
}
