// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package version says which weft this is: String for people, Commit for scripts.
package version

import "runtime/debug"

// Release is the version of this source tree.
const Release = "0.1.0-dev"

// Commit is set by the linker to `git describe`; empty in a plain `go build`.
var Commit string

// String returns "0.1.0-dev (4f2a91c)".
func String() string {
	commit := Commit
	if commit == "" {
		commit = vcsRevision()
	}
	if commit == "" {
		return Release
	}
	return Release + " (" + commit + ")"
}

func vcsRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return ""
}
