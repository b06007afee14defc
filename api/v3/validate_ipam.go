// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// linkLocal are the ranges that no pool may touch (RFC 3927, RFC 4291).
var linkLocal = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10")}

func validateIPPool(s *IPPoolSpec, r report) {
	cidr, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return // the check of the field itself has said so
	}
	for _, no := range linkLocal {
		if no.Overlaps(cidr) {
			r.at("cidr").add("%s overlaps the link-local range %s; choose another range", s.CIDR, no)
		}
	}
	validateBlockSize(s, cidr, r)
	validateEncap(s, cidr, r)
	validateUses(s, r)
}

// validateBlockSize checks the block size and that at least one block fits into the pool.
func validateBlockSize(s *IPPoolSpec, cidr netip.Prefix, r report) {
	size, low, high := blockSize(s, cidr.Addr().Is6()), 20, 32
	if cidr.Addr().Is6() {
		low, high = 116, 128
	}
	disabled := s.Disabled != nil && *s.Disabled
	switch {
	case size < 0 || size > 128: // the check of the field itself has said so
	case size < low || size > high:
		r.at("blockSize").add("%d is out of range; write %d to %d for a pool like %s", size, low, high, cidr)
	case cidr.Bits() > size && !disabled:
		r.at("cidr").add("%s is too small: it does not hold one block of size /%d; write a larger pool, a blockSize of %d to %d, or disabled: true",
			cidr, size, cidr.Bits(), high)
	}
}

func validateEncap(s *IPPoolSpec, cidr netip.Prefix, r report) {
	ipip, vxlan := active(s.IPIPMode), active(s.VXLANMode)
	if ipip && cidr.Addr().Is6() {
		r.at("ipipMode").add("IP-in-IP carries IPv4 only; remove it, or use vxlanMode")
	}
	if ipip && vxlan {
		r.at("vxlanMode").add("is %s while ipipMode is %s; choose one of them", s.VXLANMode, s.IPIPMode)
	}
}

func active(mode EncapMode) bool { return mode != "" && mode != EncapNever }

// validateUses checks allowedUses: LoadBalancer stands alone and leaves packets to the fabric; tunnels know no namespaces.
func validateUses(s *IPPoolSpec, r report) {
	if dup := duplicate(s.AllowedUses); dup != "" {
		r.at("allowedUses").add("%s is there twice; remove one", dup)
	}
	if slices.Contains(s.AllowedUses, UseTunnel) && s.NamespaceSelector != "" {
		r.at("namespaceSelector").add("does not fit a pool for tunnels, which have no namespace; remove it, or Tunnel from allowedUses")
	}
	if !slices.Contains(s.AllowedUses, UseLoadBalancer) {
		return
	}
	if len(s.AllowedUses) > 1 {
		r.at("allowedUses").add("LoadBalancer stands alone; make a pool of its own for it")
	}
	if active(s.IPIPMode) || active(s.VXLANMode) {
		r.at("allowedUses").add("LoadBalancer addresses are not encapsulated; set ipipMode and vxlanMode to Never")
	}
	if s.NodeSelector != "" && strings.TrimSpace(s.NodeSelector) != "all()" {
		r.at("nodeSelector").add("a LoadBalancer pool is for all nodes; write all()")
	}
	if s.DisableBGPExport != nil && *s.DisableBGPExport {
		r.at("disableBGPExport").add("a LoadBalancer pool must be advertised; remove it")
	}
}

func validateIPAMConfiguration(s *IPAMConfigurationSpec, r report) {
	strict := s.StrictAffinity != nil && *s.StrictAffinity
	if s.AutoAllocateBlocks != nil && !*s.AutoAllocateBlocks && !strict {
		r.at("autoAllocateBlocks").add("false needs strictAffinity: true; else nodes without a block would borrow all addresses")
	}
	if s.MaxBlocksPerHost != nil && *s.MaxBlocksPerHost > 0 && !strict {
		r.at("maxBlocksPerHost").add("a limit needs strictAffinity: true; else nodes at the limit would borrow")
	}
}

// PoolError is a pool that cannot serve addresses because of another.
type PoolError struct {
	Pool *IPPool
	FieldError
}

// ValidatePools finds pools whose CIDR overlaps that of another. The older pool stays good (of two of the same age the one whose
// name sorts first); each later one that overlaps a good one is returned.
func ValidatePools(pools []*IPPool) []PoolError {
	byAge := slices.SortedFunc(slices.Values(pools), func(a, b *IPPool) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	type good struct {
		name string
		cidr netip.Prefix
	}
	var kept []good
	var out []PoolError
	for _, pool := range byAge {
		cidr, err := ParseCIDR(pool.Spec.CIDR)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(kept, func(g good) bool { return g.name != pool.Name && g.cidr.Overlaps(cidr) })
		if i < 0 {
			kept = append(kept, good{pool.Name, cidr})
			continue
		}
		var found FieldErrors
		report{path: "spec.cidr", all: &found}.add("%s overlaps %s of IPPool %s; no address may belong to two pools", cidr, kept[i].cidr, kept[i].name)
		out = append(out, PoolError{pool, found[0]})
	}
	return out
}

// duplicate returns an element that a list holds twice, or the zero value.
func duplicate[T comparable](list []T) T {
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			return v
		}
	}
	var none T
	return none
}
