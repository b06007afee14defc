// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weftnet/weft/agent/record"
)

const (
	// releaseTimeout is how long a removal waits for the datastore before it leaves the rest to the background.
	releaseTimeout = 2 * time.Second
	// retryPause is the pause between attempts of the background.
	retryPause = time.Second
)

// debt is what a removal still owes. Its record stays until all is paid, over restarts too.
type debt struct {
	record    *record.Record
	unlinked  bool // the interface is gone
	released  bool // the addresses are free
	published bool // the datastore has forgotten the endpoint
}

// errReleaseLater says that addresses are not released yet; the background goes on trying.
var errReleaseLater = errors.New("addresses are not released yet")

// remove undoes a record: first out of force, then the interface, then the addresses, so that an address is free only when nobody
// can use it any more. The error Is errReleaseLater when only the datastore is missing. The host side name is locked.
func (s *Server) remove(ctx context.Context, r *record.Record) error {
	d, err := s.takeOut(r)
	if err != nil {
		return err
	}
	return s.pay(ctx, d)
}

// takeOut takes an endpoint out of force and writes down what is left to do.
func (s *Server) takeOut(r *record.Record) (*debt, error) {
	gone := *r
	gone.State = record.Deleting
	if err := s.remember(&gone); err != nil {
		return nil, err
	}
	d := &debt{record: &gone}
	s.mu.Lock()
	s.debts[gone.ID()] = d
	s.mu.Unlock()
	published := func() { s.settle(d, func() { d.published = true }) }
	if s.holder(gone.HostIf, gone.ID()) != nil {
		published() // a newer sandbox of the pod has taken over interface and endpoint
	} else {
		s.backend.Unregister(gone.Endpoint, published)
	}
	return d, nil
}

// pay deletes the interface and releases the addresses; what fails is tried again in the background.
func (s *Server) pay(ctx context.Context, d *debt) error {
	if !d.unlinked {
		if err := s.links.Delete(d.record.HostIf, d.record.ContainerID); err != nil {
			s.retryLater()
			return err
		}
		s.settle(d, func() { d.unlinked = true })
	}
	if d.released {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if err := s.backend.Release(ctx, d.record.Handle); err != nil {
		s.retryLater()
		return fmt.Errorf("%w: %w", errReleaseLater, err)
	}
	s.settle(d, func() { d.released = true })
	return nil
}

// settle notes a payment and forgets the record when nothing is owed any more and no new ADD has taken its place.
func (s *Server) settle(d *debt, payment func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	payment()
	if d.unlinked && d.released && d.published && s.debts[d.record.ID()] == d {
		s.forget(d.record)
	}
}

func (s *Server) retryLater() {
	select {
	case s.owing <- struct{}{}:
	default:
	}
}

// payDebts tries again, until ctx ends, what removals could not do at once.
func (s *Server) payDebts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.owing:
		}
		for _, d := range s.unpaid() {
			unlock := s.locks.lock(d.record.HostIf)
			if s.lookup(d.record.ID()) == d.record { // else a new ADD has paid and taken its place
				if err := s.pay(ctx, d); err != nil {
					s.log.Warn("CNI DEL not finished yet, retrying", "container", d.record.ContainerID, "handle", d.record.Handle, "error", err)
				}
			}
			unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

func (s *Server) unpaid() []*debt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(s.debts)), func(d *debt) bool { return d.unlinked && d.released })
}

// Restore takes over the records of an earlier run. What was left half done is undone in the background, once Serve runs, until that works.
func (s *Server) Restore(_ context.Context, records []*record.Record) {
	s.mu.Lock()
	for _, r := range records {
		s.known[r.ID()] = r
	}
	s.mu.Unlock()
	for _, r := range records {
		if r.State == record.Ready {
			continue
		}
		if _, err := s.takeOut(r); err != nil {
			s.log.Warn("unfinished CNI request not undone; its DEL will do that", "container", r.ContainerID, "error", err)
		}
		s.retryLater()
	}
}
