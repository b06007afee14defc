// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func planOf(peers ...string) *plan {
	p := &plan{peers: map[netip.Addr]plannedPeer{}}
	for _, a := range peers {
		p.peers[addr(a)] = plannedPeer{}
	}
	return p
}

// TestHearing: complete comes once, when the last peer was heard, or when the time is over.
func TestHearing(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(*hearing)
		want time.Duration
	}{
		{"both heard", func(h *hearing) { h.heard(addr("1.0.0.1")); time.Sleep(time.Second); h.heard(addr("1.0.0.2")) }, time.Second},
		{"one never comes", func(h *hearing) { h.heard(addr("1.0.0.1")) }, 120 * time.Second},
		{"one does not mark the end", func(h *hearing) { h.heardLater(addr("1.0.0.1")); h.heard(addr("1.0.0.2")) }, silentGrace},
		{"one is deleted", func(h *hearing) { h.heard(addr("1.0.0.1")); time.Sleep(time.Second); h.configure(planOf("1.0.0.1")) }, time.Second},
		{"one is added", func(h *hearing) {
			h.heard(addr("1.0.0.1"))
			h.configure(planOf("1.0.0.1", "1.0.0.2", "1.0.0.3"))
			h.heard(addr("1.0.0.2"))
		}, 120 * time.Second},
		{"a stranger", func(h *hearing) { h.heard(addr("1.0.0.1")); h.heard(addr("9.9.9.9")) }, 120 * time.Second},
		{"nobody to wait for", func(h *hearing) { h.configure(planOf()) }, 0},
		{"stopped", func(h *hearing) { h.stop(); h.heard(addr("1.0.0.1")); h.heard(addr("1.0.0.2")) }, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, at, calls := time.Now(), time.Duration(-1), 0
				h := newHearing(120*time.Second, func() { at, calls = time.Since(start), calls+1 })
				h.configure(planOf("1.0.0.1", "1.0.0.2"))
				c.act(h)
				time.Sleep(time.Hour)
				synctest.Wait()
				if at != c.want || calls > 1 {
					t.Errorf("complete after %s, %d times; want %s", at, calls, c.want)
				}
			})
		})
	}
}

func TestHearingWithoutPatience(t *testing.T) {
	for range 1000 {
		over := make(chan struct{})
		newHearing(0, func() { close(over) })
		<-over
	}
}
