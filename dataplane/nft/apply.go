// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"context"
	"errors"
	"time"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// applyDelta brings the kernel from what the ledger says to view.
func (d *Driver) applyDelta(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	d.ledger.begin(view)
	if err := d.ledger.putDelta(delta); err != nil {
		return dataplane.Report{}, err
	}
	if err := d.carryOut(ctx); err != nil {
		return dataplane.Report{}, err
	}
	programmed, err := d.readBack(delta)
	return dataplane.Report{Programmed: programmed, Failed: d.closed(view), Settings: d.settings.Refused()}, err
}

// carryOut tells the kernel what was put into the ledger.
func (d *Driver) carryOut(ctx context.Context) error {
	p, err := d.ledger.finish()
	if err != nil {
		return err
	}
	rulesOf := func(chain string) ([]nft.Rule, error) { return d.conn.Rules(tableName, chain) }
	for _, step := range p.steps() {
		if err := retry(ctx, func() error { return d.commit(step, rulesOf) }); err != nil {
			return err
		}
	}
	return nil
}

// commit sends a plan as one transaction.
func (d *Driver) commit(p *plan, rulesOf func(string) ([]nft.Rule, error)) error {
	b := nft.NewBatch(tableName)
	if err := (emitter{b, rulesOf}).emit(p); err != nil {
		return err
	}
	return d.conn.Commit(b)
}

// reconcile makes the kernel hold exactly what view asks, whatever it holds now. A unit that cannot be rendered, or that the kernel
// refuses, is left out together with the endpoints that need it, and the rest is tried again.
func (d *Driver) reconcile(ctx context.Context, view desired.View) (dataplane.Report, error) {
	d.ledger = nil
	for {
		closed := d.closed(view)
		l, count, err := d.tryReconcile(ctx, d.settings.View(view), closed)
		switch blamed := d.blame(err, l, view); {
		case err == nil:
			d.settings.Take(view)
			report := dataplane.Report{Failed: closed, Settings: d.settings.Refused()}
			if d.synced {
				report.Repaired = count
			}
			report.Programmed, err = d.readBackAll(l, closed)
			if err == nil {
				d.ledger, d.synced = l, true
			}
			return report, err
		case !blamed || ctx.Err() != nil:
			return dataplane.Report{}, err
		}
	}
}

// tryReconcile reconciles without the closed endpoints and failed sets.
func (d *Driver) tryReconcile(ctx context.Context, view desired.View, closed map[desired.EndpointID]error) (*ledger, int, error) {
	l := newLedger(view, d.options)
	l.present = d.present
	if err := l.putView(closed, d.failed); err != nil {
		return l, 0, err
	}
	if err := d.shutOrphans(l); err != nil {
		return l, 0, err
	}
	whole, err := l.finish()
	if err != nil {
		return l, 0, err
	}
	count := 0
	err = retry(ctx, func() error {
		var err error
		count, err = d.repair(whole)
		return err
	})
	return l, count, err
}

// repair commits the difference between the whole table and what the kernel holds. It returns how much differed.
func (d *Driver) repair(whole *plan) (int, error) {
	h, err := readTable(d.conn)
	if err != nil {
		return 0, err
	}
	change, err := diff(d.conn, whole, h)
	if err != nil || change.count == 0 {
		return 0, err
	}
	rulesOf := func(chain string) ([]nft.Rule, error) { return h.rules[chain], nil }
	if change.rebuild {
		return change.count, d.rebuild(&change.plan, rulesOf)
	}
	for _, step := range change.steps() {
		if err := d.commit(step, rulesOf); err != nil {
			return 0, err
		}
	}
	return change.count, nil
}

// rebuild writes the whole table in place of the one that is there, in one transaction. For a moment of it new connections are dropped (see
// Remove), but none passes that policy denies.
func (d *Driver) rebuild(whole *plan, rulesOf func(string) ([]nft.Rule, error)) error {
	b := nft.NewBatch(tableName)
	b.DelTable()
	if err := (emitter{b, rulesOf}).emit(whole); err != nil {
		return err
	}
	return d.conn.Commit(b)
}

// retry repeats f while it fails for passing reasons, with growing pauses, until ctx ends or patience does.
func retry(ctx context.Context, f func() error) error {
	const attempts = 8
	pause := time.Millisecond
	for i := 1; ; i++ {
		err := f()
		if err == nil || !nft.Temporary(err) || i == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
			pause *= 2
		}
	}
}
