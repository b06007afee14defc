// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// given are the addresses that FreeAddress has returned.
var given sync.Map

// FreeAddress returns a loopback address that nobody listens on now, and never the same twice. Its port is none that the kernel gives to connections: a server
// that a test stops finds it free when it starts again.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprint("127.0.0.1:", 10000+rand.N(22000)) // net.ipv4.ip_local_port_range begins at 32768
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		if _, again := given.LoadOrStore(address, true); !again {
			return address
		}
	}
	t.Fatal("no port of loopback is free")
	return ""
}
