// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"net"
	"testing"

	"github.com/weftnet/weft/store/storetest"
)

// Proxy is an address that leads to a server and can be made slow, deaf or dead.
type Proxy struct {
	*storetest.Proxy
	Address string
}

// NewProxy listens on loopback until the end of the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &Proxy{storetest.Forward(t, l, "tcp", target), l.Addr().String()}
}
