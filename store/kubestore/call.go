// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/store"
)

// request is one call of the API.
type request struct {
	verb  string // as RBAC names it
	form  form
	path  string // below the server's
	query url.Values
	body  []byte
	media string // of body; JSON if empty
}

// methods of HTTP for the verbs.
var methods = map[string]string{
	"get": http.MethodGet, "list": http.MethodGet, "watch": http.MethodGet,
	"create": http.MethodPost, "update": http.MethodPut, "patch": http.MethodPatch, "delete": http.MethodDelete,
}

func (r *request) writes() bool { return methods[r.verb] != http.MethodGet }

// call makes a request and returns the answer's body. What may be made again is, until it succeeds, is refused, or time is up. A write is made
// again only if it is certain that the server has not taken it.
func (s *Store) call(ctx context.Context, r request) ([]byte, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pause := s.pace.retry
	var last error
	for {
		body, sent, err := s.try(ctx, r)
		if err == nil {
			return body, nil
		}
		if !transient(err) {
			return nil, s.explain(ctx, r, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err // the reason; later ones may say no more than that time is up
		}
		if r.writes() && sent && !declined(err) {
			return nil, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, s.explain(ctx, r, last))
		}
		if !sleep(ctx, max(pause, retryAfter(err))) {
			return nil, s.explain(ctx, r, last)
		}
		pause = min(2*pause, s.pace.retryMost)
	}
}

// try makes a request once. sent says whether it went out on a connection, so that the server may have acted on it.
func (s *Store) try(ctx context.Context, r request) (body []byte, sent bool, err error) {
	resp, sent, err := s.send(ctx, r)
	if err != nil {
		return nil, sent, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	return body, true, err
}

// send makes a request and returns a successful answer, whose body the caller closes.
func (s *Store) send(ctx context.Context, r request) (*http.Response, bool, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	target := *s.base
	target.Path += r.path
	target.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, methods[r.verb], target.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", orJSON(r.media))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, sent.Load(), err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }()
		return nil, true, statusOf(resp)
	}
	return resp, true, nil
}

func orJSON(media string) string {
	if media == "" {
		return "application/json"
	}
	return media
}

// bound gives a context without a deadline the default one, and ends it with the store.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc
	if _, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, s.pace.call)
	}
	unhook := context.AfterFunc(s.ctx, cancel)
	if s.ctx.Err() != nil {
		cancel() // at once: AfterFunc takes its time
	}
	return ctx, func() { unhook(); cancel() }
}

// sleep pauses for about d; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d)) // spread, so that the clients of a server that is back do not come at once
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gone tells whether the store was closed or the caller has gone away, which outranks what a call met with.
func (s *Store) gone(ctx context.Context) error {
	switch {
	case s.ctx.Err() != nil:
		return store.ErrClosed
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return nil
}
