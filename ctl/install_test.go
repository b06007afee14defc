// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/kubestore"
	"github.com/weftnet/weft/store/memstore"
)

// fakeCluster takes schemas.
type fakeCluster struct {
	store.Store
	err error
}

func (f fakeCluster) InstallSchema(_ context.Context, definitions [][]byte, _, _ bool) ([]kubestore.SchemaChange, error) {
	if f.err != nil {
		return nil, f.err
	}
	out := make([]kubestore.SchemaChange, len(definitions))
	for i := range out {
		out[i] = kubestore.SchemaChange{Name: "x", Done: "created"}
	}
	return out, nil
}

func TestInstallSchema(t *testing.T) {
	for _, test := range []struct {
		args []string
		err  error
		code int
		want string
	}{
		{nil, nil, ExitUsage, "the datastore is etcd http://127.0.0.1:2379, which needs no schema"},
		{[]string{"--datastore-type", "kubernetes", "--dry-run"}, nil, 0, "customresourcedefinition x created (dry run)"},
		{[]string{"--datastore-type", "kubernetes"}, errors.New("it is newer"), ExitError, "weft: it is newer"},
	} {
		var out strings.Builder
		env := &Env{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" },
			OpenStore: func(Datastore) (store.Store, error) { return fakeCluster{memstore.New(), test.err}, nil }}
		root := New(env)
		root.SetArgs(append([]string{"install", "schema"}, test.args...))
		if code := Execute(t.Context(), root, env); code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: %d, %s", test.args, code, out.String())
		}
	}
}

func TestInstallPrint(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, ExitUsage, "weft install --print"},
		{[]string{"--print", "--pool", "10.244.0.0/16,fd00::/48"}, 0, "--cni-families=dual"},
		{[]string{"--print", "--pool", "10.244.0.1/16"}, ExitUsage, `--pool "10.244.0.1/16"`},
		{[]string{"--print", "--namespace", "Net Works"}, ExitUsage, `--namespace "Net Works"`},
		{[]string{"--print", "--image", ""}, ExitUsage, `--image "": name the image`},
		{[]string{"--print", "--image", "weft 1"}, ExitUsage, `--image "weft 1"`},
		{[]string{"--print", "--families", "v4"}, ExitUsage, `--families "v4"`},
		{[]string{"--print", "--api-server", "192.0.2.1"}, ExitUsage, `--api-server "192.0.2.1"`},
		{[]string{"--print", "--api-server", "[fd00::1]:6443"}, 0, `value: "fd00::1"`},
	} {
		var out strings.Builder
		env := &Env{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }}
		root := New(env)
		root.SetArgs(append([]string{"install"}, test.args...))
		if code := Execute(t.Context(), root, env); code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: %d, %.300s", test.args, code, out.String())
		}
	}
}
