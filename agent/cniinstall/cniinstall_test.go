// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cniinstall_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/weftnet/weft/agent/cniinstall"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t *testing.T) cniinstall.Options {
	dir := t.TempDir()
	return cniinstall.Options{
		ConfDir: filepath.Join(dir, "net.d"), BinDir: filepath.Join(dir, "bin"), Source: write(t, filepath.Join(dir, "plugin"), "program 1"),
		Socket: "/run/x.sock", IPv4: true,
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestInstallAndRemove(t *testing.T) {
	o := options(t)
	must(t, o.Plugin())
	info, err := os.Stat(filepath.Join(o.BinDir, "weft-cni"))
	must(t, err)
	if info.Mode() != 0o755 {
		t.Errorf("mode %v", info.Mode())
	}
	running, err := os.Open(filepath.Join(o.BinDir, "weft-cni"))
	must(t, err)
	defer func() { _ = running.Close() }()
	must(t, o.Plugin())
	if again, err := os.Stat(filepath.Join(o.BinDir, "weft-cni")); err != nil || !os.SameFile(info, again) {
		t.Errorf("the same plugin was written again: %v", err)
	}
	write(t, o.Source, "program 2")
	must(t, o.Plugin()) // a running one is not written into
	if old, err := os.ReadFile(filepath.Join(o.BinDir, "weft-cni")); err != nil || string(old) != "program 2" {
		t.Errorf("%s, %v", old, err)
	}
	text := make([]byte, 9)
	if _, err := running.Read(text); err != nil || string(text) != "program 1" {
		t.Errorf("the running one reads %s, %v", text, err)
	}

	must(t, os.MkdirAll(o.ConfDir, 0o755))
	write(t, filepath.Join(o.ConfDir, "99-other.conf"), "{}")
	earlier, err := o.Configure()
	must(t, err)
	if earlier != "" || names(t, o.ConfDir) != "10-weft.conflist 99-other.conf" || names(t, o.BinDir) != "loopback weft-cni weft-loopback" {
		t.Errorf("earlier %q, files %s and %s", earlier, names(t, o.ConfDir), names(t, o.BinDir))
	}
	list, err := libcni.ConfListFromFile(filepath.Join(o.ConfDir, "10-weft.conflist"))
	must(t, err)
	if p := list.Plugins[0]; p.Network.Type != "weft-cni" || !p.Network.Capabilities["portMappings"] || !strings.Contains(string(p.Bytes), `"socket":"/run/x.sock"`) {
		t.Errorf("%s", p.Bytes)
	}
	write(t, filepath.Join(o.ConfDir, "05-first.conflist"), "{}")
	if earlier, err = o.Configure(); err != nil || filepath.Base(earlier) != "05-first.conflist" {
		t.Errorf("earlier %q, %v", earlier, err)
	}

	must(t, o.Remove())
	must(t, o.Remove())
	if names(t, o.ConfDir) != "05-first.conflist 99-other.conf" || names(t, o.BinDir) != "" {
		t.Errorf("left: %s and %s", names(t, o.ConfDir), names(t, o.BinDir))
	}
}

// TestLoopback: a node's own plugin for lo stays, as does a link that leads elsewhere; without one weft's is there, and goes with weft.
func TestLoopback(t *testing.T) {
	for what, before := range map[string]func(path string) error{
		"own program": func(path string) error { return os.WriteFile(path, []byte("program"), 0o600) },
		"own link":    func(path string) error { return os.Symlink("/usr/lib/cni/loopback", path) },
		"none":        func(string) error { return nil },
	} {
		o := options(t)
		must(t, os.MkdirAll(o.BinDir, 0o755))
		path := filepath.Join(o.BinDir, "loopback")
		must(t, before(path))
		was, errWas := os.Lstat(path)
		must(t, o.Plugin())
		must(t, o.Plugin())
		target, _ := os.Readlink(path)
		if (target == "weft-loopback") != (what == "none") {
			t.Errorf("%s: leads to %q", what, target)
		}
		if what == "none" { // a newer plugin comes, and the files go one by one
			write(t, o.Source, "program 2")
			must(t, o.Plugin())
			for _, name := range []string{"loopback", "weft-loopback"} {
				must(t, os.Remove(filepath.Join(o.BinDir, name)))
				must(t, o.Plugin())
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != "program 2" {
				t.Errorf("%s, %v", data, err)
			}
		}
		must(t, o.Remove())
		if left := names(t, o.BinDir); left != "" && left != "loopback" {
			t.Errorf("%s: left %s", what, left)
		}
		now, err := os.Lstat(path)
		if errWas == nil && (err != nil || !os.SameFile(was, now)) || errWas != nil && err == nil {
			t.Errorf("%s: after the removal: %v, %v", what, now, err)
		}
	}
}

func TestTemplate(t *testing.T) {
	o := options(t)
	o.Template = write(t, filepath.Join(t.TempDir(), "conf"), `{"name":"mine","cniVersion":"0.3.1","plugins":[{"type":"weft-cni","mtu":1400,"feature_control":{"floating_ips":true}},{"type":"bandwidth"}]}`)
	_, err := o.Configure()
	must(t, err)
	data, err := os.ReadFile(filepath.Join(o.ConfDir, cniinstall.ConfName))
	must(t, err)
	for _, text := range []string{`"name": "mine"`, `"mtu": 1400`, `"floating_ips": true`, `"bandwidth"`, `"/run/x.sock"`} {
		if !strings.Contains(string(data), text) {
			t.Errorf("lacks %s: %s", text, data)
		}
	}
}

// TestRefusals: nothing of others is replaced, and nothing is written that no runtime could use.
func TestRefusals(t *testing.T) {
	for text, harm := range map[string]func(o *cniinstall.Options){
		"10-weft.conflist is of another network": func(o *cniinstall.Options) {
			must(t, os.MkdirAll(o.ConfDir, 0o755))
			write(t, filepath.Join(o.ConfDir, cniinstall.ConfName), `{"plugins":[{"type":"bridge"}]}`)
		},
		"one of type weft-cni": func(o *cniinstall.Options) {
			o.Template = write(t, filepath.Join(t.TempDir(), "conf"), `{"name":"n","plugins":[{"type":"bridge"}]}`)
		},
		"needs a name": func(o *cniinstall.Options) {
			o.Template = write(t, filepath.Join(t.TempDir(), "conf"), `{"plugins":[{"type":"weft-cni"}]}`)
		},
		"invalid character": func(o *cniinstall.Options) { o.Template = write(t, filepath.Join(t.TempDir(), "conf"), `x`) },
		"no such file":      func(o *cniinstall.Options) { o.Template = "/does/not/exist" },
	} {
		o := options(t)
		harm(&o)
		if _, err := o.Configure(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
		must(t, o.Remove())
	}
	o := options(t)
	o.Source = "/does/not/exist"
	if err := o.Plugin(); err == nil || !strings.Contains(err.Error(), "CNI plugin: open /does/not/exist") {
		t.Errorf("%v", err)
	}
}
