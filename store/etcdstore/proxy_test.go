// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/store/storetest"
)

// proxy leads to an etcd server.
type proxy struct {
	*storetest.Proxy
	endpoint string
}

// startProxy listens on a unix socket, or for an https server on loopback TCP.
func startProxy(t testing.TB, endpoint string) *proxy {
	t.Helper()
	kind, address, _ := strings.Cut(endpoint, "://")
	server, network, listen := "tcp", "unix", filepath.Join(t.TempDir(), "p.sock")
	switch kind {
	case "unix":
		server = "unix"
	case "https":
		network, listen = "tcp", "127.0.0.1:0"
	}
	l, err := net.Listen(network, listen)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{storetest.Forward(t, l, server, address), "unix://" + listen}
	if kind == "https" {
		p.endpoint = "https://" + l.Addr().String()
	}
	return p
}
