// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package docs_test runs what the documentation tells people to type.
package docs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// root is the repository.
const root = "../.."

// tourTimeout bounds the whole tour; a person is promised ten minutes.
const tourTimeout = 5 * time.Minute

// TestReadmeTour runs every command of the README's tour, word for word, in one shell.
func TestReadmeTour(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := commandBlocks(section(string(readme), "## A ten-minute tour"))
	if len(blocks) < 5 {
		t.Fatalf("found %d command blocks in the tour; has its heading changed?", len(blocks))
	}
	ctx, cancel := context.WithTimeout(t.Context(), tourTimeout)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", strings.Join(blocks, "\n"))
	shell.Dir = root
	var output bytes.Buffer
	shell.Stdout, shell.Stderr = &output, &output
	err = shell.Run()
	t.Cleanup(func() { cleanUp(t) })
	if err != nil {
		t.Fatalf("the tour fails: %v\n%s", err, tail(output.String(), 80))
	}
}

// cleanUp removes the tour's lab when the tour broke off before it did so itself.
func cleanUp(t *testing.T) {
	if !t.Failed() {
		return
	}
	out, err := exec.Command(root+"/bin/weft", "lab", "down", "tour").CombinedOutput()
	t.Logf("lab down: %v %s", err, out)
}

// section returns the text between a heading and the next of the same level.
func section(text, heading string) string {
	_, rest, _ := strings.Cut(text, heading+"\n")
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// commandBlocks returns the contents of the ```sh blocks.
func commandBlocks(text string) []string {
	var blocks []string
	for {
		_, rest, ok := strings.Cut(text, "```sh\n")
		if !ok {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks, text = append(blocks, block), after
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
