// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"

	"github.com/weftnet/weft/store"
)

// Health says how the controllers are; the zero value is ready for use, and nil for none. It serves HTTP: /livez is always well while the process answers, /readyz
// when the controllers follow the datastore or another process acts, and both list what cannot be done. A failing controller is an alarm, no reason for a restart.
type Health struct {
	mu      sync.Mutex
	synced  bool
	reason  string
	leader  string // another process that acts
	failed  map[string]string
	noProbe bool // healthChecks: Disabled
}

// status is what is served.
type status struct {
	Ready bool `json:"ready"`
	// Leader is the process that acts, if this one does not.
	Leader string `json:"leader,omitempty"`
	// Datastore says why it is not followed.
	Datastore string `json:"datastore,omitempty"`
	// Failing controllers, with their last error.
	Failing map[string]string `json:"failing,omitempty"`
}

func (h *Health) datastore(b store.Batch) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.synced, h.reason, h.leader = b.InSync, "", ""
	if b.Err != nil {
		h.reason = b.Err.Error()
	}
}

// follow notes that this process does not act, and which other does, if that is known.
func (h *Health) follow(leader string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.synced, h.reason, h.leader, h.failed = false, "", leader, nil
}

// acted notes the outcome of a controller.
func (h *Health) acted(name string, err error) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = map[string]string{}
	}
	delete(h.failed, name)
	if err != nil {
		h.failed[name] = err.Error()
	}
}

func (h *Health) configure(healthChecks string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noProbe = healthChecks == "Disabled"
}

func (h *Health) status() status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return status{h.synced || h.leader != "", h.leader, h.reason, maps.Clone(h.failed)}
}

func (h *Health) serves(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.noProbe && (path == "/livez" || path == "/readyz")
}

// ServeHTTP answers /livez and /readyz, unless the configuration has healthChecks: Disabled.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.serves(r.URL.Path) {
		http.NotFound(w, r)
		return
	}
	s := h.status()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/readyz" && !s.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(s) // the client is gone if it fails
}
