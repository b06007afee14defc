// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/http"
)

// serveHealth answers probes on the configured listener until ctx ends.
func (a *Agent) serveHealth(ctx context.Context) error {
	if a.config.Health == nil {
		return nil
	}
	return serve(ctx, a.config.Health, a.healthHandler())
}

// healthHandler answers /livez while the agent's loop turns, and /readyz when workloads can be started, else with the reason. A peer or a datastore that is away
// is no reason for a restart.
func (a *Agent) healthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, a.loop.ask(r.Context(), func() {}))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := (backend{a}).Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		reply(w, struct{}{}, true)
	})
	return mux
}
