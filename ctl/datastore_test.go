// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/kubestore"
)

// TestDatastoreChoice checks which datastore a command line, an environment and a configuration file lead to.
func TestDatastoreChoice(t *testing.T) {
	home := t.TempDir()
	usual := filepath.Join(home, ".kube", "config")
	file := filepath.Join(home, "weft.yaml")
	for path, text := range map[string]string{
		usual: "",
		file:  "kind: CalicoAPIConfig\nspec:\n  datastoreType: kubernetes\n  kubeconfig: /from/file\n  etcdEndpoints: http://file:2379\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	etcd := func(endpoint string) Datastore {
		return Datastore{Etcd: &etcdstore.Config{Endpoints: []string{endpoint}}}
	}
	kube := func(c kubestore.Config) Datastore { return Datastore{Kubernetes: &c} }
	for _, test := range []struct {
		args []string
		env  map[string]string
		want Datastore
	}{
		{nil, nil, etcd(defaultEndpoints)},
		{nil, map[string]string{"KUBECONFIG": "/k"}, etcd(defaultEndpoints)}, // it says where, not that
		{nil, map[string]string{"DATASTORE_TYPE": "kubernetes", "KUBECONFIG": "/k"}, kube(kubestore.Config{Kubeconfig: "/k"})},
		{nil, map[string]string{"DATASTORE_TYPE": "kubernetes", "HOME": home}, kube(kubestore.Config{Kubeconfig: usual})},
		{nil, map[string]string{"DATASTORE_TYPE": "kubernetes", "HOME": home, "KUBERNETES_SERVICE_HOST": "10.96.0.1"}, kube(kubestore.Config{})},
		{nil, map[string]string{"DATASTORE_TYPE": "kubernetes", "HOME": home, "K8S_API_ENDPOINT": "https://a:1", "K8S_TOKEN": "t"}, kube(kubestore.Config{Server: "https://a:1", Token: "t"})},
		{[]string{"--kubeconfig", "/k", "--context", "c"}, nil, kube(kubestore.Config{Kubeconfig: "/k", Context: "c"})},
		{[]string{"--kubeconfig", "/k"}, map[string]string{"DATASTORE_TYPE": "etcdv3"}, etcd(defaultEndpoints)},
		{[]string{"--config", file}, nil, kube(kubestore.Config{Kubeconfig: "/from/file"})},
		{[]string{"--config", file, "--datastore-type", "etcdv3"}, nil, etcd("http://file:2379")},
	} {
		var got Datastore
		env := &Env{In: strings.NewReader(""), Out: &strings.Builder{}, Err: &strings.Builder{}, Getenv: func(name string) string { return test.env[name] },
			OpenStore: func(d Datastore) (store.Store, error) { got = d; return nil, os.ErrClosed }}
		root := New(env)
		root.SetArgs(append(test.args, "get", "ippools"))
		_ = Execute(t.Context(), root, env)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v with %v: %+v, want %+v", test.args, test.env, got, test.want)
		}
	}
}

func TestDatastoreTypeUnknown(t *testing.T) {
	u := newUser(t)
	_, errOut, code := u.run("", "--datastore-type", "consul", "get", "ippools")
	if code != ExitUsage || !strings.Contains(errOut, `"consul"`) || !strings.Contains(errOut, typeKubernetes) {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}
