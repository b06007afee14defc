// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/http/httptest"
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

// TestConnectionQuery refuses what is no question, and takes what is left out for anything.
func TestConnectionQuery(t *testing.T) {
	for query, want := range map[string]agentapi.ConnectionQuery{
		"protocol=0&port=0":                     {},
		"source=192.0.2.1&protocol=6&port=80":   {Source: netip.MustParseAddr("192.0.2.1"), Protocol: 6, Port: 80},
		"destination=fd00::1&protocol=0&port=0": {Destination: netip.MustParseAddr("fd00::1")},
	} {
		if got, err := connectionQuery(httptest.NewRequest("GET", "/v1/connections?"+query, nil)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", query, got, err)
		}
	}
	for _, query := range []string{"source=web&protocol=6&port=80", "protocol=tcp&port=80", "protocol=6&port=70000", "protocol=6"} {
		if got, err := connectionQuery(httptest.NewRequest("GET", "/v1/connections?"+query, nil)); err == nil || !strings.Contains(err.Error(), "source and destination are addresses") {
			t.Errorf("%s: %+v, %v", query, got, err)
		}
	}
}
