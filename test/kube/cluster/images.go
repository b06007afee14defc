// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Agnhost is the image of the pods of tests, and of the sandbox of each pod.
const Agnhost = "docker.io/library/agnhost:test"

// image is what `docker build` would make of an empty base image: programs at the root.
type image struct {
	name       string
	programs   []string // paths on this host
	entrypoint []string
	cmd        []string
}

// recipe reads the image recipe of weft, which knows COPY and ENTRYPOINT.
func recipe(t testing.TB, path, context, name string) image {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := image{name: name}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "COPY" && strings.HasSuffix(rest, " /"):
			for file := range strings.FieldsSeq(strings.TrimSuffix(rest, " /")) {
				i.programs = append(i.programs, filepath.Join(context, file))
			}
		case word == "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &i.entrypoint)
		case line != "" && word != "#" && line != "FROM scratch":
			t.Fatalf("%s: %q is not understood here", path, line)
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
	}
	return i
}

// write makes an archive that `ctr images import` reads, as `docker save` does, and returns its path.
func (i image) write(t testing.TB, dir string) string {
	t.Helper()
	layer := filepath.Join(dir, "layer.tar")
	pack(t, layer, func(w *tar.Writer) {
		for _, program := range i.programs {
			data, err := os.ReadFile(program)
			if err != nil {
				t.Fatal(err)
			}
			add(t, w, filepath.Base(program), data, 0o755)
		}
	})
	content, err := os.ReadFile(layer)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	config := mustJSON(t, map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": i.entrypoint, "Cmd": i.cmd},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	manifest := mustJSON(t, []map[string]any{{"Config": "config.json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"}}})
	path := filepath.Join(dir, filepath.Base(strings.ReplaceAll(i.name, ":", "-"))+".tar")
	pack(t, path, func(w *tar.Writer) {
		add(t, w, "config.json", config, 0o644)
		add(t, w, "layer.tar", content, 0o644)
		add(t, w, "manifest.json", manifest, 0o644)
	})
	return path
}

// pack writes an archive.
func pack(t testing.TB, path string, fill func(*tar.Writer)) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	fill(w)
	for _, close := range []func() error{w.Close, f.Close} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
}

// add puts a file into an archive.
func add(t testing.TB, w *tar.Writer, name string, data []byte, mode int64) {
	t.Helper()
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
