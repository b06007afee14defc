// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Agnhost is the image of the pods of tests, and of the sandbox of each pod.
const Agnhost = registry + "agnhost:test"

// registry begins the whole name of an image whose short one has none.
const registry = "docker.io/library/"

// image is what buildah makes of a recipe, as docs/install.md says. Recipes that begin with an empty image need no network.
type image struct {
	name, recipe string
	context      string // directory of the programs
}

// archive builds an image and writes it to a file that `ctr images import` reads, as `docker save` does.
func (i image) archive(t testing.TB) (path string) {
	t.Helper()
	dir := t.TempDir()
	buildah := func(args ...string) {
		t.Helper()
		storage := []string{"--root", filepath.Join(dir, "images"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
		must(t, exec.Command("buildah", append(storage, args...)...))
	}
	path = filepath.Join(dir, "image.tar")
	buildah("bud", "--isolation", "chroot", "-f", i.recipe, "-t", i.name, i.context)
	buildah("push", i.name, "docker-archive:"+path+":"+i.name)
	return path
}
