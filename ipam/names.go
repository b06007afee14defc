// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
)

// maxName is the longest object name (RFC 1123 subdomain, as Kubernetes limits it).
const maxName = 253

var (
	dashes    = strings.NewReplacer(".", "-", ":", "-", "/", "-")
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// BlockName returns the name of the IPAMBlock of cidr: "10-0-1-0-26".
func BlockName(cidr netip.Prefix) string { return dashes.Replace(cidr.String()) }

// AffinityName returns the name of the BlockAffinity of a node and a block: "node1-10-0-1-0-26".
func AffinityName(node string, cidr netip.Prefix) string {
	return objectName(node + "-" + BlockName(cidr))
}

// HandleName returns the name of the IPAMHandle of an id: the id itself, or where that is no object name, a readable part of it and
// a hash, so that ids that differ in anything never share a name.
func HandleName(id string) string { return objectName(id) }

// OwnerOf returns the owner of a node's blocks, as IPAMBlock.spec.affinity has it.
func OwnerOf(node string) string { return "host:" + node }

// LoadBalancerNode is the virtual node whose blocks LoadBalancer services get their addresses from, as Calico's.
const LoadBalancerNode = "load-balancer"

// virtualOwner returns the owner of the blocks of a virtual node.
func virtualOwner(name string) string { return "virtual:" + name }

func objectName(text string) string {
	if len(text) <= maxName && subdomain.MatchString(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(sum[:8])
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	readable = strings.Trim(readable[:min(len(readable), maxName-len(hash)-1)], "-")
	return strings.TrimPrefix(readable+"-"+hash, "-")
}
