// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/routing/routes"
)

// serveAdmin answers agentapi requests on a unix socket that only root can open, until ctx ends.
func (a *Agent) serveAdmin(ctx context.Context, socket string) error {
	listener, err := listenUnix(socket)
	if err != nil {
		return err
	}
	return serve(ctx, listener, a.adminHandler())
}

// serve answers until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", listener.Addr(), err)
	}
	return nil
}

func (a *Agent) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		status, ok := a.statusReport(r.Context())
		reply(w, status, ok)
	})
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, r *http.Request) {
		names, ok := a.tableNames(r.Context())
		reply(w, names, ok)
	})
	mux.HandleFunc("GET /v1/state/{table}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("table")
		names, ok := a.tableNames(r.Context())
		if ok && !slices.Contains(names, name) {
			http.Error(w, fmt.Sprintf("no table %q; there are: %s", name, strings.Join(names, ", ")), http.StatusNotFound)
			return
		}
		table, ok := a.table(r.Context(), name)
		reply(w, table, ok)
	})
	mux.HandleFunc("GET /v1/mtu", func(w http.ResponseWriter, _ *http.Request) { reply(w, a.sizes.report(), true) })
	mux.HandleFunc("POST /v1/rotate-key", func(w http.ResponseWriter, _ *http.Request) {
		replyOr(w, struct{}{}, true, a.tunnels.RotateKeys())
	})
	a.handleKernel(mux)
	return mux
}

// listenUnix opens a socket for root only. A file left behind by a killed agent is replaced: the state directory's lock says that
// no other agent is alive.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket %s: %w", path, err), listener.Close())
	}
	return listener, nil
}

// reply answers with v; !ok means that the agent's loop did not say.
func reply(w http.ResponseWriter, v any, ok bool) {
	if !ok {
		http.Error(w, "the agent is stopping", http.StatusServiceUnavailable)
		return
	}
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // a client that went away is no concern of ours
}

// kernelRoutes is the name of the table that shows the kernel's side of the routes; the others show the calculation's.
const kernelRoutes = "kernel-routes"

func (a *Agent) tableNames(ctx context.Context) (names []string, ok bool) {
	ok = a.loop.ask(ctx, func() {
		for _, t := range a.loop.graph.Tables() {
			names = append(names, t.Name)
		}
	})
	names = append(names, kernelRoutes)
	slices.Sort(names)
	return names, ok
}

// table dumps one table. An unknown one is empty.
func (a *Agent) table(ctx context.Context, name string) (out agentapi.Table, ok bool) {
	if name == kernelRoutes {
		return routeTable(a.routes.Routes()), true
	}
	ok = a.loop.ask(ctx, func() {
		for _, t := range a.loop.graph.Tables() {
			if t.Name == name {
				out = agentapi.Table{Name: name, Columns: t.Columns, Rows: slices.AppendSeq([][]string{}, t.Rows)}
			}
		}
	})
	return out, ok
}

func routeTable(list []routes.Status) agentapi.Table {
	t := agentapi.Table{Name: kernelRoutes, Columns: []string{"DESTINATION", "SOURCE", "VIA", "STATE"}, Rows: [][]string{}}
	for _, r := range list {
		t.Rows = append(t.Rows, []string{r.Dst.String(), routeSource(r), routeWay(r), routeState(r)})
	}
	return t
}

func routeSource(r routes.Status) string {
	if r.Learned {
		return "bgp"
	}
	return "local"
}

func routeWay(r routes.Status) string {
	switch {
	case r.Blackhole:
		return "blackhole"
	case r.Interface != "":
		return r.Interface
	}
	var hops []string
	for _, hop := range r.NextHops {
		hops = append(hops, hop.String())
	}
	return strings.Join(hops, " ")
}

func routeState(r routes.Status) string {
	switch {
	case r.Reason != nil:
		return "error: " + r.Reason.Error()
	case r.Kept:
		return "kept from an earlier run"
	case r.Programmed:
		return "programmed"
	}
	return "pending"
}
