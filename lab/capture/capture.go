// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package capture tells in which form packets travel on an underlay: Start a Tap on links of a network namespace, and Stop it to get what
// was received there.
package capture

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/packet"
)

// Tap listens.
type Tap struct {
	conns   []*packet.Conn
	stopped atomic.Bool
	readers sync.WaitGroup

	mu   sync.Mutex
	seen map[Packet]int
	errs []error
}

// Start listens on links of ns to what they receive.
func Start(ns *netns.NS, links ...string) (*Tap, error) {
	t := &Tap{seen: map[Packet]int{}}
	err := ns.Do(func() error {
		for _, name := range links {
			c, err := packet.Open(name)
			if err != nil {
				return err
			}
			t.conns = append(t.conns, c)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("capture: %w", err), t.close())
	}
	for _, c := range t.conns {
		t.readers.Go(func() { t.read(c) })
	}
	return t, nil
}

// look is how long a reader waits before it looks whether it is to stop.
const look = 50 * time.Millisecond

func (t *Tap) read(c *packet.Conn) {
	buf := make([]byte, 1<<16)
	for {
		patience := look
		last := t.stopped.Load()
		if last {
			patience = 0 // what has arrived is still read
		}
		frame, err := c.Receive(buf, patience)
		switch p, ok := Parse(frame); {
		case errors.Is(err, packet.ErrTimeout):
			if last {
				return
			}
		case err != nil:
			t.mu.Lock()
			t.errs = append(t.errs, err)
			t.mu.Unlock()
			return
		case ok:
			t.mu.Lock()
			t.seen[p]++
			t.mu.Unlock()
		}
	}
}

// Stop returns how often each packet was received until now. The error says as well when packets came too fast to be read.
func (t *Tap) Stop() (map[Packet]int, error) {
	t.stopped.Store(true)
	t.readers.Wait()
	for _, c := range t.conns {
		lost, err := c.Lost()
		if err == nil && lost > 0 {
			err = fmt.Errorf("%d frames came too fast to be captured", lost)
		}
		t.errs = append(t.errs, err)
	}
	return t.seen, errors.Join(errors.Join(t.errs...), t.close())
}

func (t *Tap) close() error {
	var err error
	for _, c := range t.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}
