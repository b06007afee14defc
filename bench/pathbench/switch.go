// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathbench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// policySwitch takes policy out of all nodes of a lab and lets it come back.
type policySwitch struct {
	lab   *lab.Lab
	conns []*nft.Conn // by node
}

func newSwitch(l *lab.Lab) (*policySwitch, error) {
	sw := &policySwitch{lab: l}
	for _, node := range l.Nodes() {
		ns, err := l.Namespace(node)
		if err == nil {
			err = ns.Do(func() error {
				conn, err := nft.Open()
				if err == nil {
					sw.conns = append(sw.conns, conn)
				}
				return err
			})
			err = errors.Join(err, ns.Close())
		}
		if err != nil {
			return nil, errors.Join(err, sw.close())
		}
	}
	return sw, nil
}

func (sw *policySwitch) close() error {
	var err error
	for _, c := range sw.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// off halts the agents and deletes their tables. It is short enough for BGP not to notice.
func (sw *policySwitch) off(ctx context.Context) error {
	for i, node := range sw.lab.Nodes() {
		if err := sw.lab.KillAgent(ctx, node, syscall.SIGSTOP); err != nil {
			return err
		}
		b := nft.NewBatch(own.NFTable)
		b.DelTable()
		if err := sw.conns[i].Commit(b); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	return nil
}

// The bounds of the wait for policy to come back.
const repairTimeout, repairPoll = 10 * time.Second, 5 * time.Millisecond

// on lets the agents go on and waits until their tables judge packets again: a table comes first, its base chains, with connection tracking, in
// a second transaction. A connection made in between would not be known, and cut off.
func (sw *policySwitch) on(ctx context.Context) error {
	for _, node := range sw.lab.Nodes() {
		if err := sw.lab.KillAgent(ctx, node, syscall.SIGCONT); err != nil {
			return err
		}
	}
	for i, node := range sw.lab.Nodes() {
		for deadline := time.Now().Add(repairTimeout); ; time.Sleep(repairPoll) {
			chains, err := sw.conns[i].Chains(own.NFTable)
			if err != nil {
				return fmt.Errorf("node %s: %w", node, err)
			}
			if slices.ContainsFunc(chains, func(c nft.Chain) bool { return c.Hook != nil }) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("node %s has not repaired its table within %v", node, repairTimeout)
			}
		}
	}
	return nil
}
