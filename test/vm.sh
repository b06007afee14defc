#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the machine of tools/vm.sh what other kernels may lack, IP-in-IP and WireGuard: the tunnel devices (all that WEFT_VM=devices runs), and the
# lab's scenarios with them. The short form has one of each; WEFT_LONG=1 runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=bin/test
mkdir -p "$tests"
CGO_ENABLED=0 go test -c -o "$tests/tunnel.test" ./routing/tunnel

devices="(cd routing/tunnel && ../../$tests/tunnel.test -test.v -test.timeout 5m -test.run 'IPIP|Encrypted|KeyOnDisk|NetsOfPeers')"
if [ "${WEFT_VM:-}" = devices ]; then
  exec timeout 10m tools/vm.sh bash -c "$devices"
fi
CGO_ENABLED=0 go test -c -o "$tests/e2e.test" ./test/e2e
scenarios='^TestScenarios$/^(ipip|wireguard)$/ipv4/nftables'
if [ -n "${WEFT_LONG:-}" ]; then
  scenarios='^TestScenarios$/ipip|wireguard'
fi
# The modules that the lab uses are loaded in one go: each would be looked for when a program first needs it.
modules="nf_tables nft_ct nft_chain_nat nf_conntrack nf_conntrack_netlink nft_fib_inet nft_reject_inet ip_set_hash_net veth bridge vxlan ipip wireguard"
tools/vm.sh bash -c "modprobe -a -q $modules; $devices &&
  (cd test/e2e && WEFT_SCENARIOS=all ../../$tests/e2e.test -test.v -test.timeout 170m -test.run '$scenarios')"
