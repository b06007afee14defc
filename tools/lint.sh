#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Formatting, vet, the pinned golangci-lint, shell syntax, and generated files.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "lint: run gofmt -w on:"; echo "$unformatted"; exit 1; }

for script in $(git ls-files '*.sh') .ci/run; do bash -n "$script"; done

go vet ./...
go tool -modfile=tools/go.mod golangci-lint run ./...

go generate ./...
changed=$(git status --porcelain -- api deploy docs/reference)
[ -z "$changed" ] || { echo "lint: generated files are stale; run make generate and commit:"; echo "$changed"; exit 1; }
echo "lint: ok"
