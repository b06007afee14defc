// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/storetest"
	"github.com/weftnet/weft/test/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is the pace of tests.
var quick = pace{call: 20 * time.Second, retry: 10 * time.Millisecond, retryMost: 100 * time.Millisecond, silence: 2 * time.Minute, absent: 2 * time.Minute}

// open makes a store, which the caller or the suite closes.
func open(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := newStore(config, quick)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client makes a store that is closed at the end of the test.
func client(t testing.TB, config Config) *Store {
	t.Helper()
	s := open(t, config)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	server := kube.Start(t, kube.New)
	server.InstallSchema(t)
	server.InstallPolicyAPI(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Etcd}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		empty(t, server)
		proxies := map[store.Store]*kube.Proxy{}
		return storetest.Backend{
			Open: func(t *testing.T) store.Store {
				p := kube.NewProxy(t, server.Address)
				s := open(t, Config{Kubeconfig: server.Kubeconfig(t, p.Address, kube.AdminToken)})
				proxies[s] = p
				return s
			},
			// Past the API server, which takes nothing that its schema does not allow.
			Inject: func(t *testing.T, key api.Key, value []byte) {
				if _, err := admin.Put(t.Context(), "/registry/"+key.Resource.Group()+"/"+key.Resource.Plural()+"/"+key.Name, string(value)); err != nil {
					t.Fatal(err)
				}
			},
			Cut: func(_ *testing.T, client store.Store) func() {
				proxies[client].Cut()
				return proxies[client].Mend
			},
			Garbage:  garbage,
			Apart:    true,
			Patience: 3 * time.Minute, // an API server does some hundred writes a second, fewer on a busy machine
		}
	})
}

// garbage is what an API server hands out that has had another schema.
func garbage() map[api.Key][]byte {
	out := map[api.Key][]byte{}
	for name, spec := range map[string]string{"wrong-type": `{"cidr":"10.0.0.0/16","nodeSelector":5}`, "list": `[]`, "text": `"x"`} {
		out[api.Key{Resource: api.IPPools, Name: name}] = fmt.Appendf(nil, `{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":%q,
			"uid":"c6a1fd60-8a4b-4d5c-9d4e-3b1b6f1d2a33","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":%s}`, name, spec)
	}
	return out
}

// empty deletes all objects of weft's kinds, and those that the suite makes of others.
func empty(t *testing.T, server *kube.Server) {
	t.Helper()
	for kind := range api.Kinds() {
		f, err := formOf(kind.Resource)
		if err != nil {
			t.Fatal(err)
		}
		if kind.Namespaced {
			for _, namespace := range []string{"prod", "x", "a", "b", "b-2", "b0"} {
				server.Must(t, http.MethodDelete, f.path(namespace, ""), "")
			}
		} else if f.group() != "" || kind.Resource == api.Nodes {
			server.Must(t, http.MethodDelete, f.path("", ""), "")
		}
	}
	_, _, _ = server.Do(t.Context(), http.MethodDelete, "/api/v1/namespaces/x-y-1", "")
}
