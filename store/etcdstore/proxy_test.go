// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is a socket that leads to a server and can be made slow, deaf or dead.
type proxy struct {
	endpoint string
	target   string // network:address

	mu    sync.Mutex
	delay time.Duration
	dead  bool          // connections are closed at once
	hold  chan struct{} // not nil: bytes wait until it is closed
	drop  bool          // answers are thrown away, and then the connection is closed
	conns map[net.Conn]bool
}

// startProxy listens on a unix socket, or for an https server on loopback TCP.
func startProxy(t testing.TB, endpoint string) *proxy {
	t.Helper()
	kind, address, _ := strings.Cut(endpoint, "://")
	p := &proxy{target: "tcp:" + address, conns: map[net.Conn]bool{}}
	network, listen := "unix", filepath.Join(t.TempDir(), "p.sock")
	switch kind {
	case "unix":
		p.target = "unix:" + address
	case "https":
		network, listen = "tcp", "127.0.0.1:0"
	}
	l, err := net.Listen(network, listen)
	if err != nil {
		t.Fatal(err)
	}
	p.endpoint = "unix://" + listen
	if kind == "https" {
		p.endpoint = "https://" + l.Addr().String()
	}
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
	t.Cleanup(func() {
		_ = l.Close()
		p.set(func() { p.dead = true })
		wg.Wait()
	})
	return p
}

// set changes the mode. Connections of a dead proxy are closed, those of a deaf one that hears again go on.
func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.dead {
		if p.hold != nil {
			close(p.hold)
			p.hold = nil
		}
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

func (p *proxy) cut()  { p.set(func() { p.dead = true }) }
func (p *proxy) mend() { p.set(func() { p.dead, p.drop = false, false }) }

// deafen lets connections live and bytes wait.
func (p *proxy) deafen() { p.set(func() { p.hold = make(chan struct{}) }) }

// hear undoes deafen.
func (p *proxy) hear() { p.set(func() { close(p.hold); p.hold = nil }) }

// loseAnswers lets requests through, and closes a connection instead of delivering the next answer on it.
func (p *proxy) loseAnswers() { p.set(func() { p.drop = true }) }

func (p *proxy) serve(client net.Conn) {
	defer p.close(client)
	network, address, _ := strings.Cut(p.target, ":")
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer p.close(server)
	if !p.add(client, server) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { defer p.close(client, server); p.copy(server, client, false) })
	wg.Go(func() { defer p.close(client, server); p.copy(client, server, true) })
	wg.Wait()
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.dead
}

func (p *proxy) close(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) copy(to io.Writer, from io.Reader, answers bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		delay, hold, drop := p.delay, p.hold, p.drop
		p.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if drop && answers {
			return
		}
		time.Sleep(delay) // this is what the proxy is for
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
