// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is an address that leads to a server and can be made dead or deaf.
type Proxy struct {
	Address string
	target  string

	mu    sync.Mutex
	dead  bool
	hold  chan struct{} // not nil: bytes wait until it is closed
	conns map[net.Conn]bool
}

// NewProxy listens on loopback until the end of the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return Forward(t, l, target)
}

// Forward serves a listener, which may be of another network namespace, until the end of the test.
func Forward(t testing.TB, l net.Listener, target string) *Proxy {
	t.Helper()
	p := &Proxy{Address: l.Addr().String(), target: target, conns: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.Cut(); wg.Wait() })
	return p
}

// Cut closes all connections and refuses new ones until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
}

// Mend undoes Cut.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
}

// Deafen lets connections live and bytes wait, until Cut.
func (p *Proxy) Deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = make(chan struct{})
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	defer p.close(client, server)
	if !p.add(client, server) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { defer p.close(client, server); p.copy(server, client) })
	wg.Go(func() { defer p.close(client, server); p.copy(client, server) })
	wg.Wait()
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.dead
}

func (p *Proxy) close(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *Proxy) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		hold := p.hold
		p.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if _, err := io.Copy(to, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}
