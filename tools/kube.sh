#!/usr/bin/env bash
# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds programs of Kubernetes from source into bin/kube, if they are not there: tools/kube/go.mod pins the version.
# usage: tools/kube.sh [PROGRAM...]    PROGRAM: kube-apiserver (default), ...    WEFT_KUBE=DIRECTORY instead of bin/kube
set -euo pipefail
cd "$(dirname "$0")/kube"

dir=${WEFT_KUBE:-$PWD/../../bin/kube}
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
# Without a version the programs say v0.0.0, and checks of version skew get in the way.
stamp=k8s.io/component-base/version.git
flags="-s -w -X ${stamp}Version=$version -X ${stamp}Major=1 -X ${stamp}Minor=${minor%%.*}"
mkdir -p "$dir"
for program in "${@:-kube-apiserver}"; do
  [ "$("$dir/$program" --version 2>/dev/null)" = "Kubernetes $version" ] && continue
  echo "kube: building $program $version; the first time takes some minutes"
  CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$dir/$program" "k8s.io/kubernetes/cmd/$program"
done
