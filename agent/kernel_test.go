// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/store/memstore"
)

func TestHits(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("readiness", n.ready)
	if hits, err := n.client().Hits(t.Context()); err != nil || hits["r1"] != 2 {
		t.Errorf("%v, %v", hits, err)
	}
}

// TestConnectionQuery refuses half a question.
func TestConnectionQuery(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("readiness", n.ready)
	q := agentapi.ConnectionQuery{Source: netip.MustParseAddr("127.0.0.1"), Protocol: 6}
	if _, err := n.client().Connections(t.Context(), q); err == nil || !strings.Contains(err.Error(), "source and destination are addresses") {
		t.Errorf("without a destination: %v", err)
	}
}
