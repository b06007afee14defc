// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"crypto/sha1" // the naming rule of the cali* interfaces, not security
	"encoding/hex"
	"regexp"

	"github.com/weftnet/weft/sys/own"
)

// primary is the name of the interface that a container's first network has.
const primary = "eth0"

// hostSuffix is how many characters follow the prefix of a host side name: 15 bytes are all the kernel allows.
const hostSuffix = 11

// random matches container IDs that runtimes draw; their first characters are as good as a hash.
var random = regexp.MustCompile(`^[0-9a-f]{32,}$`)

// hostName is the host side name of an attachment: "cali" and the start of SHA-1 of "<namespace>.<pod>" for Kubernetes, else the start of
// the container ID (Calico's rule). IDs that people chose are hashed, because many may start alike, and so is the name of a further interface.
func (a *attachment) hostName() string {
	what := a.containerID
	if a.kubernetes {
		what = a.workload.Namespace + "." + a.workload.Name
	}
	switch {
	case a.ifName != primary:
		what = hashOf(what + "." + a.ifName)
	case a.kubernetes || len(what) > hostSuffix && !random.MatchString(what):
		what = hashOf(what)
	}
	return own.InterfacePrefix + what[:min(len(what), hostSuffix)]
}

func hashOf(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// handle is the IPAM handle of the attachment's addresses, as Calico names it; a further interface has one of its own.
func (a *attachment) handle() string {
	handle := a.conf.Name + "." + a.containerID
	if a.ifName != primary {
		handle += "." + a.ifName
	}
	return handle
}
