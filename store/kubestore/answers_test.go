// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// answering makes a client of a server that answers the first calls with the given codes (0: it breaks the connection), and then well.
func answering(t *testing.T, codes ...int) (s *Store, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := int(calls.Add(1))
		switch {
		case n > len(codes):
			fmt.Fprint(w, `{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"a","resourceVersion":"7"},"spec":{"cidr":"10.0.0.0/16"}}`)
		case codes[n-1] == 0:
			panic(http.ErrAbortHandler) // it cuts the connection, and is not logged
		default:
			w.WriteHeader(codes[n-1])
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"as the test wants","code":%d}`, codes[n-1])
		}
	}))
	t.Cleanup(server.Close)
	return client(t, Config{Server: server.URL}), calls
}

// TestBusyServer checks that what the server has not taken is asked again, and what it may have taken is not.
func TestBusyServer(t *testing.T) {
	for _, test := range []struct {
		codes []int
		write bool
		want  error
		calls int32
	}{
		{[]int{429, 503}, true, nil, 3},
		{[]int{429, 500, 504, 0}, false, nil, 5},
		{[]int{500}, true, store.ErrOutcomeUnknown, 1},
		{[]int{0}, true, store.ErrOutcomeUnknown, 1},
		{[]int{409}, true, store.ErrConflict, 1},
	} {
		s, calls := answering(t, test.codes...)
		call := func() error { _, err := s.Create(t.Context(), pool("a")); return err }
		if !test.write {
			call = func() error { _, err := s.Get(t.Context(), api.KeyOf(pool("a"))); return err }
		}
		if err := call(); !errors.Is(err, test.want) || calls.Load() != test.calls {
			t.Errorf("%v: %v after %d calls, want %v after %d", test.codes, err, calls.Load(), test.want, test.calls)
		}
	}
}

// TestNoKubernetes asks something that is no Kubernetes API.
func TestNoKubernetes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>welcome</html>") }))
	defer server.Close()
	s := client(t, Config{Server: server.URL})
	_, err := s.Get(t.Context(), api.KeyOf(pool("a")))
	wantText(t, err, "get ippools.projectcalico.org a", "no object")
	_, err = s.List(t.Context(), api.IPPools, "")
	wantText(t, err, "list ippools.projectcalico.org", "no list")
}

func TestConfigurationErrors(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := New(Config{})
	wantText(t, err, "--kubeconfig")
	_, err = New(Config{Kubeconfig: "/does/not/exist"})
	wantText(t, err, "kubeconfig", "/does/not/exist")
}

// TestRetryAfter: a server that says when to come again is not asked before.
func TestRetryAfter(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusInternalServerError} {
		var asked []time.Time
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked = append(asked, time.Now()); len(asked) == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(code)
				return
			}
			fmt.Fprint(w, `{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"a","resourceVersion":"7"},"spec":{"cidr":"10.0.0.0/16"}}`)
		}))
		s := client(t, Config{Server: server.URL})
		if _, err := s.Get(t.Context(), api.KeyOf(pool("a"))); err != nil {
			t.Errorf("%d: %v", code, err)
		}
		server.Close()
		if len(asked) != 2 || asked[1].Sub(asked[0]) < time.Second {
			t.Errorf("%d: asked at %v, want twice with a second between", code, asked)
		}
	}
}
