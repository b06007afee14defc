// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/test/kube"
)

// slowServer takes its time for each answer.
func slowServer(t *testing.T, between *kube.Middle, s *Store) {
	const delay = 200 * time.Millisecond
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		select {
		case <-time.After(delay):
			pass(w, r)
		case <-r.Context().Done():
		}
	})
	f := follow(t, s, api.IPPools)
	f.until("the snapshot", f.inSync)
	hurried, cancel := context.WithTimeout(t.Context(), delay/4)
	defer cancel()
	if _, err := s.Get(hurried, api.KeyOf(pool("slow"))); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a call without time: %v", err)
	}
	if _, err := s.Create(t.Context(), pool("slow")); err != nil {
		t.Error(err)
	}
	f.until("the pool", func() bool { return f.objects[api.KeyOf(pool("slow"))] != nil })
	if err := s.Delete(t.Context(), api.KeyOf(pool("slow")), 0); err != nil {
		t.Error(err)
	}
}

// refuse answers n requests with a status, and passes the others on.
func refuse(between *kube.Middle, n int32, code int, header ...string) {
	var left atomic.Int32
	left.Store(n)
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if left.Add(-1) < 0 {
			pass(w, r)
			return
		}
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		http.Error(w, "as the test wants", code)
	})
}

// busyServer has more requests than it takes.
func busyServer(t *testing.T, between *kube.Middle, s *Store) {
	refuse(between, 3, http.StatusTooManyRequests, "Retry-After", "1")
	f := follow(t, s, api.IPPools)
	f.until("the refusal", f.says("as the test wants"))
	f.until("the snapshot", f.inSync)
	refuse(between, 2, http.StatusTooManyRequests, "Retry-After", "1")
	if _, err := s.Create(t.Context(), pool("busy")); err != nil {
		t.Errorf("a write that the server put off: %v", err)
	}
	f.until("the pool", func() bool { return f.objects[api.KeyOf(pool("busy"))] != nil })
	if err := s.Delete(t.Context(), api.KeyOf(pool("busy")), 0); err != nil {
		t.Error(err)
	}
}

// failingServer answers 500 now and then: what reads is asked again, of a write it is said that its outcome is not known.
func failingServer(t *testing.T, between *kube.Middle, s *Store) {
	refuse(between, 5, http.StatusInternalServerError)
	f := follow(t, s, api.IPPools)
	f.until("the failure", f.says("as the test wants"))
	f.until("the snapshot", f.inSync)
	refuse(between, 2, http.StatusInternalServerError)
	if _, err := s.Get(t.Context(), api.KeyOf(pool("none"))); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a read: %v", err)
	}
	refuse(between, 1, http.StatusInternalServerError)
	if _, err := s.Create(t.Context(), pool("failing")); !errors.Is(err, store.ErrOutcomeUnknown) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a write: %v", err)
	}
}

// until passes requests on, and breaks off those that last when a channel is closed.
func until(over <-chan struct{}, pass http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-over:
				cancel()
			case <-ctx.Done():
			}
		}()
		pass(w, r.WithContext(ctx))
	}
}

// torn passes on the answer of a watch until some event, of which it lets half through before it breaks the connection.
type torn struct {
	http.ResponseWriter
	at string
}

func (w *torn) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), w.at) {
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:len(p)/2])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler) // it cuts the connection, and is not logged
}

