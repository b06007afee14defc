// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// yamlBlock finds the manifests in a page.
var yamlBlock = regexp.MustCompile("(?s)```ya?ml\n(.*?)```")

// TestExamples applies every example, and again: the second time nothing is left to do.
func TestExamples(t *testing.T) {
	for _, file := range glob(t, "../examples/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			u := newUser(t)
			first := u.must("", "apply", "-f", file)
			if second := u.must("", "apply", "-f", file); second != strings.ReplaceAll(first, " created\n", " unchanged\n") {
				t.Errorf("first:\n%s\nsecond:\n%s", first, second)
			}
		})
	}
	for _, file := range glob(t, "../examples/broken/*.yaml") {
		if _, _, code := newUser(t).run("", "apply", "-f", file); code != ExitError {
			t.Errorf("%s: exit %d, want %d", file, code, ExitError)
		}
	}
}

// TestManifestsInDocs validates what people copy from the pages.
func TestManifestsInDocs(t *testing.T) {
	pages := append(glob(t, "../docs/*.md"), glob(t, "../docs/*/*.md")...)
	for _, file := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			if out, errOut, code := newUser(t).run(block[1], "validate", "-f", "-"); code != 0 {
				t.Errorf("%s: a manifest is invalid:\n%s%s", file, out, errOut)
			}
		}
	}
}

// link finds relative links in a page.
var link = regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`)

// TestLinksInDocs follows every relative link.
func TestLinksInDocs(t *testing.T) {
	for _, file := range append(glob(t, "../docs/*.md"), "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), found[1])); err != nil {
				t.Errorf("%s: link to %s: %v", file, found[1], err)
			}
		}
	}
}

// spoken finds commands in the text of a page.
var spoken = regexp.MustCompile("`weft ([a-z]+)( [a-z]+)?[^`]*`")

// TestCommandsInDocs asks for the help of every command that a page names; those of the roles are tested with cmd/weft.
func TestCommandsInDocs(t *testing.T) {
	roles := []string{"agent", "controllers", "fanout", "gateway", "lab", "observer"}
	for _, file := range append(glob(t, "../docs/*.md"), "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range spoken.FindAllStringSubmatch(string(text), -1) {
			if slices.Contains(roles, found[1]) {
				continue
			}
			if out, errOut, code := newUser(t).run("", append(strings.Fields(found[1]+found[2]), "--help")...); code != 0 || !strings.Contains(out, "weft "+found[1]) {
				t.Errorf("%s: %s: exit %d\n%s", file, found[0], code, errOut)
			}
		}
	}
}

// TestIndexNamesEveryPage keeps docs/README.md whole.
func TestIndexNamesEveryPage(t *testing.T) {
	index, err := os.ReadFile("../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(glob(t, "../docs/*.md"), glob(t, "../examples/*.yaml")...) {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(string(index), name) {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// glob lists files, of which there must be some.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %d files", pattern, err, len(files))
	}
	return slices.Sorted(slices.Values(files))
}
