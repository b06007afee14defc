// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"bytes"
	"fmt"
	"net/http"
	"os"

	"k8s.io/client-go/rest"
)

// freshToken has a token that is in a file read for each request: client-go keeps it for a minute, in which one that has run out is refused.
func freshToken(c *rest.Config) {
	file := c.BearerTokenFile
	if file == "" {
		return
	}
	c.BearerToken, c.BearerTokenFile = "", ""
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return tokenFile{file, next} })
}

// tokenFile adds the token of a file to requests.
type tokenFile struct {
	path string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f tokenFile) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	return f.next.RoundTrip(r)
}
