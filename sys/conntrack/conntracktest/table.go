// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package conntracktest is a table of connections without a kernel: fill a Table with Put and use it in place of a conntrack.Conn.
package conntracktest

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/weftnet/weft/sys/conntrack"
)

// Table behaves like the kernel's table. The zero value is empty and ready for use, by several goroutines.
type Table struct {
	mu     sync.Mutex
	err    error
	flows  []conntrack.Flow
	lastID uint32
	lists  []conntrack.Filter
}

// Fail has every call return an error and do nothing; nil ends that.
func (t *Table) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
}

// Put adds flows as if their packets had passed. Without a Reply, that is Orig turned round.
func (t *Table) Put(flows ...conntrack.Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range flows {
		if !f.Reply.Src.IsValid() {
			f.Reply = Reverse(f.Orig)
		}
		t.lastID++
		f.ID = t.lastID
		t.flows = append(t.flows, f)
	}
}

// Reverse returns the tuple of answers to a connection whose addresses nobody translates.
func Reverse(t conntrack.Tuple) conntrack.Tuple {
	t.Src, t.Dst, t.SrcPort, t.DstPort = t.Dst, t.Src, t.DstPort, t.SrcPort
	return t
}

// Flows returns what is in the table, in order of arrival.
func (t *Table) Flows() []conntrack.Flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.flows)
}

// Lists returns the filters that List was called with.
func (t *Table) Lists() []conntrack.Filter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lists)
}

// Count is that of conntrack.Conn.
func (t *Table) Count() (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.flows), t.err
}

// List is that of conntrack.Conn.
func (t *Table) List(f conntrack.Filter, yield func(conntrack.Flow)) error {
	t.mu.Lock()
	t.lists = append(t.lists, f)
	flows, err := slices.Clone(t.flows), t.err
	t.mu.Unlock()
	if err != nil {
		return err
	}
	for i := range flows {
		if f.Matches(&flows[i]) {
			yield(flows[i])
		}
	}
	return nil
}

// SetMark is that of conntrack.Conn.
func (t *Table) SetMark(flow conntrack.Flow, value, mask uint32) error {
	return t.change("mark", flow, func(i int) { t.flows[i].Mark = t.flows[i].Mark&^mask | value&mask })
}

// Delete is that of conntrack.Conn.
func (t *Table) Delete(flow conntrack.Flow) error {
	return t.change("delete", flow, func(i int) {
		if t.flows[i].ID == flow.ID {
			t.flows = slices.Delete(t.flows, i, i+1)
		}
	})
}

func (t *Table) change(what string, flow conntrack.Flow, do func(i int)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	i := slices.IndexFunc(t.flows, func(f conntrack.Flow) bool { return f.Orig == flow.Orig && f.Zone == flow.Zone })
	if i < 0 {
		return fmt.Errorf("%s connection %s: %w", what, flow.Orig, fs.ErrNotExist)
	}
	do(i)
	return nil
}
