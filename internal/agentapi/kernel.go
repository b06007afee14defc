// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agentapi

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
)

// ConnectionQuery selects connections; its zero value all of them. Destination and Port are those that packets reach, after any translation.
type ConnectionQuery struct {
	Source, Destination netip.Addr // not valid: any
	Protocol            uint8      // IP protocol number; 0: any
	Port                uint16     // 0: any
}

// Connection is one that the kernel tracks, as packets look in each direction.
type Connection struct {
	Original string `json:"original"` // "tcp 10.0.0.1:40000 -> 10.0.0.2:80"
	Reply    string `json:"reply"`
	// Flow is who opened it to whom, after any translation of the destination.
	Flow Flow `json:"flow"`
}

// Flow is what policy judged when a connection was opened.
type Flow struct {
	Source      netip.Addr `json:"source"`
	Destination netip.Addr `json:"destination"`
	Protocol    uint8      `json:"protocol"` // IP protocol number
	Port        uint16     `json:"port,omitempty"`
	// ICMPType and ICMPCode are those of the packet that opened it.
	ICMPType uint8 `json:"icmpType,omitempty"`
	ICMPCode uint8 `json:"icmpCode,omitempty"`
}

// Hits returns how many packets each rule of this node has decided since it was programmed, by RuleID. Packets of established connections do not
// meet rules.
func (c *Client) Hits(ctx context.Context) (map[string]uint64, error) {
	var hits map[string]uint64
	return hits, c.get(ctx, "/v1/hits", &hits)
}

// Connections returns the connections of a flow that this node's kernel knows.
func (c *Client) Connections(ctx context.Context, q ConnectionQuery) ([]Connection, error) {
	values := url.Values{"protocol": {strconv.Itoa(int(q.Protocol))}, "port": {strconv.Itoa(int(q.Port))}}
	for name, addr := range map[string]netip.Addr{"source": q.Source, "destination": q.Destination} {
		if addr.IsValid() {
			values.Set(name, addr.String())
		}
	}
	var list []Connection
	return list, c.get(ctx, "/v1/connections?"+values.Encode(), &list)
}
