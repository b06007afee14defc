// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"net/http"
	"regexp"
	"strconv"
	"testing"
)

// counted matches what the API server counts of requests to weft's kinds, to Nodes, and to the status of Pods; the tests themselves write the rest.
var counted = regexp.MustCompile(`(?m)^apiserver_request_total\{.*,group="(?:projectcalico.org)?",resource="([a-z]+)",.*,subresource="([a-z]*)",verb="(POST|PUT|PATCH|APPLY|DELETE)",.*\} (\d+)$`)

// Writes returns how many writes, refused ones included, the API server has been asked for, by verb and resource.
func (s *Server) Writes(t testing.TB) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range counted.FindAllStringSubmatch(s.Must(t, http.MethodGet, "/metrics", ""), -1) {
		resource, sub := m[1], m[2]
		if sub == "" && (resource == "pods" || resource == "namespaces") {
			continue
		}
		n, err := strconv.Atoi(m[4])
		if err != nil {
			t.Fatal(err)
		}
		out[m[3]+" "+resource] += n
	}
	return out
}

// Since returns what was written after before.
func Since(now, before map[string]int) (diff map[string]int, sum int) {
	diff = map[string]int{}
	for what, n := range now {
		if n -= before[what]; n > 0 {
			diff[what] = n
			sum += n
		}
	}
	return diff, sum
}
