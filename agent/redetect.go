// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/agent/nodeaddr"
)

// addressGrace is how long an address of the node may be away before another is chosen: network managers take addresses away for a moment.
const addressGrace = 5 * time.Second

// detectAgain looks whether the host still has the node's addresses, and after a while chooses others in place of those that are gone. It returns
// when to look again, nil if there is no need. Without a usable address the node keeps what it has.
func (a *Agent) detectAgain(ctx context.Context, c *claim) <-chan time.Time {
	found, err := a.lookAgain(ctx, c.addrs)
	now := time.Now()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil && !errors.Is(err, errNoAddress):
		a.log.Warn("the node's addresses are not looked for yet, retrying", "error", err)
		return time.After(claimRetry)
	case err == nil && found.same(c.addrs):
		if a.addressLost.Swap(nil) != nil {
			a.log.Info("the host has the node's addresses again", "addresses", c.addrs.String())
		}
		c.awaySince = time.Time{}
		return nil
	case err == nil && (found.keeps(c.addrs) || !c.awaySince.IsZero() && now.Sub(c.awaySince) >= addressGrace):
		a.moveTo(ctx, c, found)
		return nil
	}
	if c.awaySince.IsZero() {
		c.awaySince = now
	}
	a.tellLost(c.addrs, err)
	if err != nil {
		return nil // until the host changes
	}
	return time.After(c.awaySince.Add(addressGrace).Sub(now))
}

// tellLost makes it known that the host lacks an address of the node, and if so why no other can be had.
func (a *Agent) tellLost(addrs addresses, none error) {
	lost := fmt.Errorf("the host has lost an address of the node, which has %s and keeps it until the host has another", addrs)
	if none != nil {
		lost = fmt.Errorf("%w: %w", lost, none)
	}
	if a.addressLost.Swap(&lost) == nil {
		a.log.Warn("address of the node", "error", lost)
	}
}

// moveTo gives the node other addresses. The caller writes them into the Node.
func (a *Agent) moveTo(ctx context.Context, c *claim, found addresses) {
	c.addrs, c.awaySince = found, time.Time{}
	a.addressLost.Store(nil)
	a.loop.ask(ctx, func() { a.address = found })
	a.sizes.change()
	a.log.Info("node address chosen anew", "ipv4", text(found.v4.Value), "why", found.v4.Reason, "ipv6", text(found.v6.Value), "why6", found.v6.Reason)
}

// lookAgain detects, with what the node has now for what it had before.
func (a *Agent) lookAgain(ctx context.Context, now addresses) (addresses, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	node, err := readNode(ctx, a.config.Store, a.config.Node)
	if err != nil {
		return addresses{}, err
	}
	host, err := gatherFacts(a.config)
	if err != nil {
		return addresses{}, err
	}
	node.previous[0], node.previous[1] = now.v4.Value, now.v6.Value
	return detect(a.config, node, host)
}

// same tells whether two choices are the same addresses in the same subnets.
func (a addresses) same(other addresses) bool {
	return a.v4.Value == other.v4.Value && a.v6.Value == other.v6.Value
}

// keeps tells whether no address of an earlier choice is given up: there is one more, or a subnet has another length.
func (a addresses) keeps(earlier addresses) bool {
	kept := func(now, before nodeaddr.Decision) bool {
		return !before.Value.IsValid() || now.Value.Addr() == before.Value.Addr()
	}
	return kept(a.v4, earlier.v4) && kept(a.v6, earlier.v6)
}

// String returns "192.0.2.7/24, 2001:db8::7/64".
func (a addresses) String() string {
	return strings.Trim(text(a.v4.Value)+", "+text(a.v6.Value), ", ")
}
