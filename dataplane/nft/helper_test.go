// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

var namespaces atomic.Int32

// newNS makes a network namespace for the test.
func newNS(t testing.TB) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-nft%d-%d", os.Getpid(), namespaces.Add(1))
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = ns.Close()
		if err := netns.Delete(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("delete: %v", err)
		}
	})
	return ns
}

// newDriver opens a driver in a namespace.
func newDriver(t testing.TB, ns *netns.NS) *Driver {
	t.Helper()
	return openDriver(t, ns, Options{})
}

func openDriver(t testing.TB, ns *netns.NS, o Options) *Driver {
	t.Helper()
	var d *Driver
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	err := ns.Do(func() (err error) {
		d, err = New(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// nftTool runs the nft tool, the peer.
func nftTool(t testing.TB, ns *netns.NS, args ...string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Spec{Path: "nft", Args: args, NS: ns})
	if err != nil {
		t.Fatalf("nft %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// listing is our table as the tool prints it, without counts, its parts sorted: the kernel keeps them in the order in which they were made.
func listing(t testing.TB, ns *netns.NS) string {
	t.Helper()
	text := strings.TrimPrefix(nftTool(t, ns, "-s", "list", "ruleset"), "table inet "+tableName+" {\n")
	parts := strings.Split(strings.TrimSuffix(text, "\n}\n"), "\n\n")
	slices.Sort(parts)
	return strings.Join(parts, "\n\n")
}

func apply(t testing.TB, d *Driver, view desired.View, delta *desired.Delta) dataplane.Report {
	t.Helper()
	r, err := d.Apply(t.Context(), view, delta)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return r
}

// build is a desired state in the making.
type build struct {
	delta desired.Delta
	seq   int
}

func (b *build) state(t testing.TB) *desired.State {
	t.Helper()
	s := desired.NewState()
	if err := s.Apply(&b.delta); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *build) set(id string, members ...string) rule.Set {
	c := desired.IPSetChange{ID: rule.SetID(id), Created: true}
	for _, m := range members {
		member := parseMember(m)
		if member.Protocol != 0 {
			c.Kind = rule.SetPort
		}
		if !slices.Contains(c.Added, member) {
			c.Added = append(c.Added, member)
		}
	}
	b.delta.IPSets = append(b.delta.IPSets, c)
	return rule.Set{ID: c.ID, Kind: c.Kind}
}

// parseMember reads "10.0.0.1", "10.0.0.0/8" or "10.0.0.1 6 80".
func parseMember(s string) desired.Member {
	parts := strings.Fields(s)
	m := desired.Member{Prefix: prefix(parts[0])}
	if len(parts) == 3 {
		if _, err := fmt.Sscan(parts[1]+" "+parts[2], &m.Protocol, &m.Port); err != nil {
			panic(err)
		}
	}
	return m
}

func prefix(s string) netip.Prefix {
	if !strings.Contains(s, "/") {
		a := netip.MustParseAddr(s)
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.MustParsePrefix(s)
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, x := range s {
		out = append(out, prefix(x))
	}
	return out
}

func np(name string) rule.PolicyID {
	return rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "default", Name: name}
}
func profile(name string) rule.PolicyID { return rule.PolicyID{Kind: rule.KindProfile, Name: name} }

// policy adds a policy; nil rules mean none in the direction.
func (b *build) policy(id rule.PolicyID, ingress, egress []rule.Rule) rule.PolicyID {
	p := &desired.Policy{ID: id, Rules: [2][]rule.Rule{ingress, egress}}
	for dir := range p.Rules {
		for i := range p.Rules[dir] {
			b.seq++
			r := &p.Rules[dir][i]
			r.Index = i
			r.ID = cmp.Or(r.ID, rule.ID(fmt.Sprintf("%016x", b.seq)))
		}
	}
	b.delta.Policies = append(b.delta.Policies, p)
	return id
}

func (b *build) endpoint(iface string, tiers []desired.TierPolicies, profiles []rule.PolicyID, addrs ...string) *desired.Endpoint {
	e := &desired.Endpoint{ID: endpointID(iface), Interface: iface, Tiers: [2][]desired.TierPolicies{tiers, tiers}, Profiles: profiles}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	b.delta.Endpoints = append(b.delta.Endpoints, e)
	return e
}

// host adds a host endpoint without policy.
func (b *build) host(iface string) *desired.HostEndpoint {
	e := &desired.HostEndpoint{ID: desired.EndpointID{Name: "host-" + strings.ReplaceAll(iface, "*", "any")}, Interface: iface}
	b.delta.HostEndpoints = append(b.delta.HostEndpoints, e)
	return e
}

func endpointID(iface string) desired.EndpointID {
	return desired.EndpointID{Namespace: "default", Name: "node-k8s-" + iface + "-eth0"}
}

func tier(name string, action rule.Action, policies ...rule.PolicyID) desired.TierPolicies {
	return desired.TierPolicies{Tier: name, DefaultAction: action, Policies: policies}
}

func allow(m rule.Match) rule.Rule { return rule.Rule{Action: rule.Allow, Match: m} }
func deny(m rule.Match) rule.Rule  { return rule.Rule{Action: rule.Deny, Match: m} }

func ports(p ...uint16) []rule.PortRange {
	var out []rule.PortRange
	for _, x := range p {
		out = append(out, rule.PortRange{Min: x, Max: x})
	}
	return out
}
