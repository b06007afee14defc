// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"io"
	"net"
	"sync"
	"time"
)

// beat is the time between two beats, and standstill a pause between them that says that the machine has not got round to them.
const (
	beat       = 5 * time.Millisecond
	standstill = 10 * beat
)

// metronome tells what a busy machine holds up from what a data plane does: it is a TCP flow over loopback, past all policy.
type metronome struct {
	mu     sync.Mutex
	last   time.Time
	pauses [][2]time.Time
}

// beats starts a metronome that goes on until the last generator has ended.
func (tr *traffic) beats() *metronome {
	tr.c.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tr.c.t.Fatal(err)
	}
	tr.sinks.Go(func() { tr.serve(ln) })
	tr.closers = append(tr.closers, func() { _ = ln.Close() })
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tr.c.t.Fatal(err)
	}
	m := &metronome{last: time.Now()}
	tr.sinks.Go(func() {
		defer func() { _ = conn.Close() }()
		if err := m.run(tr, conn); err != nil && tr.over.Err() == nil {
			tr.fail("metronome: %v", err)
		}
	})
	return m
}

func (m *metronome) run(tr *traffic, conn net.Conn) error {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	b := make([]byte, 1)
	for tr.over.Err() == nil {
		<-ticker.C
		if _, err := conn.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, b); err != nil {
			return err
		}
		m.mu.Lock()
		if now := time.Now(); now.Sub(m.last) > standstill {
			m.pauses = append(m.pauses, [2]time.Time{m.last, now})
		}
		m.last = time.Now()
		m.mu.Unlock()
	}
	return nil
}

// took is how long something that begun at from has taken until now, without the pauses of the machine.
func (m *metronome) took(from time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	all := now.Sub(from)
	for _, p := range append(m.pauses[:len(m.pauses):len(m.pauses)], [2]time.Time{m.last, now}) {
		if p[1].Sub(p[0]) > standstill && p[1].After(from) {
			if p[0].Before(from) {
				p[0] = from
			}
			all -= p[1].Sub(p[0])
		}
	}
	return all
}
