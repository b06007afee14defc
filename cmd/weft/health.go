// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// listenHealth listens on an address, or returns nil if that is empty.
func listenHealth(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--health-address: %w", err)
	}
	return listener, nil
}

// serveHealth serves on an address, or nowhere if that is empty.
func serveHealth(address string, handler http.Handler) (stop func(), err error) {
	listener, err := listenHealth(address)
	if err != nil || listener == nil {
		return func() {}, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return func() { _ = server.Close() }, nil
}
