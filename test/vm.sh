#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the machine of tools/vm.sh what other kernels may lack, IP-in-IP and WireGuard: the tunnel devices, and the lab's scenarios.
# usage: test/vm.sh [devices|short|all]
#   devices  the tunnel devices alone
#   short    besides one scenario with each, for CI
#   all      (default) besides uninstalling them, encryption between hosts, translation of addresses, and every scenario with IP-in-IP or WireGuard; what
#            does not run says why
# CELLS=wireguard/ipv4/nftables chooses scenarios by a pattern of `go test -run` for each part; WEFT_LONG=1 runs them all, and changes each to every other mode.
set -euo pipefail
cd "$(dirname "$0")/.."

form=${1:-all}
tests=bin/test
mkdir -p "$tests"
CGO_ENABLED=0 go test -c -o "$tests/tunnel.test" ./routing/tunnel
devices="(cd routing/tunnel && ../../$tests/tunnel.test -test.v -test.timeout 5m -test.run 'IPIP|Encrypted|KeyOnDisk|Nets|HostWays|Threads')"

case $form in
  devices) exec timeout 10m tools/vm.sh bash -c "$devices" ;;
  short) limit=20m cells='^(ipip|wireguard)$/^ipv4$/^nftables$' scenarios=matrix uninstall=true ;;
  all) limit=8h cells=. scenarios=lacked uninstall="../../$tests/e2e.test -test.v -test.timeout 2h -test.run '^TestUninstall\$/^(ipip|wireguard)\$' || failed=1
    ../../$tests/e2e.test -test.v -test.timeout 2h -test.run '^Test(HostsEncrypted|FloatingIPsThroughTunnels|NATOutgoingBesideTunnels)\$'" ;;
  *) sed -n 's/^# \(usage.*\)/\1/p' "$0" >&2; exit 2 ;;
esac
[ -z "${CELLS:-}" ] || cells=$CELLS scenarios=all devices=true uninstall=true

CGO_ENABLED=0 go test -c -o "$tests/e2e.test" ./test/e2e
# The modules that the lab uses are loaded in one go: each would be looked for when a program first needs it.
modules="nf_tables nft_ct nft_chain_nat nf_conntrack nf_conntrack_netlink nft_fib_inet nft_reject_inet ip_set_hash_net veth bridge vxlan ipip wireguard"
# What fails keeps nothing else from running.
exec timeout "$limit" tools/vm.sh bash -c "modprobe -a -q $modules; failed=0; $devices || failed=1; cd test/e2e
  $uninstall || failed=1
  WEFT_LONG=${WEFT_LONG:-} WEFT_SCENARIOS=$scenarios ../../$tests/e2e.test -test.v -test.timeout 8h -test.run '^TestScenarios\$/$cells' || failed=1
  exit \$failed"
