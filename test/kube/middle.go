// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Middle stands between clients and an API server, understands what they say, and can answer in its place.
type Middle struct {
	Address string

	mu       sync.Mutex
	handle   Handler
	requests int
}

// Handler answers a request, itself or by pass, which hands it to the API server.
type Handler func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc)

// NewMiddle listens on loopback until the end of the test, with the certificate of the API server. It passes everything on until Use.
func NewMiddle(t testing.TB, server *Server) *Middle {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(server.CAFile, filepath.Join(server.dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: server.Address})
	pass.Transport, pass.FlushInterval, pass.ErrorLog = transport, -1, log.New(io.Discard, "", 0)
	m := &Middle{}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.requests++
		handle := m.handle
		m.mu.Unlock()
		if handle == nil {
			pass.ServeHTTP(w, r)
			return
		}
		handle(w, r, pass.ServeHTTP)
	}))
	front.Config.ErrorLog = pass.ErrorLog
	front.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	front.StartTLS()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close(); transport.CloseIdleConnections() })
	m.Address = front.Listener.Addr().String()
	return m
}

// Use has h answer from the next request on; nil passes everything on.
func (m *Middle) Use(h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handle = h
}

// Requests returns how many requests there were.
func (m *Middle) Requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests
}
