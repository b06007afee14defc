// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"maps"
	"slices"

	"github.com/weftnet/weft/agent/record"
)

// lookup returns the record of an attachment, or nil.
func (s *Server) lookup(id string) *record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id]
}

// holder returns another attachment's record that has the host side name, or nil.
func (s *Server) holder(hostIf, id string) *record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.known {
		if r.HostIf == hostIf && r.ID() != id {
			return r
		}
	}
	return nil
}

// all returns the records there are now.
func (s *Server) all() []*record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.known))
}

// remember writes a record to disk, then to memory. It takes the place of an older one of the same ID and of what that still owed.
func (s *Server) remember(r *record.Record) error {
	if err := s.records.Put(r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[r.ID()] = r
	delete(s.debts, r.ID())
	return nil
}

// forget removes a record from memory and disk. s.mu is held.
func (s *Server) forget(r *record.Record) {
	delete(s.known, r.ID())
	delete(s.debts, r.ID())
	if err := s.records.Delete(r.ID()); err != nil {
		s.log.Warn("endpoint record not removed", "container", r.ContainerID, "error", err)
	}
}
