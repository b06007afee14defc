// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/storetest"
)

// quick is the pace of tests: it notices within a second what usually takes some.
var quick = pace{attempt: 200 * time.Millisecond, heartbeat: 100 * time.Millisecond, silence: time.Second, retry: 5 * time.Millisecond, retryMost: 50 * time.Millisecond}

var prefixes atomic.Int32

// backend makes the suite's view of a server: each test has a prefix, each client a proxy, of its own.
func backend(config Config, admin *clientv3.Client) storetest.Backend {
	config.Prefix = fmt.Sprintf("/weft-%d/", prefixes.Add(1))
	endpoint := config.Endpoints[0]
	proxies := map[store.Store]*proxy{}
	return storetest.Backend{
		Open: func(t *testing.T) store.Store {
			p := startProxy(t, endpoint)
			config := config
			config.Endpoints = []string{p.endpoint}
			s := open(t, config)
			proxies[s] = p
			return s
		},
		Inject: func(t *testing.T, key api.Key, value []byte) {
			if _, err := admin.Put(t.Context(), keyspace(config.Prefix).path(key), string(value)); err != nil {
				t.Fatal(err)
			}
		},
		Cut: func(_ *testing.T, client store.Store) func() {
			proxies[client].Cut()
			return proxies[client].Mend
		},
		Compact: func(t *testing.T) { compact(t, admin) },
	}
}

// open makes a store, which the caller or the suite closes.
func open(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := newStore(config, quick)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// compact forgets all superseded revisions.
func compact(t testing.TB, admin *clientv3.Client) {
	t.Helper()
	resp, err := admin.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Compact(t.Context(), resp.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
}

func TestConformanceOfServer(t *testing.T) {
	t.Parallel()
	p := startEtcd(t)
	admin := p.admin(t)
	storetest.Run(t, func(*testing.T) storetest.Backend { return backend(Config{Endpoints: []string{p.client}}, admin) })
}

func TestConformanceOfEmbedded(t *testing.T) {
	t.Parallel()
	e, err := StartEmbedded(t.Context(), EmbeddedConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	admin := adminOf(t, e.Endpoints()[0])
	storetest.Run(t, func(*testing.T) storetest.Backend { return backend(Config{Endpoints: e.Endpoints()}, admin) })
}
