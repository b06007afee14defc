// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package kubestore keeps objects in the Kubernetes API: New connects as a kubeconfig or the pod's service account says.
//
// The kinds of projectcalico.org are custom resources (api/schema), but for Node, whose fields are annotations of Kubernetes' own Node; kinds
// of Kubernetes are themselves. Revisions are resourceVersions. Each resource has a watch of its own and Kubernetes keeps no order among them,
// so a batch is as of one revision for each resource, and its Revision is the lowest of them (docs/adr/0019). Only this package imports client-go.
//
// The API server compares and swaps. A write whose answer was lost is not made again: its caller is told that the outcome is unknown.
package kubestore

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/weftnet/weft/internal/version"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/lifetime"
)

// Store implements store.Store. Kubernetes has no transactions, so it is no store.Transactor.
type Store struct {
	config *rest.Config
	base   *url.URL
	client *http.Client
	// servers are who client talks to.
	servers *servers
	pace    pace
	life    *lifetime.Lifetime
}

var _ interface {
	store.Store
	store.StatusWriter
} = (*Store)(nil)

// pace is the timing of a store; tests hurry it.
type pace struct {
	call      time.Duration // bounds a call whose context has no deadline
	retry     time.Duration // pause before a second try; doubles up to retryMost
	retryMost time.Duration
	silence   time.Duration // a watch that heard nothing for so long, bookmarks included, asks anew; the server sends one a minute
	absent    time.Duration // how often it is looked whether an optional resource has come
}

var usualPace = pace{call: 10 * time.Second, retry: 50 * time.Millisecond, retryMost: 5 * time.Second, silence: 3 * time.Minute, absent: 3 * time.Minute}

// New checks the configuration and returns a store. It does not wait for a server: one that is down shows as ErrUnavailable of the
// calls, and in the watches, until it is back.
func New(config Config) (*Store, error) { return newStore(config, usualPace) }

func newStore(config Config, p pace) (*Store, error) {
	c, err := config.load()
	if err != nil {
		return nil, err
	}
	c.UserAgent = "weft/" + version.String()
	c.QPS = -1 // the server limits by priority and fairness
	freshToken(c)
	base, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes API server %q: %w", c.Host, err)
	}
	_, others := config.servers()
	servers, err := newServers(base, others, config.KnownServers, cmp.Or(config.Log, slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	c.Dial = servers.DialContext
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes client for %s: %w", c.Host, err)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return &Store{config: c, base: base, client: client, servers: servers, pace: p, life: lifetime.New()}, nil
}

// Close ends the watches and closes the connections. Calls that are under way return ErrClosed.
func (s *Store) Close() error {
	s.life.Close()
	s.client.CloseIdleConnections()
	return nil
}
