// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package examples holds manifests to start from: read ProtectDatabase, or apply the files with `weft apply -f`.
package examples

import _ "embed" // for the manifests

// ProtectDatabase lets only the backend reach the database, on one port.
//
//go:embed protect-database.yaml
var ProtectDatabase string
