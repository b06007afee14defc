// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package iptables is the iptables driver, in the flavours legacy and nft: New opens one for the current network namespace, Apply programs
// policy into chains of its own and keeps it as desired.
//
// Rendering is pure: a plan of chains, jumps and IP sets is made of the view, and changed along with it (see change in plan.go). Applying is
// separate: what changed in the plan, or its difference from what the kernel really holds, becomes netlink messages for the sets and one
// iptables-restore a table, which also prints the chains that it wrote, to be compared. A change of members touches no rule. Rules are compared as the tool prints them, so that any alteration shows. The cost of a packet of a known connection
// does not depend on policy; a new one finds its endpoint by interface and passes long tiers group by group (see group.go). Why all this is so: docs/adr/0009.
package iptables

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/xtables"
)

// Options say how to open a driver.
type Options struct {
	// Flavour is the flavour that is wanted; "" picks one by what the host has already, see [Choose].
	Flavour xtables.Flavour
	// Log gets what was refused and tried again; nil discards it.
	Log *slog.Logger

	// For tests; 0: the constants.
	groupFrom int
	lookEvery time.Duration
}

// Driver is the iptables data plane of one network namespace. It implements [dataplane.Driver].
type Driver struct {
	options Options
	choice  Choice
	events  chan struct{}

	mu     sync.Mutex // the kernel is looked at beside Apply
	tables xtables.Tables
	other  xtables.Tables // of the other flavour, where rules of ours may be left; nil: it cannot be used
	sets   ipset.Sets
	prints prints
	sizes  map[string]int // of the sets in the kernel, by name
	// Reused between calls: most changes are of one member.
	come, gone ipset.Batch
	// plan is what the kernel is known to hold; nil: not known.
	plan *plan
	// failed are the units that are left out, with the reason.
	failed map[unit]error
	// settings are those in force.
	settings dataplane.Settings
	// synced: Apply has succeeded before, so that differences found in the kernel are the work of others.
	synced bool

	watcher watcher
	done    sync.WaitGroup
}

var _ dataplane.Driver = (*Driver)(nil)

// New opens a driver for the network namespace of the calling thread. It changes nothing. Close it after use.
func New(options Options) (*Driver, error) {
	choice, err := choose(context.Background(), options.Flavour)
	if err != nil {
		return nil, fmt.Errorf("iptables driver: %w", err)
	}
	options.Flavour = choice.Flavour
	tables, err := xtables.Open(options.Flavour)
	if err != nil {
		return nil, fmt.Errorf("iptables driver: %w", err)
	}
	sets, err := ipset.Open()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("iptables driver: %w", err), tables.Close())
	}
	d := newDriver(options, tables, sets)
	d.choice = choice
	if t, err := xtables.Open(otherFlavour(options.Flavour)); err == nil {
		d.other = t
	}
	if err := d.startWatch(); err != nil {
		return nil, errors.Join(fmt.Errorf("iptables driver: %w", err), d.Close())
	}
	return d, nil
}

func newDriver(options Options, tables xtables.Tables, sets ipset.Sets) *Driver {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options.groupFrom, options.lookEvery = cmp.Or(options.groupFrom, groupFrom), cmp.Or(options.lookEvery, lookEvery)
	return &Driver{options: options, events: make(chan struct{}, 1), tables: tables, sets: sets, prints: prints{}, failed: map[unit]error{}}
}

// Events implements [dataplane.Driver].
func (d *Driver) Events() <-chan struct{} { return d.events }

func (d *Driver) signal() {
	select {
	case d.events <- struct{}{}:
	default:
	}
}

// Close ends the watch and lets go of the kernel. Rules and sets stay: traffic goes on under the policy in force.
func (d *Driver) Close() error {
	err := errors.Join(d.stopWatch(), d.tables.Close(), d.sets.Close())
	if d.other != nil {
		err = errors.Join(err, d.other.Close())
	}
	return err
}

// Apply implements [dataplane.Driver]. After an error the next Apply compares with the kernel, whatever its delta.
func (d *Driver) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delta != nil && d.plan != nil && !d.touchesFailed(delta) {
		report, err := d.applyDelta(ctx, d.settings.View(view), delta)
		if err == nil {
			d.settings.Take(view)
			return report, nil
		}
		if ctx.Err() != nil {
			d.plan = nil
			return dataplane.Report{}, err
		}
		d.options.Log.Warn("iptables: a change did not go through; comparing with the kernel", "error", err)
	}
	clear(d.failed) // what failed before is tried again
	d.settings.Retry()
	return d.reconcile(ctx, view)
}

// Remove implements [dataplane.Driver].
func (d *Driver) Remove(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.synced = nil, false
	err := errors.Join(d.clearTables(ctx, d.tables), d.clearTables(ctx, d.other))
	_, errSets := d.dropSets(nil)
	return errors.Join(err, errSets)
}

// clearTables takes all that is ours out of the tables of a flavour; nil has none.
func (d *Driver) clearTables(ctx context.Context, tables xtables.Tables) error {
	if tables == nil {
		return nil
	}
	empty := &tablePlan{}
	var errs []error
	for _, key := range tableKeys() {
		held, err := d.save(ctx, tables, key, empty)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		script, _ := d.prints.change(key.name, empty, held)
		_, err = tables.Restore(ctx, key.fam.v6, script)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
