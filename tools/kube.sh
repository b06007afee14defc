#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds programs of Kubernetes from source into bin/kube, if they are not there: tools/kube/go.mod pins the version.
# usage: tools/kube.sh [all | PROGRAM...]    PROGRAM: kube-apiserver (default), kubelet, ...    WEFT_KUBE=DIRECTORY instead of bin/kube
#
# all: what a cluster with real kubelets needs (test/kube/cluster), Helm of tools/helm/go.mod and the Debian packages of buildah, containerd and runc, too.
set -euo pipefail
cd "$(dirname "$0")/kube"

programs=("${@:-kube-apiserver}")
if [ "${programs[0]}" = all ]; then
  ../setup.sh kube
  programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl agnhost helm)
fi

# built PROGRAM MODULE VERSION: it is there, and of that version
built() { grep -qF "$2	$3" <<<"$(go version -m "$dir/$1" 2>/dev/null)"; }

# helm builds Helm, which has a module of its own.
helm() {
  cd ../helm
  local module=helm.sh/helm/v4
  built helm $module "$(go list -m -f '{{.Version}}' $module)" && return
  echo "kube: building helm"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$dir/" $module/cmd/helm
}

dir=$(realpath -m "${WEFT_KUBE:-$PWD/../../bin/kube}")
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
# Without a version the programs say v0.0.0, and checks of version skew get in the way.
stamp=k8s.io/component-base/version.git
flags="-s -w -X ${stamp}Version=$version -X ${stamp}Major=1 -X ${stamp}Minor=${minor%%.*}"
mkdir -p "$dir"
packages=()
for program in "${programs[@]}"; do
  if [ "$program" = helm ]; then
    (helm)
    continue
  fi
  built "$program" k8s.io/kubernetes "$version" && continue
  [ "$program" = agnhost ] && packages+=(k8s.io/kubernetes/test/images/agnhost) || packages+=("k8s.io/kubernetes/cmd/$program")
done
[ ${#packages[@]} -gt 0 ] || exit 0
echo "kube: building ${packages[*]##*/} $version; the first time takes some minutes"
CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$dir/" "${packages[@]}"
