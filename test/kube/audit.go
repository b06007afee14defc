// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// auditPolicy has the API server note what the service accounts of weft ask for.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["` + accounts + `weft-agent", "` + accounts + `weft-controllers"]}
- level: None
`

// Request is something that a service account asked for.
type Request struct {
	Account               string
	Verb, Group, Resource string // a subresource as in services/status
	Allowed               bool
}

// Requests returns what the service accounts of weft have asked for.
func (s *Server) Requests(t testing.TB) map[Request]bool {
	t.Helper()
	f, err := os.Open(filepath.Join(s.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[Request]bool{}
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out // what has no end yet is being written
		}
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Verb        string
			User        struct{ Username string }
			ObjectRef   struct{ APIGroup, Resource, Subresource string }
			Annotations map[string]string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("audit log: %v: %s", err, line)
		}
		r := Request{strings.TrimPrefix(e.User.Username, accounts), e.Verb, e.ObjectRef.APIGroup, e.ObjectRef.Resource, e.Annotations["authorization.k8s.io/decision"] == "allow"}
		if e.ObjectRef.Subresource != "" {
			r.Resource += "/" + e.ObjectRef.Subresource
		}
		out[r] = true
	}
}
