#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command on Debian's stock kernel, in a QEMU machine without KVM: for what the kernel of this host lacks (IP-in-IP). The machine sees this
# host's files as they are; what it writes is gone with it. The exit status is the command's.
# usage: tools/vm.sh COMMAND...        WEFT_VM_MEMORY=4096 (MiB), WEFT_VM_CACHE=~/.cache/weft/vm
set -euo pipefail

[ $# -gt 0 ] || { sed -n 's/^# \(usage.*\)/\1/p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
cache=${WEFT_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/vm}
"$here/setup.sh" vm
kernel=$("$here/vm/kernel.sh" "$cache")
release=$(basename "$(echo "$kernel"/lib/modules/*)")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/modules"
cp /usr/bin/busybox "$root/bin/"
cp "$here/vm/init" "$root/init"
modprobe -d "$kernel" -S "$release" --show-depends -a 9p 9pnet_virtio virtio_pci overlay | awk '$1 == "insmod" && !seen[$2]++ {print $2}' |
  while read -r file; do cp "$file" "$root/modules/" && basename "$file"; done >"$root/order"
{
  printf 'cd %q\n' "$PWD"
  printf 'export WEFT_SLOW=yes HOME=/tmp PATH=%q\n' "$PATH"
  printf '%q ' "$@"
} >"$root/command"
echo "$kernel/lib/modules" >"$root/modules.path"
echo "$PWD" >"$root/directory"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

# The machine's clock counts its instructions, and waits for nothing: how busy the host is makes no difference in there (ADR 14). The kernel's check
# of the clock does not know such ones.
qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 1 -icount shift=1,sleep=off -m "${WEFT_VM_MEMORY:-4096}" -nodefaults -nographic -no-reboot -serial stdio \
  -kernel "$kernel/boot/vmlinuz-$release" -initrd "$work/initrd" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -append 'console=ttyS0 quiet panic=-1 no_timer_check' </dev/null | tee "$work/output"

status=$(tr -d '\r' <"$work/output" | sed -n 's/^weft-vm: exit status //p' | tail -1)
[ -n "$status" ] || { echo "vm: the machine ended without saying how the command did" >&2; exit 1; }
exit "$status"
