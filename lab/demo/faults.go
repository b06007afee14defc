// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/weftnet/weft/internal/agentapi"
)

// damage deletes the policy table of the database's node and waits for its return.
func damage(ctx context.Context, d *demo) error {
	before, err := d.lab.Agent("n3").Status(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := d.lab.DeleteTable(ctx, "n3"); err != nil {
		return err
	}
	_, err = d.await(ctx, "n3", func(s agentapi.Status) error {
		if s.Dataplane.Repaired <= before.Dataplane.Repaired {
			return errors.New("the agent of n3 has not repaired the table")
		}
		return nil
	})
	d.expect(err == nil, fmt.Sprintf("the table is back, within %d ms", time.Since(begin).Milliseconds()), fmt.Sprint(err))
	return d.expectStillProtected(ctx)
}

// kill takes the agent of the database's node away and brings it back.
func kill(ctx context.Context, d *demo) error {
	if err := d.lab.KillAgent(ctx, "n3", syscall.SIGKILL); err != nil {
		return err
	}
	d.printf("  the agent of n3 is dead\n")
	if err := d.expectStillProtected(ctx); err != nil {
		return err
	}
	if err := d.lab.StartAgent(ctx, "n3"); err != nil {
		return err
	}
	if err := d.lab.Converge(ctx); err != nil {
		return err
	}
	d.printf("  the agent of n3 runs again\n")
	return d.expectStillProtected(ctx)
}

// expectStillProtected probes everything once: what was in force before must be so now, without a second try.
func (d *demo) expectStillProtected(ctx context.Context) error {
	m, err := d.lab.Matrix(ctx, nil, nil)
	if err != nil {
		return err
	}
	d.expectProtected(m)
	return nil
}
