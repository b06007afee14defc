// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/store"
)

// Pauses of the keeper of tunnel addresses.
const (
	tunnelRetry = 2 * time.Second
	// tunnelRelease is how long an address outlives the need for it: its device receives for a while after the last pool gave up its tunnel,
	// and no workload may get the address meanwhile.
	tunnelRelease = 2 * tunnel.DefaultLinger
)

// tunnelKinds tell how the address of each kind of tunnel is called in IPAM, as Calico does, and where a Node states it.
var tunnelKinds = [desired.TunnelKinds]struct {
	family   int
	handle   string // in front of the node's name
	attr     string
	statedBy func(*v3.NodeSpec) string
	state    func(*v3.NodeSpec, string)
}{
	desired.VXLAN4: {0, "vxlan-tunnel-addr-", "vxlanTunnelAddress",
		func(s *v3.NodeSpec) string { return s.IPv4VXLANTunnelAddr }, func(s *v3.NodeSpec, addr string) { s.IPv4VXLANTunnelAddr = addr }},
	desired.VXLAN6: {1, "vxlan-v6-tunnel-addr-", "vxlanTunnelAddress",
		func(s *v3.NodeSpec) string { return s.IPv6VXLANTunnelAddr }, func(s *v3.NodeSpec, addr string) { s.IPv6VXLANTunnelAddr = addr }},
	desired.IPIP: {0, "ipip-tunnel-addr-", "ipipTunnelAddress", ipipAddr, setIPIPAddr},
	desired.WireGuard4: {0, "wireguard-tunnel-addr-", "wireguardTunnelAddress",
		func(s *v3.NodeSpec) string { return wireguardOf(s).InterfaceIPv4Address }, func(s *v3.NodeSpec, addr string) { changeWireguard(s).InterfaceIPv4Address = addr }},
	desired.WireGuard6: {1, "wireguard-v6-tunnel-addr-", "wireguardTunnelAddress",
		func(s *v3.NodeSpec) string { return wireguardOf(s).InterfaceIPv6Address }, func(s *v3.NodeSpec, addr string) { changeWireguard(s).InterfaceIPv6Address = addr }},
}

func wireguardOf(s *v3.NodeSpec) v3.NodeWireguard {
	if s.Wireguard == nil {
		return v3.NodeWireguard{}
	}
	return *s.Wireguard
}

func changeWireguard(s *v3.NodeSpec) *v3.NodeWireguard {
	if s.Wireguard == nil {
		s.Wireguard = &v3.NodeWireguard{}
	}
	return s.Wireguard
}

func ipipAddr(s *v3.NodeSpec) string {
	if s.BGP == nil {
		return ""
	}
	return s.BGP.IPv4IPIPTunnelAddr
}

func setIPIPAddr(s *v3.NodeSpec, addr string) {
	if s.BGP == nil {
		s.BGP = &v3.NodeBGPSpec{}
	}
	s.BGP.IPv4IPIPTunnelAddr = addr
}

// tunnelState is what the keeper of tunnel addresses knows of the tunnels, by kind.
type tunnelState struct {
	needed [desired.TunnelKinds]bool
	// inForce are the addresses whose devices are made.
	inForce desired.TunnelAddrs
	// keys are those of the WireGuard devices that are made.
	keys [desired.TunnelKinds]desired.Key
}

