// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/agent/nodeaddr"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netlink"
)

// The values of Config.IP4 and IP6 besides an address.
const (
	autodetect = "autodetect"
	noAddress  = "none"
)

// previousAddresses reads what the Node object says; zero prefixes when there is none.
func previousAddresses(ctx context.Context, s store.Store, name string) (previous [2]netip.Prefix, err error) {
	obj, err := s.Get(ctx, api.Key{Resource: api.Nodes, Name: name})
	if errors.Is(err, store.ErrNotFound) {
		return previous, nil
	}
	if err != nil {
		return previous, err
	}
	if node, ok := obj.(*v3.Node); ok && node.Spec.BGP != nil {
		// An unreadable address is as good as none: detection then starts afresh and says so.
		previous[0], _ = netip.ParsePrefix(node.Spec.BGP.IPv4Address)
		previous[1], _ = netip.ParsePrefix(node.Spec.BGP.IPv6Address)
	}
	return previous, nil
}

// errSetting says that the configuration of an address makes no sense. It does not get better by waiting.
var errSetting = errors.New("node address")

// errNoAddress says that the host has no usable address yet.
var errNoAddress = errors.New("the node has no usable address")

// hostFacts is what the kernel says about addresses.
type hostFacts struct {
	candidates       []nodeaddr.Candidate
	source4, source6 netip.Addr // towards the default route; zero: none
}

// gatherFacts asks the kernel.
func gatherFacts() (hostFacts, error) {
	all, err := candidates()
	return hostFacts{all, sourceTowards("udp4", "192.0.2.1:9"), sourceTowards("udp6", "[2001:db8::1]:9")}, err
}

// detect lets nodeaddr choose for each family.
func detect(config Config, previous [2]netip.Prefix, host hostFacts) (addresses, error) {
	v4, err := choose(config.IP4, netip.Addr.Is4, nodeaddr.Facts{Previous: previous[0], RouteSource: host.source4, Candidates: host.candidates})
	if err != nil {
		return addresses{}, fmt.Errorf("%w: --ip: %w", errSetting, err)
	}
	v6, err := choose(config.IP6, netip.Addr.Is6, nodeaddr.Facts{Previous: previous[1], RouteSource: host.source6, Candidates: host.candidates})
	if err != nil {
		return addresses{}, fmt.Errorf("%w: --ip6: %w", errSetting, err)
	}
	switch {
	case v4.Value.IsValid() || v6.Value.IsValid():
		return addresses{v4, v6}, nil
	case config.IP4 == noAddress && config.IP6 == noAddress:
		return addresses{}, fmt.Errorf("%w: --ip and --ip6 are both none; a node needs an address of one family", errSetting)
	}
	return addresses{}, fmt.Errorf("%w: IPv4: %s %v; IPv6: %s %v; state one with --ip or --ip6", errNoAddress, v4.Reason, v4.Rejected, v6.Reason, v6.Rejected)
}

// choose completes the facts for one family and lets nodeaddr decide.
func choose(setting string, family func(netip.Addr) bool, facts nodeaddr.Facts) (nodeaddr.Decision, error) {
	facts.Candidates = slices.DeleteFunc(slices.Clone(facts.Candidates), func(c nodeaddr.Candidate) bool { return !family(c.Prefix.Addr()) })
	switch setting {
	case noAddress:
		return nodeaddr.Decision{Reason: "switched off by the operator"}, nil
	case autodetect, "":
	default:
		p, err := v3.ParseInterfaceCIDR(setting)
		if err != nil || !family(p.Addr()) {
			return nodeaddr.Decision{}, fmt.Errorf("%q is no address of this family; write 192.0.2.7/24, 2001:db8::7/64, autodetect or none", setting)
		}
		facts.Explicit = p
	}
	return nodeaddr.Choose(facts), nil
}

// sourceTowards asks the kernel which source address it would use towards far (an address reserved for documentation, RFC 5737 and
// RFC 3849). Connecting a datagram socket sends nothing.
func sourceTowards(network, far string) netip.Addr {
	conn, err := net.Dial(network, far)
	if err != nil {
		return netip.Addr{} // no route: the other rules decide
	}
	defer func() { _ = conn.Close() }()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return local.Addr()
}

func candidates() ([]nodeaddr.Candidate, error) {
	conn, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := conn.Addrs(0)
	if err != nil {
		return nil, err
	}
	byIndex := map[int]netlink.Link{}
	for _, l := range links {
		byIndex[l.Index] = l
	}
	out := make([]nodeaddr.Candidate, 0, len(addrs))
	for _, addr := range addrs {
		l := byIndex[addr.Link]
		out = append(out, nodeaddr.Candidate{Interface: l.Name, Kind: l.Kind, Up: l.Up, Prefix: addr.Prefix})
	}
	return out, nil
}
