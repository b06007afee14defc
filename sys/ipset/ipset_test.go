// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/proc"
)

// open opens a connection in a new namespace.
func open(t testing.TB) (*ipset.Conn, *netns.NS) {
	t.Helper()
	ns := netnstest.New(t)
	var c *ipset.Conn
	err := ns.Do(func() (err error) {
		c, err = ipset.Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, ns
}

func host(n int) ipset.Element {
	a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	return ipset.Element{Prefix: netip.PrefixFrom(a, 32)}
}

// state describes all sets.
func state(t *testing.T, s ipset.Sets) string {
	t.Helper()
	headers, err := s.Headers()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(headers, func(a, b ipset.Header) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	for _, h := range headers {
		elements, err := s.Elements(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(elements, ipset.Element.Compare)
		fmt.Fprintf(&b, "%+v %v\n", h, elements)
	}
	return b.String()
}

var families = map[bool][]string{
	false: {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.1.2.4/32", "128.0.0.0/1", "192.0.2.0/24"},
	true:  {"fd00::/8", "fd00::1/128", "fd00::2/128", "8000::/1", "2001:db8::/64"},
}

func randomElement(r *rand.Rand, s ipset.Set) ipset.Element {
	prefixes := families[s.IPv6]
	p := netip.MustParsePrefix(prefixes[r.IntN(len(prefixes))])
	switch s.Kind {
	case ipset.Port:
		return ipset.Element{Prefix: netip.PrefixFrom(p.Addr(), p.Addr().BitLen()), Protocol: []uint8{6, 17, 132, 136}[r.IntN(4)], Port: uint16(1 + r.IntN(3))}
	case ipset.NetIface:
		return ipset.Element{Prefix: p, Interface: []string{"cali1", "calieeeeeeeeeee"}[r.IntN(2)]}
	}
	return ipset.Element{Prefix: p}
}

// TestFakeIsLikeTheKernel does the same random changes to both and compares what is refused and what is there.
func TestFakeIsLikeTheKernel(t *testing.T) {
	conn, _ := open(t)
	fake := &ipset.Fake{}
	r := rand.New(rand.NewPCG(1, 2))
	var sets []ipset.Set
	for i := range 9 {
		sets = append(sets, ipset.Set{Name: fmt.Sprint("set", i), Kind: ipset.Kind(i % 3), IPv6: i%2 == 1})
	}
	for step := range 400 {
		var b ipset.Batch
		for n := range 1 + r.IntN(5) {
			b.Tag(n)
			s := sets[r.IntN(len(sets))]
			var elements []ipset.Element
			for range r.IntN(4) {
				elements = append(elements, randomElement(r, s))
			}
			switch r.IntN(8) {
			case 0:
				b.Destroy(s.Name)
			case 1:
				b.Swap(s.Name, sets[r.IntN(len(sets))].Name)
			case 2, 3:
				b.Create(s, r.IntN(1000))
			case 4:
				b.Delete(s, elements...)
			default:
				b.Add(s, elements...)
			}
		}
		got, want := conn.Commit(&b), fake.Commit(&b)
		if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("step %d: the kernel says %v, the fake %v", step, got, want)
		}
		if got, want := state(t, conn), state(t, fake); got != want {
			t.Fatalf("step %d: the kernel holds\n%sthe fake\n%s", step, got, want)
		}
	}
}

func TestLargeSet(t *testing.T) {
	conn, _ := open(t)
	s := ipset.Set{Name: "large"}
	var all []ipset.Element
	for n := range 70000 {
		all = append(all, host(n))
	}
	var b ipset.Batch
	b.Create(s, len(all))
	b.Add(s, all...)
	if err := conn.Commit(&b); err != nil {
		t.Fatal(err)
	}
	got, err := conn.Elements(s.Name)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, ipset.Element.Compare)
	if !slices.Equal(got, all) {
		t.Errorf("%d elements came back of %d", len(got), len(all))
	}
}

func TestRefusals(t *testing.T) {
	conn, ns := open(t)
	s := ipset.Set{Name: "used"}
	var b ipset.Batch
	b.Create(s, 0)
	if err := conn.Commit(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := proc.Output(t.Context(), proc.Spec{Path: "iptables", Args: strings.Fields("-A INPUT -m set --match-set used src -j DROP"), NS: ns}); err != nil {
		t.Fatal(err)
	}
	b = ipset.Batch{}
	b.Tag("first")
	b.Create(s, 0)
	b.Tag("second")
	b.Destroy("used")
	b.Tag("third")
	b.Destroy("absent")
	b.Create(ipset.Set{Name: "fine"}, 0)
	err := conn.Commit(&b)
	var refused *ipset.RefusedError
	if !errors.As(err, &refused) || len(refused.Refusals) != 3 {
		t.Fatalf("got %v; want three refusals", err)
	}
	for i, want := range []struct {
		tag string
		err error
	}{{"first", ipset.ErrExist}, {"second", ipset.ErrReferenced}, {"third", ipset.ErrNotExist}} {
		if r := refused.Refusals[i]; r.Tag != want.tag || !errors.Is(r.Err, want.err) {
			t.Errorf("refusal %d is %+v; want %v", i, r, want)
		}
	}
	headers, err := conn.Headers()
	if err != nil || len(headers) != 2 {
		t.Errorf("sets %v, %v; want what was not refused to be there", headers, err)
	}
	if v, err := conn.Version(); err != nil || v < 6 {
		t.Errorf("version %d, %v", v, err)
	}
}

func TestElementsThatDoNotFit(t *testing.T) {
	conn, _ := open(t)
	fake := &ipset.Fake{}
	for name, c := range map[string]struct {
		kind    ipset.Kind
		element ipset.Element
	}{
		"family":       {ipset.Net, ipset.Element{Prefix: netip.MustParsePrefix("fd00::/8")}},
		"all":          {ipset.Net, ipset.Element{Prefix: netip.MustParsePrefix("0.0.0.0/0")}},
		"no host":      {ipset.Port, ipset.Element{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Protocol: 6, Port: 1}},
		"no interface": {ipset.NetIface, host(1)},
		"no prefix":    {},
	} {
		s := ipset.Set{Name: "s", Kind: c.kind}
		var b ipset.Batch
		b.Add(s, c.element)
		for _, sets := range []ipset.Sets{conn, fake} {
			if err := sets.Commit(&b); err == nil || !strings.Contains(err.Error(), "IP set s: element") {
				t.Errorf("%s: %T says %v; want an error about the element", name, sets, err)
			}
		}
	}
}
