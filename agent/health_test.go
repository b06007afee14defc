// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store/memstore"
)

// probe asks for the health of an agent.
func (n *node) probe(path string) (int, string) {
	w := httptest.NewRecorder()
	n.agent.healthHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// TestHealth: an agent is ready once workloads can be started, lives while it cannot start any, and does neither once it has stopped.
func TestHealth(t *testing.T) {
	n := startNode(t, memstore.New())
	n.until("ready", func() bool { code, _ := n.probe("/readyz"); return code == http.StatusOK })
	if code, text := n.probe("/livez"); code != http.StatusOK {
		t.Errorf("live: %d %s", code, text)
	}
	thief := nodeIn(t, n.store)
	thief = &v3.Node{TypeMeta: thief.TypeMeta, ObjectMeta: v3.ObjectMeta{Name: "n1", Annotations: map[string]string{InstanceAnnotation: "other"}},
		Spec: v3.NodeSpec{BGP: &v3.NodeBGPSpec{IPv4Address: "192.0.2.99/24"}}}
	if _, err := n.store.Update(t.Context(), thief); err != nil {
		t.Fatal(err)
	}
	n.until("not ready, with the reason", func() bool {
		code, text := n.probe("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, "192.0.2.99")
	})
	if code, _ := n.probe("/livez"); code != http.StatusOK {
		t.Error("an agent whose name was taken is no longer alive")
	}
	stop := n.stop
	n.stop = nil
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if code, _ := n.probe("/livez"); code != http.StatusServiceUnavailable {
		t.Errorf("a stopped agent is alive: %d", code)
	}
}
