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

// tunnelHandles name the owner of a node's tunnel addresses in IPAM, by family, as Calico does.
var tunnelHandles = [2]string{"vxlan-tunnel-addr-", "vxlan-v6-tunnel-addr-"}

// keepTunnelAddresses gives this node an address for each tunnel that it needs, and writes it into its Node, until ctx ends. What is not
// needed any more is taken out of the Node at once and released later.
func (a *Agent) keepTunnelAddresses(ctx context.Context, needs <-chan [2]bool) error {
	select {
	case <-a.claimed:
	case <-ctx.Done():
		return ctx.Err()
	}
	var now [2]bool
	var known bool
	var retry, release <-chan time.Time
	for {
		select {
		case now = <-needs:
			known, release = true, time.After(tunnelRelease)
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

// settleTunnelAddresses makes the Node say which tunnel addresses this node has.
func (a *Agent) settleTunnelAddresses(ctx context.Context, needs [2]bool) error {
	var addrs [2]string
	for f, needed := range needs {
		if !needed {
			continue
		}
		addr, err := a.tunnelAddress(ctx, f)
		if err != nil {
			return err
		}
		addrs[f] = addr.String()
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
		if node.Spec.IPv4VXLANTunnelAddr == addrs[0] && node.Spec.IPv6VXLANTunnelAddr == addrs[1] {
			return nil
		}
		node.Spec.IPv4VXLANTunnelAddr, node.Spec.IPv6VXLANTunnelAddr = addrs[0], addrs[1]
		if _, err = a.config.Store.Update(ctx, node); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// tunnelAddress returns this node's tunnel address of a family, a new one if it has none yet.
func (a *Agent) tunnelAddress(ctx context.Context, f int) (netip.Addr, error) {
	handle := tunnelHandles[f] + a.config.Node
	addrs, err := a.ipam.ByHandle(ctx, handle)
	if err == nil && len(addrs) == 0 {
		var result ipam.Result
		result, err = a.ipam.Assign(ctx, ipam.Request{
			Handle: handle, IPv4: f == 0, IPv6: f == 1, Use: v3.UseTunnel, Attrs: map[string]string{"node": a.config.Node, "type": "vxlanTunnelAddress"},
		})
		addrs = result.Addrs
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address for the tunnel: %w", err)
	}
	return addrs[0], nil
}

// releaseTunnels releases the addresses that are not needed.
func (a *Agent) releaseTunnels(ctx context.Context, needs [2]bool) error {
	var errs []error
	for f, needed := range needs {
		if !needed {
			errs = append(errs, a.ipam.ReleaseHandle(ctx, tunnelHandles[f]+a.config.Node))
		}
	}
	return errors.Join(errs...)
}
