// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Conn is a connection to nf_tables of the network namespace of the thread that opened it. One caller at a time.
type Conn struct{ nl *nfnetlink.Conn }

// Open opens a connection in the network namespace of the calling thread. It needs CAP_NET_ADMIN there.
func Open() (*Conn, error) {
	nl, err := nfnetlink.Open()
	if err != nil {
		return nil, fmt.Errorf("nf_tables: %w", err)
	}
	return &Conn{nl}, nil
}

// Port is the connection's netlink port: changes made through it carry it in their notifications.
func (c *Conn) Port() uint32 { return c.nl.Port() }

// Close closes the connection. A second call does nothing.
func (c *Conn) Close() error { return c.nl.Close() }
