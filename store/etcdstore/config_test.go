// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestConfigDefaults(t *testing.T) {
	c, err := Config{Endpoints: []string{" http://127.0.0.1:2379", "", "http://[::1]:2379 "}, Prefix: "/mine"}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Endpoints, []string{"http://127.0.0.1:2379", "http://[::1]:2379"}) || c.Prefix != "/mine/" || c.DialTimeout != DefaultDialTimeout {
		t.Errorf("completed to %+v", c)
	}
	if c, err := (Config{Endpoints: []string{"unix:///run/e.sock"}}).complete(); err != nil || c.Prefix != DefaultPrefix {
		t.Errorf("completed to %+v, %v", c, err)
	}
}

func TestConfigErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := newAuthority(t, "ca")
	cert, key, otherKey := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "other")
	ca.issue(t, cert, otherKey)
	ca.issue(t, cert, key)
	https := []string{"https://127.0.0.1:2379"}
	for want, c := range map[string]Config{
		"no etcd endpoint is given":            {Endpoints: []string{" ", ""}},
		`"127.0.0.1:2379": write http://`:      {Endpoints: []string{"127.0.0.1:2379"}},
		`"ftp://x": write http://`:             {Endpoints: []string{"ftp://x"}},
		`"http://": write http://`:             {Endpoints: []string{"http://"}},
		"the path of the socket must be":       {Endpoints: []string{"unix://run/etcd.sock"}},
		"at most 107 bytes; this one has 121":  {Endpoints: []string{"unix:///" + strings.Repeat("x", 120)}},
		"nothing may follow host:port":         {Endpoints: []string{"http://127.0.0.1:2379/v3"}},
		"all must be of one kind":              {Endpoints: []string{"https://a:1", "http://b:1"}},
		"only https:// endpoints use it":       {Endpoints: []string{"http://a:1"}, CAFile: ca.file},
		"password: one is given":               {Endpoints: https, Username: "weft"},
		"CA file: open " + dir + "/missing":    {Endpoints: https, CAFile: filepath.Join(dir, "missing")},
		"text: holds no certificate":           {Endpoints: https, CAFile: text},
		"key file: one is given":               {Endpoints: https, CertFile: cert},
		"key file " + otherKey + ": tls: priv": {Endpoints: https, CertFile: cert, KeyFile: otherKey},
	} {
		if s, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, %v; want an error with %q", c, s, err, want)
		}
	}
	s, err := New(Config{Endpoints: https, CAFile: ca.file, CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
