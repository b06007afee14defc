// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/sys/netns"
)

// signalled waits for the driver's notice of a foreign change.
func signalled(t testing.TB, d *Driver) {
	t.Helper()
	select {
	case <-d.Events():
	case <-time.After(5 * time.Second):
		t.Fatal("no event for a foreign change")
	}
}

func TestForeignDamageIsRepaired(t *testing.T) {
	damages := []damage{
		{"table deleted", tool("delete table inet weft")},
		{"table flushed", tool("flush table inet weft")},
		{"chain flushed", tool("flush chain inet weft forward")},
		{"rule added", tool("insert rule inet weft forward accept")},
		{"rule deleted", func(t *testing.T, ns *netns.NS) {
			nftTool(t, ns, "delete rule inet weft in4/np/default/nets handle "+handle(t, ns, "in4/np/default/nets"))
		}},
		{"rule altered", func(t *testing.T, ns *netns.NS) {
			nftTool(t, ns, "replace rule inet weft in4/profile/kns.default handle "+handle(t, ns, "in4/profile/kns.default")+" drop")
		}},
		{"element deleted", tool("delete element inet weft host4/hosts { 10.65.0.1 }")},
		{"element added", tool("add element inet weft host4/hosts { 1.2.3.4 }")},
		{"range deleted", tool("delete element inet weft net4/mixed { 192.0.2.0/24 }")},
		{"range added", tool("add element inet weft net4/mixed { 8.8.8.0/24 }")},
		{"named port deleted", tool("delete element inet weft port4/web { 10.65.0.1 . 6 . 8080 }")},
		{"dispatch deleted", tool("delete element inet weft ingress4 { \"cali1\" }")},
		{"peer deleted", func(t *testing.T, ns *netns.NS) {
			_, name, _ := strings.Cut(nftTool(t, ns, "list", "maps"), "map peers/in4/")
			name, _, _ = strings.Cut(name, " ")
			nftTool(t, ns, "delete element inet weft peers/in4/"+name+" { 10.65.0.7 }")
		}},
		{"dispatch altered", tool("delete element inet weft ingress4 { \"cali1\" }; add element inet weft ingress4 { \"cali1\" : accept }")},
		{"source added", tool("add element inet weft source4 { \"cali1\" . 9.9.9.9 }")},
		{"base chain added", tool("add chain inet weft evil { type filter hook output priority 0; policy drop; }")},
		{"chain and jump added", tool("add chain inet weft evil; add rule inet weft to4 jump evil; add rule inet weft evil accept")},
		{"set added", tool("add set inet weft evil { type ipv4_addr; elements = { 1.1.1.1 }; }; add rule inet weft from4 ip saddr @evil accept")},
		{"base chain's policy altered", tool("chain inet weft forward { policy drop; }")},
		{"anonymous set added", tool("add rule inet weft from4 ip saddr { 1.1.1.1, 2.2.2.2 } accept")},
		{"map added", tool("add chain inet weft evil; add map inet weft evils { type ipv4_addr : verdict; elements = { 1.1.1.1 : jump evil }; }; insert rule inet weft from4 ip saddr vmap @evils")},
		{"table put to sleep", tool("add table inet weft { flags dormant; }")},
		{"set of another shape", tool("flush chain inet weft in4/np/default/sources; flush chain inet weft in4/np/default/peers1; delete set inet weft host4/hosts; add set inet weft host4/hosts { type ipv6_addr; }")},
	}
	repairs(t, Options{indexFrom: 2}, append(damages, []damage{
		{"guard deleted", tool("flush chain inet weft source/cali1; delete chain inet weft source/cali1")},
		{"guard opened", tool("insert rule inet weft source/cali2 accept")},
		{"guard altered", tool("flush chain inet weft source/cali3")},
		{"guard added", tool("add chain inet weft source/cali99 { type filter hook ingress device cali99 priority 0; policy drop; }")},
	}...))
	repairs(t, Options{unguarded: true}, []damage{
		{"source added", tool("add element inet weft source4 { \"cali1\" . 9.9.9.9 }")},
		{"source range added", tool("add element inet weft source-net4 { \"cali1\" . 9.9.9.0/24 }")},
		{"chain flushed", tool("flush chain inet weft prerouting")},
	})
}

