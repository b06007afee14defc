#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Unpacks Debian's current stock kernel below a directory, unless it is there, and prints where.
# usage: tools/vm/kernel.sh DIRECTORY
set -euo pipefail

package=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" {print $2; exit}')
[ -n "$package" ] || { echo "vm: apt does not know linux-image-amd64; run apt-get update, or see whether /etc/apt/sources.list has Debian" >&2; exit 1; }
place=$1/$package
if [ ! -e "$place/complete" ]; then
  mkdir -p "$1"
  work=$(mktemp -d "$1/unpack.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download -qq "$package") >&2
  dpkg -x "$work"/*.deb "$work/kernel"
  depmod -b "$work/kernel" "${package#linux-image-}"
  touch "$work/kernel/complete"
  rm -rf "$place"
  mv "$work/kernel" "$place"
fi
echo "$place"
