// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// policySwitch takes policy out of all nodes of a lab and lets it come back.
type policySwitch struct {
	lab   *lab.Lab
	await func(ok func() error) error
	conns []*nft.Conn       // by node
	flows []*conntrack.Conn // by node
}

func newSwitch(l *lab.Lab, c Config) (*policySwitch, error) {
	sw := &policySwitch{lab: l, await: c.await}
	for _, node := range l.Nodes() {
		ns, err := l.Namespace(node)
		if err == nil {
			err = errors.Join(sw.open(ns), ns.Close())
		}
		if err != nil {
			return nil, errors.Join(err, sw.close())
		}
	}
	return sw, nil
}

// open opens what is needed of one more node.
func (sw *policySwitch) open(ns *netns.NS) error {
	flows, err := conntrack.Open(ns)
	if err != nil {
		return err
	}
	sw.flows = append(sw.flows, flows)
	return ns.Do(func() error {
		conn, err := nft.Open()
		if err == nil {
			sw.conns = append(sw.conns, conn)
		}
		return err
	})
}

func (sw *policySwitch) close() error {
	var err error
	for _, f := range sw.flows {
		err = errors.Join(err, f.Close())
	}
	for _, c := range sw.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// off halts the agents, deletes their tables and has the kernel forget the connections that were tracked: thousands that have been closed slow down
// what comes after them. It is short enough for BGP not to notice.
func (sw *policySwitch) off(ctx context.Context) error {
	for _, node := range sw.lab.Nodes() {
		if err := sw.lab.KillAgent(ctx, node, syscall.SIGSTOP); err != nil {
			return err
		}
	}
	if err := sw.commit(own.NFTable, (*nft.Batch).DelTable); err != nil {
		return err
	}
	return sw.forget()
}

// tracked is a table by hand that has the kernel track connections and does nothing else.
const tracked = "weft-bench-tracked"

// track has nodes without policy track connections: one rule accepts what is established. Any stateful filter costs that much.
func (sw *policySwitch) track(context.Context) error {
	var e nft.Exprs
	e.CtState(0)
	e.Mask(0, binary.NativeEndian.AppendUint32(nil, ctEstablished))
	e.Cmp(nft.CmpNeq, 0, make([]byte, 4))
	e.Verdict(nft.Verdict{Code: nft.VerdictAccept})
	return sw.commit(tracked, func(b *nft.Batch) {
		b.AddTable()
		b.AddChain(nft.Chain{Name: "forward", Hook: &nft.Hook{Num: nft.HookForward, Priority: nft.PriorityFilter}})
		b.AddRule("forward", e.Bytes(), nil)
	})
}

// ctEstablished is that bit of a connection state (NF_CT_STATE_BIT in the kernel).
const ctEstablished = 2

// untrack undoes track.
func (sw *policySwitch) untrack(context.Context) error {
	return sw.commit(tracked, (*nft.Batch).DelTable)
}

// commit changes a table of every node.
func (sw *policySwitch) commit(table string, change func(*nft.Batch)) error {
	for i, node := range sw.lab.Nodes() {
		b := nft.NewBatch(table)
		change(b)
		if err := sw.conns[i].Commit(b); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	return nil
}

// forget deletes the tracked connections of all nodes.
func (sw *policySwitch) forget() error {
	for i, node := range sw.lab.Nodes() {
		if err := forgetAll(sw.flows[i]); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	return nil
}

func forgetAll(c *conntrack.Conn) error {
	var flows []conntrack.Flow
	if err := c.List(conntrack.Filter{}, func(f conntrack.Flow) { flows = append(flows, f) }); err != nil {
		return err
	}
	for _, f := range flows {
		if err := c.Delete(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// poll is the pause between two looks whether something has happened.
const poll = 5 * time.Millisecond

// await waits until ok returns nil.
func (c Config) await(ok func() error) error {
	for deadline := time.Now().Add(c.Patience); ; time.Sleep(poll) {
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", c.Patience, err)
		}
	}
}

// on lets the agents go on and waits until their tables judge packets again: a table comes first, its base chains, with connection tracking, in
// a second transaction. A connection made in between would not be known, and cut off. Then the agents are through with the connections that they
// had to judge again; meanwhile they would take the processor away from what is measured.
func (sw *policySwitch) on(ctx context.Context) error {
	for _, node := range sw.lab.Nodes() {
		if err := sw.lab.KillAgent(ctx, node, syscall.SIGCONT); err != nil {
			return err
		}
	}
	for i, node := range sw.lab.Nodes() {
		if err := sw.await(func() error { return sw.judges(ctx, i, node) }); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	return nil
}

// judges says what a node still waits for.
func (sw *policySwitch) judges(ctx context.Context, i int, node string) error {
	chains, err := sw.conns[i].Chains(own.NFTable)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(chains, func(c nft.Chain) bool { return c.Hook != nil }) {
		return errors.New("the table has no base chains")
	}
	status, err := sw.lab.Agent(node).Status(ctx)
	if err == nil && status.Connections.Pending {
		err = errors.New("connections are still judged again")
	}
	return err
}
