// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agentapi_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/agentapi"
)

// serve answers on a socket and returns a client for it.
func serve(t *testing.T, answer http.HandlerFunc) *agentapi.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return agentapi.NewClient(socket)
}

func TestQuestionsAndAnswers(t *testing.T) {
	answers := map[string]string{
		"/v1/status":            `{"node": "n1", "dataplane": {"driver": "nftables", "rejected": ["x"]}, "connections": {"ended": 3}}`,
		"/v1/state":             `["a", "b"]`,
		"/v1/state/odd%2Fname?": `{"name": "odd/name?", "rows": [["1"]]}`,
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path := strings.ReplaceAll(r.URL.EscapedPath(), "%3F", "?")
		if text, ok := answers[path]; ok && r.Method == http.MethodGet {
			_, _ = w.Write([]byte(text))
			return
		}
		http.Error(w, "no "+path, http.StatusNotFound)
	})
	s, err := c.Status(t.Context())
	if err != nil || s.Node != "n1" || s.Dataplane.Driver != "nftables" || s.Connections.Ended != 3 {
		t.Errorf("status %+v, %v", s, err)
	}
	if names, err := c.Tables(t.Context()); err != nil || !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("tables %v, %v", names, err)
	}
	if table, err := c.Table(t.Context(), "odd/name?"); err != nil || table.Name != "odd/name?" || len(table.Rows) != 1 {
		t.Errorf("table %+v, %v", table, err)
	}
	if _, err := c.Table(t.Context(), "none"); err == nil || err.Error() != "agent: no /v1/state/none" {
		t.Errorf("a table that is not there: %v; want the agent's words", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	_, err := agentapi.NewClient(filepath.Join(t.TempDir(), "none.sock")).Status(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "http://") || strings.Count(err.Error(), "none.sock") != 1 || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("no agent: %v", err)
	}
	garbled := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	if _, err := garbled.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "of one version") {
		t.Errorf("garbled answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := silent.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
