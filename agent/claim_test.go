// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/store/memstore"
)

// TestABusyLoopHearsTheNodesAddress: however long the loop takes to listen, it learns the addresses that the node has joined with.
func TestABusyLoopHearsTheNodesAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		a := &Agent{
			config: Config{Node: "n1", StateDir: t.TempDir(), IP4: "192.0.2.1/24", IP6: noAddress, Store: memstore.New(), Log: log}, log: log,
			loop: &loop{queries: make(chan func()), ended: make(chan struct{})}, sizes: newSizer(newFakePaths(), log),
			claimed: make(chan struct{}), nodeChanged: make(chan struct{}, 1), hostChanged: make(chan struct{}, 1),
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.claimName(ctx) }()
		time.Sleep(2 * claimTimeout)
		(<-a.loop.queries)()
		<-a.claimed
		if got, want := a.address.v4.Value, netip.MustParsePrefix("192.0.2.1/24"); got != want {
			t.Errorf("the loop knows %v, want %v", got, want)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
