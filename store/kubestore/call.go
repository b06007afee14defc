// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/lifetime"
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
	ctx, cancel := s.life.Bound(ctx, s.pace.call)
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
		if !lifetime.Pause(ctx, max(pause, leastPause(err))) {
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
