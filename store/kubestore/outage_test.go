// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// outage is an API server with one pool that is away until a time. It lets go of history that is as old as an API server's is, five minutes.
type outage struct {
	until    time.Time
	attempts atomic.Int32
	quiet    chan struct{} // keeps watches open
}

// RoundTrip implements http.RoundTripper.
func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(o.until) {
		o.attempts.Add(1)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	query := r.URL.Query()
	if !o.until.IsZero() && query.Get("resourceVersion") == "5" {
		return o.answer(http.StatusGone, `{"kind":"Status","message":"too old resource version","reason":"Expired","code":410}`), nil
	}
	name, revision := "before", "5"
	if !o.until.IsZero() {
		name, revision = "after", "900"
	}
	events := fmt.Sprintf(`{"type":"ADDED","object":{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":%q,"resourceVersion":%q},"spec":{"cidr":"10.0.0.0/16"}}}
{"type":"BOOKMARK","object":{"kind":"IPPool","metadata":{"resourceVersion":%[2]q,"annotations":{"k8s.io/initial-events-end":"true"}}}}
`, name, revision)
	answer := o.answer(http.StatusOK, "")
	answer.Body = &endless{Reader: strings.NewReader(events), until: r.Context().Done(), cut: o.quiet}
	return answer, nil
}

func (*outage) answer(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// endless is a body that does not end after its text, until it is cut.
type endless struct {
	io.Reader
	until <-chan struct{}
	cut   chan struct{}
}

func (o *endless) Read(p []byte) (int, error) {
	if n, err := o.Reader.Read(p); !errors.Is(err, io.EOF) {
		return n, err
	}
	select {
	case <-o.until:
		return 0, errors.New("the client went away")
	case <-o.cut:
		return 0, errors.New("connection reset by peer")
	}
}

func (*endless) Close() error { return nil }

// TestTenMinutesWithoutServer has the API server away for ten minutes, at the pace that is usual: what was known stays, the client asks about every five
// seconds, and it is up to date five seconds or so after the server is back, which has forgotten the history of that time.
func TestTenMinutesWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newStore(Config{Server: "http://192.0.2.1:6443"}, usualPace)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		server := &outage{quiet: make(chan struct{})}
		s.client = &http.Client{Transport: server}
		f := follow(t, s, api.IPPools)
		defer f.w.Close()
		f.until("the snapshot", f.inSync)

		connected := server.quiet
		server.until, server.quiet = time.Now().Add(10*time.Minute), make(chan struct{})
		close(connected)
		f.patience = time.Hour
		f.until("the loss", func() bool { return !f.last.InSync && errors.Is(f.last.Err, store.ErrUnavailable) })
		if _, err := s.Get(t.Context(), api.KeyOf(pool("before"))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a call meanwhile: %v", err)
		}
		if f.objects[api.KeyOf(pool("before"))] == nil {
			t.Error("what was known is gone with the server")
		}
		before := server.attempts.Load()
		f.until("what came meanwhile", func() bool {
			return f.last.InSync && len(f.objects) == 1 && f.objects[api.KeyOf(pool("after"))] != nil
		})
		if late := time.Since(server.until); late > 2*usualPace.retryMost {
			t.Errorf("up to date %s after the server was back", late)
		}
		if n := server.attempts.Load() - before; n < 60 || n > 240 {
			t.Errorf("%d attempts in ten minutes, want one about every %s", n, usualPace.retryMost)
		}
	})
}
