// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// AddPod adds a Pod that is bound to a node, as a scheduler would, with annotations of cni.projectcalico.org as key=value, and returns its UID. No kubelet
// runs it.
func (s *Server) AddPod(t testing.TB, namespace, name, node string, labels map[string]string, annotations ...string) string {
	t.Helper()
	notes := map[string]string{}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, "=")
		notes["cni.projectcalico.org/"+key] = value
	}
	text, err := json.Marshal(map[string]any{"name": name, "labels": labels, "annotations": notes})
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = s.Do(t.Context(), http.MethodPost, "/api/v1/namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}") // or it is there
	answer := s.Must(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: %s,
  spec: {nodeName: %s, serviceAccountName: till, containers: [{name: main, image: none, ports: [{name: http, containerPort: 8080}]}]}}`, text, node))
	var pod struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal([]byte(answer), &pod); err != nil {
		t.Fatal(err)
	}
	return pod.Metadata.UID
}

// DeletePod deletes a Pod at once.
func (s *Server) DeletePod(t testing.TB, namespace, name string) {
	t.Helper()
	s.Must(t, http.MethodDelete, "/api/v1/namespaces/"+namespace+"/pods/"+name+"?gracePeriodSeconds=0", "")
}
