// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"
)

// claimRetry is the pause between attempts to reach the datastore.
const claimRetry = time.Second

// claimTimeout bounds one attempt, so that a datastore that does not answer shows in the status soon.
const claimTimeout = 2 * time.Second

// claimName finds the node's addresses, makes the node name ours and keeps it so until ctx ends. A datastore that is away and an address
// that has yet to come are waited for; a name that is taken at the start is not.
func (a *Agent) claimName(ctx context.Context) error {
	instance, err := instanceID(a.config.StateDir)
	if err != nil {
		return err
	}
	for {
		claim, err := a.join(ctx, instance)
		switch {
		case err == nil:
			a.joined(ctx, claim.addrs)
			claim.running = true
			a.keepName(ctx, claim)
			return nil
		case errors.Is(err, ErrNameTaken) || errors.Is(err, errSetting):
			return err
		case ctx.Err() != nil:
			return nil
		}
		if a.setDatastoreError(ctx, err) {
			a.log.Warn("waiting to join the cluster; what is in force stays in force", "error", err)
		}
		if err := a.standIn(ctx); err != nil {
			return err
		}
		if !pause(ctx, claimRetry) {
			return nil
		}
	}
}

// pause waits and says whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// setDatastoreError makes err visible in the status and says whether it is news.
func (a *Agent) setDatastoreError(ctx context.Context, err error) (news bool) {
	a.loop.ask(ctx, func() {
		news = a.loop.storeErr == nil || a.loop.storeErr.Error() != err.Error()
		a.loop.storeErr = err
	})
	return news
}

// join chooses addresses and claims the name.
func (a *Agent) join(ctx context.Context, instance string) (claim, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	node, err := readNode(ctx, a.config.Store, a.config.Node)
	if err != nil {
		return claim{}, err
	}
	host, err := gatherFacts(a.config)
	if err != nil {
		return claim{}, err
	}
	found, err := detect(a.config, node, host)
	if err != nil {
		return claim{}, err
	}
	c := claim{name: a.config.Node, instance: instance, addrs: found}
	if _, err := c.enter(ctx, a.config.Store); err != nil {
		return claim{}, err
	}
	return c, nil
}

// joined makes known what join has settled. It waits for the loop as long as that takes: the time of an attempt to join is no concern of it.
func (a *Agent) joined(ctx context.Context, found addresses) {
	a.loop.ask(ctx, func() { a.address, a.loop.storeErr = found, nil })
	a.sizes.change()
	a.log.Info("node address chosen", "ipv4", text(found.v4.Value), "why", found.v4.Reason, "ipv6", text(found.v6.Value), "why6", found.v6.Reason)
	close(a.claimed)
}

// keepName looks at the Node whenever it, or the host, changed. A Node that was deleted, or lost what the agent wrote into it, is claimed again. One that
// another agent has taken is left to it: no workload is started here then, and what is in force stays in force.
func (a *Agent) keepName(ctx context.Context, c claim) {
	replace(a.hostChanged, struct{}{}) // the host may have changed since the choice
	var again <-chan time.Time
	for {
		select {
		case <-a.nodeChanged:
		case <-a.hostChanged:
			again = a.detectAgain(ctx, &c)
		case <-again:
			again = a.detectAgain(ctx, &c)
		case <-ctx.Done():
			return
		}
		for !a.stillOurs(ctx, c) && pause(ctx, claimRetry) {
		}
	}
}

// stillOurs looks once; false means that the datastore did not say.
func (a *Agent) stillOurs(ctx context.Context, c claim) bool {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	wrote, err := c.enter(ctx, a.config.Store)
	switch {
	case errors.Is(err, ErrNameTaken):
		if a.nameLost.Swap(&err) == nil {
			a.log.Error("the node name was taken; no workload is started, what is in force stays in force", "error", err)
		}
		return true
	case err != nil:
		return false
	}
	if wrote {
		a.log.Info("Node was deleted or changed by somebody; claimed again", "node", c.name)
	}
	if a.nameLost.Swap(nil) != nil {
		a.log.Info("the node name is ours again", "node", c.name)
	}
	return true
}
