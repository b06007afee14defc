// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy leads from a socket to a server and can be made slow, deaf or dead.
type Proxy struct {
	network, target string

	mu    sync.Mutex
	delay time.Duration
	dead  bool          // connections are closed at once
	hold  chan struct{} // not nil: bytes wait until it is closed
	drop  bool          // answers are thrown away, and then the connection is closed
	conns map[net.Conn]bool
}

// Forward serves a listener, which may be of another network namespace, until the end of the test. Network and target are the server's, as for net.Dial.
func Forward(t testing.TB, l net.Listener, network, target string) *Proxy {
	p := &Proxy{network: network, target: target, conns: map[net.Conn]bool{}}
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
		p.Cut()
		wg.Wait()
	})
	return p
}

// set changes the mode. Connections of a dead proxy are closed, those of a deaf one that hears again go on.
func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.dead {
		p.wake()
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

// wake lets waiting bytes go on.
func (p *Proxy) wake() {
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
}

// Idle tells whether no connection passes through the proxy.
func (p *Proxy) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}

// Cut closes all connections and refuses new ones until Mend.
func (p *Proxy) Cut() { p.set(func() { p.dead = true }) }

// Mend undoes Cut and LoseAnswers.
func (p *Proxy) Mend() { p.set(func() { p.dead, p.drop = false, false }) }

// Deafen lets connections live and bytes wait, until Hear or Cut.
func (p *Proxy) Deafen() { p.set(func() { p.hold = make(chan struct{}) }) }

// Hear undoes Deafen.
func (p *Proxy) Hear() { p.set(p.wake) }

// LoseAnswers lets requests through, and closes a connection instead of delivering the next answer on it.
func (p *Proxy) LoseAnswers() { p.set(func() { p.drop = true }) }

// Delay has everything take so much longer.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

func (p *Proxy) serve(client net.Conn) {
	defer p.close(client)
	server, err := net.Dial(p.network, p.target)
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

func (p *Proxy) copy(to io.Writer, from io.Reader, answers bool) {
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
