// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// renderings are the golden files.
var renderings = map[string]Options{"sample.nft": {}, "indexed.nft": {indexFrom: 1, EndpointToHost: HostAccept}}

func TestRenderGolden(t *testing.T) {
	for name, o := range renderings {
		t.Run(name, func(t *testing.T) { golden(t, filepath.Join("testdata", name), o) })
	}
}

func golden(t *testing.T, name string, o Options) {
	t.Helper()
	text, err := Render(sample(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("rendering differs from %s; run go test -update and look at the change:\n%s", name, text)
	}
}

// TestTextMeansWhatWeProgram loads the text with the nft tool into one namespace and applies the state in another: the tool must list the
// same table for both.
func TestTextMeansWhatWeProgram(t *testing.T) {
	for name, o := range renderings {
		t.Run(name, func(t *testing.T) { sameListing(t, o) })
	}
}

func sameListing(t *testing.T, o Options) {
	t.Helper()
	view := sample(t)
	text, err := Render(view, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "table.nft")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peer, ours := newNS(t), newNS(t)
	nftTool(t, peer, "-f", file)
	apply(t, openDriver(t, ours, o), view, nil)
	want, got := nftTool(t, peer, "-s", "list", "ruleset"), nftTool(t, ours, "-s", "list", "ruleset")
	if got != want {
		t.Errorf("the kernel lists our table as\n%s\nand the tool's as\n%s", got, want)
	}
}
