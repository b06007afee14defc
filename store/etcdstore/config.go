// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The defaults of [Config].
const (
	DefaultPrefix      = "/weft/"
	DefaultDialTimeout = 10 * time.Second
)

// Config says how to reach etcd, 3.4 or later.
type Config struct {
	// Endpoints are the members, all of one kind: http://host:port, https://host:port, or unix:///absolute/path of a socket, which
	// also reaches a server from another network namespace of the same machine. Blank entries are skipped; one at least is needed.
	Endpoints []string
	// CAFile holds the certificates (PEM) that servers' certificates must be signed by; the system's if empty. CertFile and KeyFile
	// identify this client. All are for https endpoints only and are read again at each connection, so they can be renewed in place.
	CAFile, CertFile, KeyFile string
	// Username and Password log in, if etcd has authentication on. The user needs to read and write all keys under Prefix.
	Username, Password string
	// Prefix starts every key. Default DefaultPrefix; a missing slash at its end is added.
	Prefix string
	// DialTimeout bounds how long a call whose context has no deadline looks for a server that answers. Default DefaultDialTimeout.
	DialTimeout time.Duration
}

// complete checks the configuration and fills in defaults.
func (c Config) complete() (Config, error) {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if (c.Username == "") != (c.Password == "") {
		return c, errors.New("etcd user name and password: one is given without the other")
	}
	if err := c.cleanEndpoints(); err != nil {
		return c, err
	}
	if c.files().empty() {
		return c, nil
	}
	if !c.secure() {
		return c, fmt.Errorf("etcd endpoint %s: a TLS file is given (%s) but only https:// endpoints use it; write https:// or leave the files out",
			c.Endpoints[0], c.files())
	}
	_, err := c.files().load()
	return c, err
}

func (c *Config) cleanEndpoints() error {
	var clean []string
	for _, e := range c.Endpoints {
		e = strings.TrimSpace(e)
		if e == "" {
			continue
		}
		if err := checkEndpoint(e); err != nil {
			return err
		}
		clean = append(clean, e)
		if scheme(e) != scheme(clean[0]) {
			return fmt.Errorf("etcd endpoints %s and %s: all must be of one kind, http, https or unix", clean[0], e)
		}
	}
	if len(clean) == 0 {
		return errors.New("no etcd endpoint is given; write for example http://127.0.0.1:2379 or unix:///run/weft/etcd.sock")
	}
	c.Endpoints = clean
	return nil
}

func (c Config) secure() bool  { return scheme(c.Endpoints[0]) == "https" }
func (c Config) files() files  { return files{c.CAFile, c.CertFile, c.KeyFile} }
func (c Config) where() string { return strings.Join(c.Endpoints, ", ") }

func scheme(endpoint string) string {
	s, _, _ := strings.Cut(endpoint, "://")
	return s
}

// longestSocketPath is what fits into sockaddr_un (unix(7)) with its terminating zero.
const longestSocketPath = 107

// checkEndpoint checks the form of an endpoint: of a server to reach, or to listen on.
func checkEndpoint(e string) error {
	kind, rest, _ := strings.Cut(e, "://")
	switch {
	case rest == "" || kind != "http" && kind != "https" && kind != "unix":
		return fmt.Errorf("etcd endpoint %q: write http://host:port, https://host:port or unix:///absolute/path", e)
	case kind == "unix" && !strings.HasPrefix(rest, "/"):
		return fmt.Errorf("etcd endpoint %q: the path of the socket must be absolute, as in unix:///run/weft/etcd.sock", e)
	case kind == "unix" && len(rest) > longestSocketPath:
		return fmt.Errorf("etcd endpoint %q: the path of a socket may have at most %d bytes; this one has %d", e, longestSocketPath, len(rest))
	case kind != "unix" && strings.Contains(rest, "/"):
		return fmt.Errorf("etcd endpoint %q: nothing may follow host:port", e)
	}
	return nil
}