func (w *torn) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// cutInAnEvent breaks a watch in the middle of an event. It goes on where it was, without reading everything again.
func cutInAnEvent(t *testing.T, between *kube.Middle, s, admin *Store) {
	var lists, cuts atomic.Int32
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if query := r.URL.Query(); query.Get("watch") == "" {
			lists.Add(1)
		} else if cuts.Add(1) == 2 { // the first asks for a streaming list, which this server has not
			w = &torn{w, `"cut-here"`}
		}
		pass(w, r)
	})
	f := follow(t, s, api.IPPools)
	f.until("the snapshot", f.inSync)
	for _, name := range []string{"cut-before", "cut-here", "cut-after"} {
		if _, err := admin.Create(t.Context(), pool(name)); err != nil {
			t.Fatal(err)
		}
	}
	f.until("all three", func() bool {
		return f.objects[api.KeyOf(pool("cut-before"))] != nil && f.objects[api.KeyOf(pool("cut-here"))] != nil && f.objects[api.KeyOf(pool("cut-after"))] != nil
	})
	if lists.Load() != 1 || cuts.Load() < 3 {
		t.Errorf("%d lists, %d watches; want 1 and one more after the cut", lists.Load(), cuts.Load())
	}
	for _, name := range []string{"cut-before", "cut-here", "cut-after"} {
		if err := admin.Delete(t.Context(), api.KeyOf(pool(name)), 0); err != nil {
			t.Error(err)
		}
	}
}

// tokenRunsOutInAWatch has the token of an open watch run out, and renews it in its file only after that was noticed.
func tokenRunsOutInAWatch(t *testing.T, server *kube.Server, between *kube.Middle) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := server.Kubeconfig(t, between.Address, "x")
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, []byte(strings.Replace(string(text), "token: x", "tokenFile: "+token, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var known atomic.Value // the token that the server takes
	known.Store("first")
	over := make(chan struct{})
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.Header.Get("Authorization") != "Bearer "+known.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
			return
		}
		r.Header.Set("Authorization", "Bearer "+kube.AdminToken)
		if known.Load() == "first" && r.URL.Query().Get("watch") != "" {
			pass = until(over, pass)
		}
		pass(w, r)
	})
	t.Cleanup(func() { between.Use(nil) })
	s := client(t, Config{Kubeconfig: config})
	f := follow(t, s, api.Namespaces)
	f.until("the snapshot", f.inSync)
	held := len(f.objects)
	known.Store("second")
	close(over)
	f.until("the refusal", f.says("does not know this identity"))
	if len(f.objects) != held || held == 0 {
		t.Errorf("%d objects were known, %d are", held, len(f.objects))
	}
	if err := os.WriteFile(token, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.until("the watch to go on", f.inSync)
}

// staleCache has an API server answer from a cache that lags behind what another one has said: nothing is taken back on its word.
func staleCache(t *testing.T, between *kube.Middle, s, admin *Store) {
	var old atomic.Pointer[httptest.ResponseRecorder]
	var stale, expire, broken atomic.Bool
	breaks := make(chan struct{})
	between.Use(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		switch query := r.URL.Query(); {
		case query.Get("watch") != "" && expire.Load():
			http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}`, http.StatusGone)
		case query.Get("watch") != "" && !broken.Load():
			until(breaks, pass)(w, r)
		case query.Get("watch") != "" || old.Load() != nil && !stale.Load():
			pass(w, r)
		default: // a list, the first one or in its place
			if old.Load() == nil {
				answer := httptest.NewRecorder()
				r.Header.Del("Accept-Encoding")
				pass(answer, r)
				old.Store(answer)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(old.Load().Body.Bytes())
		}
	})
	f := follow(t, s, api.IPPools)
	f.until("the snapshot", f.inSync)
	if _, err := admin.Create(t.Context(), pool("young")); err != nil {
		t.Fatal(err)
	}
	young := func() bool { return f.objects[api.KeyOf(pool("young"))] != nil }
	f.until("the pool", young)
	stale.Store(true)
	expire.Store(true)
	broken.Store(true)
	close(breaks)
	f.until("the doubt", f.says("went back in time"))
	if !young() {
		t.Error("an answer of an older state took the pool away")
	}
	stale.Store(false)
	expire.Store(false)
	f.until("the watch to go on", f.inSync)
	if !young() {
		t.Error("the pool is gone")
	}
	if err := admin.Delete(t.Context(), api.KeyOf(pool("young")), 0); err != nil {
		t.Fatal(err)
	}
	f.until("the deletion", func() bool { return !young() })
}
