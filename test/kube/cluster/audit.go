// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/ctl/install"
)

// agents is who the agents are to the API.
const agents = "system:serviceaccount:" + install.DefaultNamespace + ":weft-agent"

// event is as much of a line of the audit log as is read here.
type event struct {
	Verb                     string
	RequestURI               string
	RequestReceivedTimestamp time.Time
	User                     struct{ Username string }
	ObjectRef                struct{ Resource, Subresource, Name string }
}

// audited returns what was asked of the API so far.
func (c *Cluster) audited(t testing.TB) (out []event) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(c.control.dir, "var/log/audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		var e event
		if json.Unmarshal(line, &e) == nil { // the last line may be half written
			out = append(out, e)
		}
	}
	return out
}

// Writes returns how often the agents have written to the API so far, by verb and kind.
func (c *Cluster) Writes(t testing.TB) map[string]int {
	t.Helper()
	out := c.Calls(t)
	for what := range out {
		if verb, _, _ := strings.Cut(what, " "); verb == "get" || verb == "list" {
			delete(out, what)
		}
	}
	return out
}

// Calls returns what the agents have asked the API for so far, watches aside, by verb and kind, or path where there is no kind.
func (c *Cluster) Calls(t testing.TB) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, e := range c.audited(t) {
		if e.User.Username != agents {
			continue
		}
		what := path.Join(e.ObjectRef.Resource, e.ObjectRef.Subresource)
		if what == "" {
			what = e.RequestURI
		}
		out[e.Verb+" "+what]++
	}
	return out
}

// Created returns when the API server was asked to create the pods whose names begin with prefix, earliest first.
func (c *Cluster) Created(t testing.TB, prefix string) (out []time.Time) {
	t.Helper()
	for _, e := range c.audited(t) {
		if e.Verb == "create" && e.ObjectRef.Resource == "pods" && e.ObjectRef.Subresource == "" && strings.HasPrefix(e.ObjectRef.Name, prefix) {
			out = append(out, e.RequestReceivedTimestamp)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
