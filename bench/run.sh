#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the peers and measures; arguments go to weftbench (-only cni,policy).
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p bin/ref
go build -modfile=tools/go.mod -o bin/ref/ \
  github.com/containernetworking/plugins/plugins/main/ptp \
  github.com/containernetworking/plugins/plugins/main/bridge \
  github.com/containernetworking/plugins/plugins/ipam/host-local
go build -o bin/weftbench ./bench/weftbench
exec bin/weftbench -bin bin "$@"
