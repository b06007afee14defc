// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/storetest"
)

// secureEtcd runs a server that wants TLS client certificates, and returns the configuration of a client that it takes.
func secureEtcd(t *testing.T) (*process, Config) {
	t.Helper()
	ca, dir := newAuthority(t, "ca"), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca.issue(t, file("server.pem"), file("server.key"))
	ca.issue(t, file("client.pem"), file("client.key"))
	client, peer := "https://"+storetest.FreeAddress(t), "http://"+storetest.FreeAddress(t)
	p := newProcess(t, "solo", client, peer, "solo="+peer, "--cert-file", file("server.pem"), "--key-file", file("server.key"),
		"--client-cert-auth", "--trusted-ca-file", ca.file)
	p.start(t)
	return p, Config{Endpoints: []string{client}, CAFile: ca.file, CertFile: file("client.pem"), KeyFile: file("client.key")}
}

// secureAdmin is admin for a secureEtcd, maybe with a login.
func secureAdmin(t *testing.T, c Config) *clientv3.Client {
	t.Helper()
	config, err := c.files().load()
	if err != nil {
		t.Fatal(err)
	}
	if !c.secure() {
		config = nil
	}
	admin, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints, TLS: config, Username: c.Username, Password: c.Password, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := admin.Get(ctx, "ready?"); err != nil {
		t.Fatal(err)
	}
	return admin
}

func TestConformanceWithTLS(t *testing.T) {
	t.Parallel()
	_, config := secureEtcd(t)
	admin := secureAdmin(t, config)
	storetest.Run(t, func(*testing.T) storetest.Backend { return backend(config, admin) })
}

// TestRenewedCertificates replaces the files of a running client, whose certificate the server did not take.
func TestRenewedCertificates(t *testing.T) {
	t.Parallel()
	p, good := secureEtcd(t)
	secureAdmin(t, good)
	dir := t.TempDir()
	config := Config{Endpoints: []string{p.client}, CAFile: good.CAFile, CertFile: filepath.Join(dir, "c.pem"), KeyFile: filepath.Join(dir, "c.key")}
	newAuthority(t, "stranger").issue(t, config.CertFile, config.KeyFile)
	s := open(t, config)
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.List(ctx, api.IPPools, "")
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), p.client) {
		t.Fatalf("with a stranger's certificate: %v", err)
	}
	copyFile(t, good.CertFile, config.CertFile)
	copyFile(t, good.KeyFile, config.KeyFile)
	if _, err := s.List(t.Context(), api.IPPools, ""); err != nil {
		t.Fatalf("with the renewed certificate: %v", err)
	}
}

// TestUntrustedServer expects the reason in the error: what a person who misconfigured something needs.
func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	p, good := secureEtcd(t)
	secureAdmin(t, good)
	s := open(t, Config{Endpoints: []string{p.client}, CAFile: newAuthority(t, "other").file, CertFile: good.CertFile, KeyFile: good.KeyFile})
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.List(ctx, api.IPPools, ""); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("with a CA that did not sign the server's certificate: %v", err)
	}
}

// enableLogin turns authentication on, with a user "weft" who may use the given prefix, and returns root's client.
func enableLogin(t *testing.T, p *process, prefix string) *clientv3.Client {
	t.Helper()
	admin, ctx := p.admin(t), t.Context()
	steps := []func() error{
		func() error { _, err := admin.UserAdd(ctx, "root", "secret"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := admin.RoleAdd(ctx, "weft"); return err },
		func() error {
			_, err := admin.RoleGrantPermission(ctx, "weft", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := admin.UserAdd(ctx, "weft", "woven"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "weft", "weft"); return err },
		func() error { _, err := admin.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return secureAdmin(t, Config{Endpoints: []string{p.client}, Username: "root", Password: "secret"})
}

func TestConformanceWithLogin(t *testing.T) {
	t.Parallel()
	p := startEtcd(t, "--bcrypt-cost", "4")
	admin := enableLogin(t, p, "/weft-")
	config := Config{Endpoints: []string{p.client}, Username: "weft", Password: "woven"}
	storetest.Run(t, func(*testing.T) storetest.Backend { return backend(config, admin) })

	for why, c := range map[string]Config{
		"a wrong password":       {Endpoints: config.Endpoints, Username: "weft", Password: "wrong"},
		"no login":               {Endpoints: config.Endpoints},
		"a prefix of others":     {Endpoints: config.Endpoints, Username: "weft", Password: "woven", Prefix: "/other/"},
		"an unknown user's name": {Endpoints: config.Endpoints, Username: "weave", Password: "woven"},
	} {
		s := open(t, c)
		_, err := s.List(t.Context(), api.IPPools, "")
		if err == nil || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "check user name") {
			t.Errorf("with %s: %v", why, err)
		}
		w, err := s.Watch(t.Context(), api.IPPools)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := w.Next(t.Context()); err != nil || b.InSync || b.Err == nil || !strings.Contains(b.Err.Error(), "check user name") {
			t.Errorf("the watch with %s: %+v, %v", why, b, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLoginExpires makes the server forget the tokens of a user, as it does after some minutes without use.
func TestLoginExpires(t *testing.T) {
	t.Parallel()
	p := startEtcd(t, "--bcrypt-cost", "4")
	admin := enableLogin(t, p, "/weft/")
	s := open(t, Config{Endpoints: []string{p.client}, Username: "weft", Password: "woven"})
	defer func() { _ = s.Close() }()
	f := follow(t, s)
	var tokens []string
	for i := range 3 {
		var wg sync.WaitGroup
		for j := range 8 { // at once: one of them logs in, all use its token
			wg.Go(func() {
				if _, err := s.Create(t.Context(), counter(fmt.Sprint(i, "-", j))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		tokens = append(tokens, *s.login.token.Load())
		if _, err := admin.UserChangePassword(t.Context(), "weft", "woven"); err != nil {
			t.Fatal(err)
		}
	}
	if tokens[0] == tokens[1] || tokens[1] == tokens[2] {
		t.Error("a forgotten token is still in use")
	}
	list, err := s.List(t.Context(), api.IPPools, "")
	if err != nil || len(list.Items) != 24 {
		t.Fatalf("%d objects, %v", len(list.Items), err)
	}
	f.wantList(list)
}