// damage is something that somebody else does to our table.
type damage struct {
	name string
	do   func(t *testing.T, ns *netns.NS)
}

// repairs does each damage, and wants the table as it was.
func repairs(t *testing.T, o Options, damages []damage) {
	t.Helper()
	ns, view := newNS(t), sample(t)
	d := openDriver(t, ns, o)
	apply(t, d, view, nil)
	want := listing(t, ns)
	for _, damage := range damages {
		t.Run(damage.name, func(t *testing.T) {
			damage.do(t, ns)
			signalled(t, d)
			r := apply(t, d, view, nil)
			if r.Repaired == 0 || len(r.Programmed) != 7 {
				t.Errorf("report %+v", r)
			}
			if got := listing(t, ns); got != want {
				t.Errorf("after the repair:\n%s", got)
			}
			if r := apply(t, d, view, nil); r.Repaired != 0 {
				t.Errorf("repaired again: %+v", r)
			}
		})
	}
}

// TestForeignDamageToTranslationIsRepaired does the same for what translates addresses.
func TestForeignDamageToTranslationIsRepaired(t *testing.T) {
	ns, view := newNS(t), translations(t)
	d := openDriver(t, ns, Options{})
	apply(t, d, view, nil)
	want := listing(t, ns)
	for name, do := range map[string]func(*testing.T, *netns.NS){
		"host port deleted":    tool("delete element inet weft any-host-port4 { tcp . 8080 }"),
		"host port led astray": tool("delete element inet weft any-host-port4 { tcp . 8080 }; add element inet weft any-host-port4 { tcp . 8080 : 10.65.0.9 . 80 }"),
		"floating IP added":    tool("add element inet weft floating6 { 2001:db8::66 : fd00:65::1 }"),
		"translation flushed":  tool("flush chain inet weft nat-outgoing"),
		"base chain deleted":   tool("flush chain inet weft dnat-prerouting; delete chain inet weft dnat-prerouting"),
		"another translation":  tool("add rule inet weft snat-postrouting masquerade"),
	} {
		do(t, ns)
		signalled(t, d)
		if r := apply(t, d, view, nil); r.Repaired == 0 {
			t.Errorf("%s: report %+v", name, r)
		}
		if got := listing(t, ns); got != want {
			t.Errorf("%s: after the repair:\n%s", name, got)
		}
		select { // the repair's own events are no one else's
		case <-d.Events():
		default:
		}
	}
}

func tool(command string) func(*testing.T, *netns.NS) {
	return func(t *testing.T, ns *netns.NS) { t.Helper(); nftTool(t, ns, command) }
}

// handle finds the handle of a chain's first rule.
func handle(t *testing.T, ns *netns.NS, chain string) string {
	t.Helper()
	_, rest, _ := strings.Cut(nftTool(t, ns, "-a", "list", "chain", "inet", "weft", chain), "comment")
	_, rest, _ = strings.Cut(rest, "# handle ")
	number, _, _ := strings.Cut(rest, "\n")
	return number
}

// TestDeltaOnDamage: a delta that does not fit what is in the kernel ends in a repair, without an event.
func TestDeltaOnDamage(t *testing.T) {
	ns := newNS(t)
	d := newDriver(t, ns)
	view, delta := members(t, 3), oneMember(true)
	apply(t, d, view, nil)
	nftTool(t, ns, "delete table inet weft")
	if err := view.Apply(delta); err != nil {
		t.Fatal(err)
	}
	if r := apply(t, d, view, delta); r.Repaired == 0 {
		t.Errorf("report %+v; want repairs", r)
	}
	if n := differences(t, d, view); n != 0 {
		t.Errorf("%d differences", n)
	}
}
