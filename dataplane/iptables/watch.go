// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/xtables"
)

// lookEvery is how often IP sets are looked at, of which the kernel tells nothing; and with legacy also the tables, as not every tool need take
// the same lock.
const lookEvery = 10 * time.Second

// settle is how long signs of changes are collected before the kernel is looked at, at least; and lookShare times as long as a look takes, so that
// others who never stop changing things do not keep us busy.
const settle, lookShare = 50 * time.Millisecond, 10

// watcher finds out about foreign changes.
type watcher struct {
	signs *xtables.Watch // nil: there are none
	stop  context.CancelFunc
}

// startWatch begins to look after what the driver has programmed, until Close.
func (d *Driver) startWatch() error {
	w, err := xtables.OpenWatch(d.options.Flavour)
	if err != nil && d.options.Flavour == xtables.NFT {
		return err
	}
	if err != nil {
		d.options.Log.Warn("iptables: foreign changes are noticed by looking from time to time only", "error", err, "every", d.options.lookEvery)
	}
	ctx, stop := context.WithCancel(context.Background())
	d.watcher = watcher{w, stop}
	signs := make(chan xtables.Sign, signsMax)
	if w != nil {
		d.done.Go(func() { d.readSigns(ctx, w, signs) })
	}
	d.done.Go(func() { d.lookAfter(ctx, signs) })
	return nil
}

// stopWatch ends both loops.
func (d *Driver) stopWatch() error {
	if d.watcher.stop == nil {
		return nil
	}
	d.watcher.stop()
	var err error
	if d.watcher.signs != nil {
		err = d.watcher.signs.Close()
	}
	d.done.Wait()
	return err
}

// signsMax is how many signs wait here while the kernel is looked at; more wait in the kernel.
const signsMax = 64

// readSigns passes signs on until there are no more.
func (d *Driver) readSigns(ctx context.Context, w *xtables.Watch, signs chan<- xtables.Sign) {
	defer close(signs)
	for {
		sign, err := w.Next()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				d.options.Log.Warn("iptables: foreign changes are noticed by looking from time to time only", "error", err, "every", d.options.lookEvery)
				d.signal() // what is in the kernel is not known
			}
			return
		}
		select {
		case signs <- sign:
		case <-ctx.Done():
			return
		}
	}
}

// lookAfter looks at the kernel on signs of others' changes, and from time to time.
func (d *Driver) lookAfter(ctx context.Context, signs <-chan xtables.Sign) {
	ticker := time.NewTicker(d.options.lookEvery)
	defer ticker.Stop()
	blind := d.options.Flavour == xtables.Legacy
	pause := settle
	for {
		tables := true
		select {
		case <-ctx.Done():
			return
		case sign, more := <-signs:
			if !more {
				signs, blind = nil, true
				continue
			}
			if d.mine(sign) {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			for range len(signs) { // what they are of is there to be seen
				<-signs
			}
		case <-ticker.C:
			tables = blind
		}
		start := time.Now()
		d.check(ctx, tables)
		pause = max(settle, lookShare*time.Since(start))
	}
}

// mine tells whether a sign is of the driver's own making. It waits for the end of an Apply, which knows its signs by then.
func (d *Driver) mine(sign xtables.Sign) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tables.Mine(sign)
}

// check looks whether the kernel holds what it was given, and signals Events if it does not. It looks at sets' sizes, not at their members.
func (d *Driver) check(ctx context.Context, tables bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan == nil {
		return
	}
	same, err := d.sameSets()
	if err == nil && same && tables {
		same, err = d.sameTables(ctx)
	}
	if ctx.Err() == nil && (err != nil || !same) {
		d.signal()
	}
}

func (d *Driver) sameTables(ctx context.Context) (bool, error) {
	for _, key := range tableKeys() {
		want := d.plan.tables[key].tablePlan
		held, err := d.save(ctx, d.tables, key, want)
		if err != nil {
			return false, err
		}
		if script, _ := d.prints.change(key.name, want, held); !script.Empty() {
			return false, nil
		}
	}
	return true, nil
}

// sizeUnknown stands for a set whose size is not known: one that is the union of others.
const sizeUnknown = -1

// sameSets compares the sets that are there, and their sizes, with what is remembered. Sizes that are not known are learned.
func (d *Driver) sameSets() (bool, error) {
	headers, err := d.headers()
	if err != nil {
		return false, err
	}
	same := len(headers) == len(d.sizes)
	for name, size := range d.sizes {
		h, there := headers[name]
		switch {
		case !there || h.Set != d.plan.sets.byName[name].set:
			same = false
		case size == sizeUnknown:
			d.sizes[name] = h.Elements
		default:
			same = same && size == h.Elements
		}
	}
	return same, nil
}

// rememberSizes notes how large the sets are that have just been written.
func (d *Driver) rememberSizes() error {
	headers, err := d.headers()
	if err != nil {
		return err
	}
	d.sizes = make(map[string]int, len(headers))
	for name, h := range headers {
		d.sizes[name] = h.Elements
	}
	return nil
}

// resize keeps the sizes right through a change of members. Where a member can have several reasons to be in a set, that cannot be told from the
// change.
func (d *Driver) resize(s *setPlan, come, gone []ipset.Element) {
	half := func(e ipset.Element) bool { return e.Prefix.Bits() == 1 }
	if len(s.sources) > 1 || d.sizes[s.set.Name] == sizeUnknown || slices.ContainsFunc(come, half) || slices.ContainsFunc(gone, half) {
		d.sizes[s.set.Name] = sizeUnknown
		return
	}
	d.sizes[s.set.Name] += len(come) - len(gone)
}
