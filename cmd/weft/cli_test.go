// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl"
)

var update = flag.Bool("update", false, "rewrite docs/cli.md")

const cliPage = "../../docs/cli.md"

// TestCommandReference holds docs/cli.md against the command tree, and every command to an example that names it.
func TestCommandReference(t *testing.T) {
	env := ctl.OSEnv()
	root := tree(env)
	got := page(t, root)
	if *update {
		if err := os.WriteFile(cliPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(cliPage)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("docs/cli.md is not what the commands say; run `go test ./cmd/weft -update`")
	}
}

// page renders the command tree as one page.
func page(t *testing.T, root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("<!-- Rewritten by `go test ./cmd/weft -update` from the commands. DO NOT EDIT. -->\n\n# Commands\n\n" +
		"`weft COMMAND --help` says the same with all flags. Exit status: 0 done, 1 not done or invalid input, 2 wrong command line, 3 denied (`why`) or changes (`policy diff`), 4 done in part.\n")
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				entry(t, &b, cmd)
			}
		}
	}
	b.WriteString("\n## Flags for the datastore\n\n```\n" + strings.TrimRight(root.PersistentFlags().FlagUsages(), "\n") + "\n```\n")
	return b.String()
}

// entry renders a command, or those inside it.
func entry(t *testing.T, b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden {
		return
	}
	if cmd.HasAvailableSubCommands() {
		for _, inner := range cmd.Commands() {
			entry(t, b, inner)
		}
		if !cmd.LocalNonPersistentFlags().HasFlags() {
			return
		}
	}
	if !strings.Contains(cmd.Example, cmd.CommandPath()) {
		t.Errorf("%s: the help has no example", cmd.CommandPath())
	}
	fmt.Fprintf(b, "\n### %s\n\n%s.\n\n```sh\n%s\n```\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."), unindent(cmd.Example))
}

func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