// keepTunnelAddresses gives this node an address for each tunnel that it needs, until ctx ends. The loop gets it first; the Node says so, and
// makes the others send, only when the device is in force. What is not needed any more is taken out of the Node at once and released later.
func (a *Agent) keepTunnelAddresses(ctx context.Context, states <-chan tunnelState) error {
	select {
	case <-a.claimed:
	case <-ctx.Done():
		return ctx.Err()
	}
	var now tunnelState
	var known bool
	var retry, release <-chan time.Time
	for {
		select {
		case next := <-states:
			if !known || next.needed != now.needed {
				release = time.After(tunnelRelease)
			}
			now, known = next, true
		case <-a.tunnelsChanged:
		case <-retry:
		case <-release:
			release = nil
			if err := a.releaseTunnels(ctx, now); err != nil {
				a.log.Warn("tunnel address not released yet, retrying", "error", err)
				release = time.After(tunnelRetry)
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		retry = nil
		if !known {
			continue
		}
		if err := a.settleTunnelAddresses(ctx, now); err != nil && ctx.Err() == nil {
			a.log.Warn("tunnel address not settled yet, retrying", "error", err)
			retry = time.After(tunnelRetry)
		}
	}
}

// settleTunnelAddresses tells the loop this node's addresses, and the cluster those whose tunnels are in force.
func (a *Agent) settleTunnelAddresses(ctx context.Context, now tunnelState) error {
	var addrs desired.TunnelAddrs
	for k, needed := range now.needed {
		if !needed {
			continue
		}
		var err error
		if addrs[k], err = a.tunnelAddress(ctx, desired.TunnelKind(k)); err != nil {
			return err
		}
	}
	select {
	case a.loop.tunnelAddrs <- addrs:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		key := api.Key{Resource: api.Nodes, Name: a.config.Node}
		current, err := a.config.Store.Get(ctx, key)
		if err != nil {
			return err
		}
		node, ok := api.Clone(current).(*v3.Node)
		if !ok {
			return fmt.Errorf("%s holds a %T, not a Node", key, current)
		}
		if addressed, keyed := now.stateIn(&node.Spec, addrs), now.stateKeys(node); !addressed && !keyed {
			return nil
		}
		if _, err = a.config.Store.Update(ctx, node); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// stateIn makes a Node state the addresses of tunnels that are in force, and none of those that are not needed, and says whether that
// changed it. Of others it goes on stating what it does: a device that is being repaired is no reason to turn all others away.
func (s tunnelState) stateIn(node *v3.NodeSpec, addrs desired.TunnelAddrs) (changed bool) {
	for k, kind := range tunnelKinds {
		text := ""
		switch {
		case !s.needed[k]:
		case s.inForce[k] != addrs[k]:
			continue
		default:
			text = addrs[k].String()
		}
		if kind.statedBy(node) != text {
			kind.state(node, text)
			changed = true
		}
	}
	return changed
}

// stateKeys makes a Node state this node's public keys likewise. A key goes with its address: others take up a peer that has both.
func (s tunnelState) stateKeys(node *v3.Node) (changed bool) {
	stated := v3.NodeStatus{}
	if node.Status != nil {
		stated = *node.Status
	}
	for k, field := range map[desired.TunnelKind]*string{desired.WireGuard4: &stated.WireguardPublicKey, desired.WireGuard6: &stated.WireguardPublicKeyV6} {
		text := ""
		switch {
		case !s.needed[k]:
		case s.keys[k] == desired.Key{}:
			continue
		default:
			text = s.keys[k].String()
		}
		if *field != text {
			*field, changed = text, true
		}
	}
	if changed {
		node.Status = &stated
	}
	return changed
}

// tunnelAddress returns this node's address on a tunnel, a new one if it has none yet.
func (a *Agent) tunnelAddress(ctx context.Context, k desired.TunnelKind) (netip.Addr, error) {
	kind := tunnelKinds[k]
	handle := kind.handle + a.config.Node
	addrs, err := a.ipam.ByHandle(ctx, handle)
	if err == nil && len(addrs) == 0 {
		var result ipam.Result
		result, err = a.ipam.Assign(ctx, ipam.Request{
			Handle: handle, IPv4: kind.family == 0, IPv6: kind.family == 1, Use: v3.UseTunnel, Attrs: map[string]string{"node": a.config.Node, "type": kind.attr},
		})
		addrs = result.Addrs
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address for the tunnel: %w", err)
	}
	return addrs[0], nil
}

// releaseTunnels releases the addresses that are not needed.
func (a *Agent) releaseTunnels(ctx context.Context, now tunnelState) error {
	var errs []error
	for k, needed := range now.needed {
		if !needed {
			errs = append(errs, a.ipam.ReleaseHandle(ctx, tunnelKinds[k].handle+a.config.Node))
		}
	}
	return errors.Join(errs...)
}
