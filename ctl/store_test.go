// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
)

const copied = `apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: main}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: prod}
spec: {selector: app == 'web'}
`

// TestBackupAndRestore backs a datastore up and restores it in another one.
func TestBackupAndRestore(t *testing.T) {
	a, b := newUser(t), newUser(t)
	a.must(copied, "apply", "-f", "-")
	path := filepath.Join(a.dir, "backup")
	if out := a.must("", "store", "backup", path); !strings.Contains(out, "2 objects written to "+path+", sha256 ") {
		t.Errorf("backup says %s", out)
	}
	if _, errOut, code := a.run("", "store", "backup", path); code != ExitError || !strings.Contains(errOut, "exists") {
		t.Errorf("over a file: %d, %s", code, errOut)
	}
	a.must("", "store", "backup", path, "--overwrite")
	if left, err := filepath.Glob(filepath.Join(a.dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if out := b.must("", "store", "restore", path, "--dry-run"); !strings.Contains(out, "2 created, 0 replaced, 0 there already, 0 skipped (dry run)") {
		t.Errorf("dry run says %s", out)
	}
	b.must("", "store", "restore", path)
	if got, want := b.must("", "get", "all", "-A", "-o", "name"), a.must("", "get", "all", "-A", "-o", "name"); !strings.Contains(got, strings.TrimSpace(want)) {
		t.Errorf("restored %s, want %s", got, want)
	}
	_, errOut, code := b.run("", "store", "restore", path)
	if code != ExitError || !strings.Contains(errOut, "not empty") {
		t.Errorf("twice: %d, %s", code, errOut)
	}
	b.must("", "store", "restore", path, "--merge")
	damage(t, path)
	if _, errOut, code := b.run("", "store", "restore", path, "--overwrite"); code != ExitError || !strings.Contains(errOut, path+": line 3: ") {
		t.Errorf("damaged: %d, %s", code, errOut)
	}
}

// TestCopyToWhatIsNoConfiguration names the file, whichever side it is.
func TestCopyToWhatIsNoConfiguration(t *testing.T) {
	u := newUser(t)
	for _, args := range [][]string{{"--to", "/nowhere.yaml"}, {"--from", "/nowhere.yaml", "--to", "/nowhere.yaml"}} {
		if _, errOut, code := u.run("", append([]string{"store", "copy"}, args...)...); code == 0 || !strings.Contains(errOut, "/nowhere.yaml") {
			t.Errorf("%v: %d, %s", args, code, errOut)
		}
	}
}

// damage changes the third line of a backup.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), "10.0.0.0/16", "10.0.0.0/15", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBackupThroughAPipe uses standard output and input.
func TestBackupThroughAPipe(t *testing.T) {
	a, b := newUser(t), newUser(t)
	a.must(copied, "apply", "-f", "-")
	b.must(a.must("", "store", "backup", "-"), "store", "restore", "-")
	b.must("", "get", "networkpolicy", "web", "-n", "prod")
}

// TestStoreCopy copies between the datastores of two configuration files.
func TestStoreCopy(t *testing.T) {
	a, b := newUser(t), memstore.New()
	a.must(copied, "apply", "-f", "-")
	target := a.file("to.yaml", "datastoreType: kubernetes\nkubeconfig: /somewhere\n")
	var stderr, stdout strings.Builder
	run := func(args ...string) int {
		stdout.Reset()
		stderr.Reset()
		env := &Env{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(name string) string { return map[string]string{"DATASTORE_TYPE": "etcdv3"}[name] },
			OpenStore: func(d Datastore) (store.Store, error) {
				if d.Kubernetes != nil && d.Kubernetes.Kubeconfig == "/somewhere" {
					return keepOpen{b, a.listed}, nil
				}
				return keepOpen{a.store, a.listed}, nil
			}}
		root := New(env)
		root.SetArgs(append([]string{"store", "copy"}, args...))
		return Execute(t.Context(), root, env)
	}
	if code := run(); code != ExitUsage || !strings.Contains(stderr.String(), "--to CONFIG") {
		t.Errorf("without a target: %d, %s", code, stderr.String())
	}
	if code := run("--to", target, "--from", target); code != ExitUsage || !strings.Contains(stderr.String(), "both sides are kubernetes /somewhere") {
		t.Errorf("onto itself: %d, %s", code, stderr.String())
	}
	if code := run("--to", target); code != ExitError || !strings.Contains(stderr.String(), "no namespace prod") {
		t.Errorf("without the namespace: %d, %s", code, stderr.String())
	}
	(&user{t, b, a.dir, a.listed}).must("apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n", "apply", "-f", "-")
	if code := run("--to", target); code != 0 || !strings.Contains(stdout.String(), "kubernetes /somewhere: 2 created") {
		t.Errorf("copy: %d, %s%s", code, stdout.String(), stderr.String())
	}
}
