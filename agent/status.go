// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weftnet/weft/desired"
)

// statusTable says of each local endpoint what has been programmed and read back. It is the one place where the loop's results
// become visible to other goroutines.
type statusTable struct {
	mu      sync.Mutex
	entries map[desired.EndpointID]endpointState
	changed chan struct{} // closed and replaced at every change
}

// endpointState holds the input revision that each part has confirmed.
type endpointState struct {
	policy, routes       uint64
	policyErr, routesErr error
}

func newStatusTable() *statusTable {
	return &statusTable{entries: map[desired.EndpointID]endpointState{}, changed: make(chan struct{})}
}

// update changes entries under the lock and wakes the waiters.
func (s *statusTable) update(change func(entries map[desired.EndpointID]endpointState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.entries)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *statusTable) get(id desired.EndpointID) (endpointState, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[id], s.changed
}

// wait blocks until policy and routes of id are programmed at revision or later. Its error says what was still missing.
func (s *statusTable) wait(ctx context.Context, id desired.EndpointID, revision uint64) error {
	for {
		state, changed := s.get(id)
		if state.policy >= revision && state.routes >= revision {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("endpoint %s/%s is not programmed yet: %w", id.Namespace, id.Name, state.missing(revision, context.Cause(ctx)))
		}
	}
}

// missing explains what keeps an endpoint from being programmed.
func (e endpointState) missing(revision uint64, cause error) error {
	switch {
	case e.policyErr != nil:
		return fmt.Errorf("policy: %w", e.policyErr)
	case e.policy < revision:
		return fmt.Errorf("waiting for policy (%w)", cause)
	case e.routesErr != nil:
		return fmt.Errorf("routes: %w", e.routesErr)
	case e.routes < revision:
		return fmt.Errorf("waiting for routes (%w)", cause)
	}
	return errors.New("programmed")
}
