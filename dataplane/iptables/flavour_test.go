// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/xtables"
)

func TestChoose(t *testing.T) {
	kube, some, more := xtables.Others{Kube: true, Rules: 9}, xtables.Others{Rules: 3}, xtables.Others{Rules: 5}
	missing := Facts{Missing: errors.New("xtables-multi not found")}
	for _, c := range []struct {
		name        string
		wanted      xtables.Flavour
		legacy, nft Facts
		want        string
	}{
		{"nothing there", "", Facts{}, Facts{}, "iptables-nft: it is the newer, and nothing speaks for one of them; not iptables-legacy: 0 rules of others are there"},
		{"Kubernetes in legacy", "", Facts{Others: kube}, Facts{Others: more}, "iptables-legacy: Kubernetes' chains are there; not iptables-nft: they are not there"},
		{"Kubernetes in nft", "", Facts{Others: more}, Facts{Others: kube}, "iptables-nft: Kubernetes' chains are there; not iptables-legacy: they are not there"},
		{"Kubernetes in both, once", "", Facts{Others: kube}, Facts{Others: xtables.Others{Kube: true, Rules: 2}}, "iptables-legacy: 9 rules of others are there; not iptables-nft: 2 rules of others are there"},
		{"more in legacy", "", Facts{Others: more}, Facts{Others: some}, "iptables-legacy: 5 rules of others are there; not iptables-nft: 3 rules of others are there"},
		{"more in nft", "", Facts{Others: some}, Facts{Others: more}, "iptables-nft: 5 rules of others are there; not iptables-legacy: 3 rules of others are there"},
		{"no nft", "", Facts{}, missing, "iptables-legacy: it can be used; not iptables-nft: xtables-multi not found"},
		{"no legacy", "", missing, Facts{}, "iptables-nft: it can be used; not iptables-legacy: xtables-multi not found"},
		{"wanted", xtables.Legacy, Facts{}, Facts{Others: kube}, "iptables-legacy: it is asked for; not iptables-nft: the other is asked for"},
		{"wanted and missing", xtables.NFT, Facts{}, missing, "error: iptables-nft is asked for and cannot be used: xtables-multi not found"},
		{"none", "", missing, missing, "error: iptables cannot be used: legacy: xtables-multi not found; nft: xtables-multi not found"},
	} {
		got, err := Choose(c.wanted, c.legacy, c.nft)
		text := got.String()
		if err != nil {
			text = "error: " + err.Error()
		}
		if text != c.want {
			t.Errorf("%s: %s; want %s", c.name, text, c.want)
		}
	}
}

// TestChosenByTheHost opens drivers beside rules of others, and sees the reason in Probe.
func TestChosenByTheHost(t *testing.T) {
	for _, flavour := range flavours {
		ns := netnstest.New(t)
		tool(t, ns, "xtables-"+string(flavour)+"-multi", "iptables", "-t", "mangle", "-N", "KUBE-KUBELET-CANARY")
		tool(t, ns, "xtables-"+string(otherFlavour(flavour))+"-multi", "iptables", "-A", "INPUT", "-j", "ACCEPT")
		d := openDriver(t, ns, Options{})
		caps, err := d.Probe(t.Context())
		if err != nil || !caps.Usable || !strings.Contains(caps.Choice, "iptables-"+string(flavour)+": Kubernetes' chains") {
			t.Errorf("beside %s: caps %+v, %v", flavour, caps, err)
		}
		apply(t, d, sample(t), nil)
		if again := openDriver(t, ns, Options{}); again.options.Flavour != flavour {
			t.Errorf("beside %s and our own rules: %s is chosen", flavour, again.options.Flavour)
		}
	}
}

func TestUnusable(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := New(Options{Flavour: xtables.NFT}); err == nil || !strings.Contains(err.Error(), "install the package iptables") {
		t.Errorf("without the tools: %v; want what to install", err)
	}
	if _, err := New(Options{Flavour: "newest"}); err == nil || !strings.Contains(err.Error(), "newest") {
		t.Errorf("of an unknown flavour: %v", err)
	}
	d, tables, _ := fakeDriver(t)
	_ = tables
	ended, end := context.WithCancel(t.Context())
	end()
	if caps, err := d.Probe(ended); err == nil || caps.Usable {
		t.Errorf("with an ended context: %+v, %v", caps, err)
	}
}

// TestFlavourChanges: the rules of the flavour that was used before go when those of the new one are in place.
func TestFlavourChanges(t *testing.T) {
	ns, view := netnstest.New(t), sample(t)
	for _, flavour := range []xtables.Flavour{xtables.Legacy, xtables.NFT, xtables.Legacy} {
		d := openDriver(t, ns, Options{Flavour: flavour})
		apply(t, d, view, nil)
		if all := dump(t, d); !strings.Contains(all, "cali1") || !strings.Contains(all, "set weft4-hosts") {
			t.Errorf("%s holds\n%s", flavour, all)
		}
		d.tables, d.other = d.other, d.tables
		if all := dump(t, d); strings.Contains(all, "chain weft-") || strings.Contains(all, ": -j weft-") {
			t.Errorf("beside %s there is\n%s", flavour, all)
		}
	}
}
