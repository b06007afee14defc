#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that the lab, the tests and the benchmarks use. Quiet when all is there.
# usage: tools/setup.sh [demo|all|kube|vm]  demo: what `make demo` needs; all (default): tests and benchmarks too; kube: what nodes with
# kubelets need besides; vm: what tools/vm.sh needs besides
set -euo pipefail

demo="bird2 gobgpd iproute2 nftables netbase"
all="$demo frr etcd-server ipset iptables procps iputils-ping"
kube="buildah containerd runc"
vm="qemu-system-x86 busybox-static kmod cpio"
case "${1:-all}" in
  demo) want=$demo ;;
  all)  want=$all ;;
  kube) want="$all $kube" ;;
  vm)   want="$all $vm" ;;
  *)    echo "setup: unknown set \"$1\"; use demo, all, kube or vm" >&2; exit 2 ;;
esac

die() { echo "setup: $*" >&2; exit 1; }

command -v go >/dev/null || die "Go is missing; install Go 1.26 or later from https://go.dev/dl/ and put it on PATH"

missing=()
for package in $want; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || die "missing: ${missing[*]}; this is no Debian machine, install their counterparts by hand"
[ "$(id -u)" -eq 0 ] || die "missing: ${missing[*]}; run as root, or: sudo apt-get install ${missing[*]}"

# The daemons are only ever started by the lab inside its own namespaces: keep the packages from starting them on the host.
guard=/usr/sbin/policy-rc.d
made_guard=
if [ ! -e "$guard" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$guard" && chmod 755 "$guard" && made_guard=yes
fi
trap '[ -z "$made_guard" ] || rm -f "$guard"' EXIT

echo "setup: installing ${missing[*]}"
log=$(mktemp)
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
install || { apt-get update -qq >>"$log" 2>&1 && install; } || { tail -5 "$log" >&2; die "apt-get could not install ${missing[*]} (log: $log)"; }
rm -f "$log"
