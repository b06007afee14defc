// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package nft is the nftables driver: New opens one for the current network namespace, Apply programs policy into the private table
// "inet weft" and keeps it as desired.
//
// Rendering is pure: the ledger turns endpoints, policies and IP sets into a plan of chains, sets and elements (Render prints the whole
// table). Applying is separate: a plan, or its difference from what the kernel really holds, becomes netlink messages, and one transaction
// of them shows to packets. The cost of a change follows the change: elements are added and removed one by one, and only the rules that
// differ are replaced, so that the counters of the others go on. The cost of a packet grows neither with the number of endpoints (dispatch
// by interface, a guard at each) nor with that of policies (see index.go), and an established one ends with the first rule.
package nft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/nft"
)

// Options adjust a driver. The zero value is usable.
type Options struct {
	// Plain renders every policy as one chain, its rules in order and one set for each IP set: what the optimised rendering is compared with.
	Plain bool
	// Log gets what was refused and tried again; nil discards it.
	Log *slog.Logger

	indexFrom, portsFrom int // for tests; 0: the constants
	// guarded: interfaces have guards; New decides, for tests unguarded.
	guarded, unguarded bool
}

// Driver is the nftables data plane of one network namespace. It implements [dataplane.Driver].
type Driver struct {
	options Options
	conn    *nft.Conn
	links   *netlink.Conn
	watch   *nft.Watch
	events  chan struct{}
	done    sync.WaitGroup
	// linkNews reports links that come and go; nil without guards.
	linkNews *netlink.Monitor

	// mu guards what follows, and conn and links.
	mu sync.Mutex
	// ledger is nil until the kernel is known to hold what it says.
	ledger *ledger
	// failed are the units that are left out, with the reason.
	failed map[unit]error
	// settings are those in force.
	settings dataplane.Settings
	// synced: Apply has succeeded before, so that differences found in the kernel are the work of others.
	synced bool
}

var _ dataplane.Driver = (*Driver)(nil)

// New opens a driver for the network namespace of the calling thread. It changes nothing. Close it after use.
func New(options Options) (*Driver, error) {
	conn, err := nft.Open()
	if err != nil {
		return nil, fmt.Errorf("nftables driver: %w", err)
	}
	watch, err := nft.OpenWatch(tableName, conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nftables driver: %w", err), conn.Close())
	}
	links, err := netlink.Open(nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nftables driver: %w", err), watch.Close(), conn.Close())
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.guarded = !options.unguarded && bindsNames(conn)
	d := &Driver{options: options, conn: conn, links: links, watch: watch, events: make(chan struct{}, 1), failed: map[unit]error{}}
	if options.guarded {
		if d.linkNews, err = netlink.OpenLinkMonitor(nil); err != nil {
			d.links.Close()
			return nil, errors.Join(fmt.Errorf("nftables driver: %w", err), watch.Close(), conn.Close())
		}
		d.done.Go(d.watchLinks)
	}
	d.done.Go(d.watchLoop)
	return d, nil
}

// watchLoop signals Events on changes by others until Close.
func (d *Driver) watchLoop() {
	for {
		err := d.watch.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		d.signal() // an error too: what is in the kernel is not known any more
		if err != nil && !errors.Is(err, nft.ErrOverflow) {
			return
		}
	}
}

func (d *Driver) signal() {
	select {
	case d.events <- struct{}{}:
	default:
	}
}

// Events implements [dataplane.Driver].
func (d *Driver) Events() <-chan struct{} { return d.events }

// Close ends the watch and closes the sockets. The table stays: traffic goes on under the policy in force.
func (d *Driver) Close() error {
	err := d.watch.Close()
	if d.linkNews != nil {
		err = errors.Join(err, d.linkNews.Close())
	}
	d.done.Wait()
	d.links.Close()
	return errors.Join(err, d.conn.Close())
}

// Remove deletes the table, and nothing else, in two transactions. Where a table goes in one, its base chains see packets for a moment after
// its verdict maps have lost their elements, and drop what those would have led on. So the base chains are emptied first.
func (d *Driver) Remove(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ledger, d.synced = nil, false
	return retry(ctx, func() error {
		there, _, err := d.conn.Table(tableName)
		if err != nil || !there {
			return err
		}
		chains, err := d.conn.Chains(tableName)
		if err != nil {
			return err
		}
		open := nft.NewBatch(tableName)
		for _, c := range chains {
			if c.Hook != nil {
				open.FlushChain(c.Name)
			}
		}
		if err := d.conn.Commit(open); err != nil {
			return err
		}
		b := nft.NewBatch(tableName)
		b.DelTable()
		return d.conn.Commit(b)
	})
}

// Apply implements [dataplane.Driver]. After an error the next Apply compares with the kernel, whatever its delta.
func (d *Driver) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delta != nil && d.ledger != nil && !d.touchesFailed(delta) {
		report, err := d.applyDelta(ctx, d.settings.View(view), delta)
		if err == nil {
			d.settings.Take(view)
			return report, nil
		}
		d.ledger = nil
		if ctx.Err() != nil {
			return dataplane.Report{}, err
		}
		d.options.Log.Warn("nftables: a change did not go through; comparing with the kernel", "error", err)
	}
	clear(d.failed) // what failed before is tried again
	d.settings.Retry()
	return d.reconcile(ctx, view)
}
