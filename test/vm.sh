#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the machine of tools/vm.sh what skips itself on a kernel without IP-in-IP: the tunnel devices, and the lab's scenarios with it. The short
# form has one scenario; WEFT_LONG=1 runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=bin/test
mkdir -p "$tests"
CGO_ENABLED=0 go test -c -o "$tests/tunnel.test" ./routing/tunnel
CGO_ENABLED=0 go test -c -o "$tests/e2e.test" ./test/e2e

scenarios='^TestScenarios$/^ipip$/ipv4/nftables'
if [ -n "${WEFT_LONG:-}" ]; then
  scenarios='TestScenarios'
fi
tools/vm.sh bash -c "
  (cd routing/tunnel && ../../$tests/tunnel.test -test.v -test.run IPIP) &&
  (cd test/e2e && WEFT_SCENARIOS=all ../../$tests/e2e.test -test.v -test.timeout 60m -test.run '$scenarios')"
