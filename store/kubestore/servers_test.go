// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// apiServer answers each get with a pool, and tells watches of EndpointSlices of the API servers that telling lists.
func apiServer(t *testing.T, telling string) (base, address string, stop func()) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "endpointslices") {
			fmt.Fprint(w, `{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"a","resourceVersion":"1"},"spec":{"cidr":"10.0.0.0/16"}}`)
			return
		}
		host, port, _ := net.SplitHostPort(telling)
		slice := `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"namespace":"default","name":"kubernetes","resourceVersion":"5","labels":{"kubernetes.io/service-name":"kubernetes"}},
			"addressType":"IPv4","ports":[{"name":"https","port":` + port + `}],"endpoints":[{"addresses":["` + host + `"],"conditions":{"ready":true}},{"addresses":["192.0.2.9"],"conditions":{"ready":false}}]}`
		fmt.Fprintf(w, `{"type":"ADDED","object":%s}{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"6","annotations":{"k8s.io/initial-events-end":"true"}}}}`, slice)
		fmt.Fprintf(w, `{"type":"DELETED","object":%s}`, strings.Replace(slice, `"5"`, `"7"`, 1))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, u.Host, server.Close
}

// TestNextServer has the first of two API servers die.
func TestNextServer(t *testing.T) {
	first, _, stop := apiServer(t, "192.0.2.1:1")
	second, _, _ := apiServer(t, "192.0.2.1:1")
	s := client(t, Config{Server: first + "," + second})
	for _, what := range []string{"with both", "with the second alone", "with the second alone, once more"} {
		if _, err := s.Get(t.Context(), api.KeyOf(pool("a"))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		stop()
	}
	_, err := New(Config{Server: first + ",10.0.0.1"})
	wantText(t, err, `"10.0.0.1"`, "write http://host:port")
}

// TestServersLearned: what an EndpointSlice told is used when the configured address is dead, also by a later process, and outlives the slice.
func TestServersLearned(t *testing.T) {
	_, other, stopOther := apiServer(t, "192.0.2.1:1")
	first, _, stop := apiServer(t, other)
	known := filepath.Join(t.TempDir(), "servers")
	s := client(t, Config{Server: first, KnownServers: known})
	f := follow(t, s, api.EndpointSlices)
	f.until("the slice and its end", func() bool { return f.last.Revision == 7 })
	if text, err := os.ReadFile(known); err != nil || string(text) != other+"\n" {
		t.Errorf("kept %q, %v; want %s", text, err, other)
	}
	f.w.Close()
	stop()
	s.client.CloseIdleConnections()
	for _, s := range []*Store{s, client(t, Config{Server: first, KnownServers: known})} {
		if _, err := s.Get(t.Context(), api.KeyOf(pool("a"))); err != nil {
			t.Errorf("by the address learned: %v", err)
		}
	}
	stopOther()
	hurried := quick
	hurried.call = 100 * quick.retry
	dead, err := newStore(Config{Server: first, KnownServers: known}, hurried)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dead.Close() }()
	_, err = dead.Get(t.Context(), api.KeyOf(pool("a")))
	wantText(t, err, first[len("http://"):], other) // both are named
}

// TestDamagedKnownServers: lines that are no addresses are left out.
func TestDamagedKnownServers(t *testing.T) {
	known := filepath.Join(t.TempDir(), "servers")
	if err := os.WriteFile(known, []byte("10.0.0.1:6443\nrubbish\n\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := client(t, Config{Server: "https://10.0.0.9", KnownServers: known})
	if got := fmt.Sprint(s.servers.candidates()); got != "[10.0.0.9:443 10.0.0.1:6443]" {
		t.Errorf("candidates %s", got)
	}
	s.servers.learn([]store.Event{{Key: api.Key{Resource: api.EndpointSlices, Namespace: "default", Name: "other"}}})
	if got := fmt.Sprint(s.servers.candidates()); got != "[10.0.0.9:443 10.0.0.1:6443]" {
		t.Errorf("candidates %s after news of another slice", got)
	}
}
