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

// nodeObject is what the datastore's Node says of addresses, IPv4 first.
type nodeObject struct {
	previous [2]netip.Prefix // zero: none
	internal [2]netip.Addr   // of type InternalIP; zero: none
}

// readNode reads the Node object; the result is zero when there is none.
func readNode(ctx context.Context, s store.Store, name string) (nodeObject, error) {
	obj, err := s.Get(ctx, api.Key{Resource: api.Nodes, Name: name})
	if errors.Is(err, store.ErrNotFound) {
		return nodeObject{}, nil
	}
	return nodeOf(obj), err
}

// nodeOf returns what a Node says of addresses; the result is zero for anything else.
func nodeOf(obj api.Object) (out nodeObject) {
	node, ok := obj.(*v3.Node)
	if !ok {
		return out
	}
	if node.Spec.BGP != nil {
		// An unreadable address is as good as none: detection then starts afresh and says so.
		out.previous[0], _ = netip.ParsePrefix(node.Spec.BGP.IPv4Address)
		out.previous[1], _ = netip.ParsePrefix(node.Spec.BGP.IPv6Address)
	}
	for _, a := range node.Spec.Addresses {
		prefix, err := v3.ParseInterfaceCIDR(a.Address)
		if err != nil || a.Type != "InternalIP" {
			continue
		}
		if of := &out.internal[family(prefix.Addr())]; !of.IsValid() {
			*of = prefix.Addr()
		}
	}
	return out
}

// family indexes what there is once for IPv4 and once for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// errSetting says that the configuration of an address makes no sense. It does not get better by waiting.
var errSetting = errors.New("node address")

// errNoAddress says that the host has no usable address yet.
var errNoAddress = errors.New("the node has no usable address")

// hostFacts is what the kernel says about addresses, IPv4 first.
type hostFacts struct {
	candidates []nodeaddr.Candidate
	source     [2]netip.Addr // towards the default route; zero: none
	reach      [2]netip.Addr // towards the method's target; zero: none
}

// gatherFacts asks the kernel.
func gatherFacts(config Config) (hostFacts, error) {
	all, err := candidates()
	facts := hostFacts{candidates: all, source: [2]netip.Addr{sourceTowards("udp4", "192.0.2.1"), sourceTowards("udp6", "2001:db8::1")}}
	if target := config.Method4.Target(); target != "" {
		facts.reach[0] = sourceTowards("udp4", target)
	}
	if target := config.Method6.Target(); target != "" {
		facts.reach[1] = sourceTowards("udp6", target)
	}
	return facts, err
}

// detect lets nodeaddr choose for each family.
func detect(config Config, node nodeObject, host hostFacts) (addresses, error) {
	settings := [2]struct {
		flag, value string
		method      nodeaddr.Method
	}{{"--ip", config.IP4, config.Method4}, {"--ip6", config.IP6, config.Method6}}
	var chosen [2]nodeaddr.Decision
	for f, setting := range settings {
		facts := nodeaddr.Facts{
			Previous: node.previous[f], InternalIP: node.internal[f], RouteSource: host.source[f], ReachSource: host.reach[f],
			Method: setting.method, Candidates: host.candidates,
		}
		var err error
		if chosen[f], err = choose(setting.value, f, facts); err != nil {
			return addresses{}, fmt.Errorf("%w: %s: %w", errSetting, setting.flag, err)
		}
	}
	v4, v6 := chosen[0], chosen[1]
	switch {
	case v4.Value.IsValid() || v6.Value.IsValid():
		return addresses{v4, v6}, nil
	case config.IP4 == noAddress && config.IP6 == noAddress:
		return addresses{}, fmt.Errorf("%w: --ip and --ip6 are both none; a node needs an address of one family", errSetting)
	}
	return addresses{}, fmt.Errorf("%w: IPv4: %s %v; IPv6: %s %v; state one with --ip or --ip6", errNoAddress, v4.Reason, v4.Rejected, v6.Reason, v6.Rejected)
}

// choose completes the facts for one family and lets nodeaddr decide.
func choose(setting string, of int, facts nodeaddr.Facts) (nodeaddr.Decision, error) {
	facts.Candidates = slices.DeleteFunc(slices.Clone(facts.Candidates), func(c nodeaddr.Candidate) bool { return family(c.Prefix.Addr()) != of })
	switch setting {
	case noAddress:
		return nodeaddr.Decision{Reason: "switched off by the operator"}, nil
	case autodetect, "":
	default:
		p, err := v3.ParseInterfaceCIDR(setting)
		if err != nil || family(p.Addr()) != of {
			return nodeaddr.Decision{}, fmt.Errorf("%q is no address of this family; write 192.0.2.7/24, 2001:db8::7/64, autodetect or none", setting)
		}
		facts.Explicit = p
	}
	return nodeaddr.Choose(facts), nil
}

// sourceTowards asks the kernel which source address it would use towards a host, by default an address reserved for documentation (RFC 5737
// and RFC 3849). Connecting a datagram socket sends nothing; looking up a name does.
func sourceTowards(network, host string) netip.Addr {
	const discard = "9"
	conn, err := net.Dial(network, net.JoinHostPort(host, discard))
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
