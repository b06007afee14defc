// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// defaultMaxBlocks is the number of blocks of one family that a node may have when maxBlocksPerHost is 0.
const defaultMaxBlocks = 20

// settings is what users configured, resolved.
type settings struct {
	pools     []*Pool // sorted by name
	rejected  []Rejection
	reserved  prefixes
	strict    bool
	autoClaim bool
	maxBlocks int
	cooldown  time.Duration
	// err is a reservation that cannot be read. Addresses can be released then, but not assigned: they might be reserved ones.
	err error
}

// rules are what an edit of a block has to know.
type rules struct {
	reserved prefixes
	cooldown time.Duration
	now      time.Time
}

func (s *settings) rules(now time.Time) rules { return rules{s.reserved, s.cooldown, now} }

// prefixes is a list of ranges.
type prefixes []netip.Prefix

func (p prefixes) contains(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// covers reports that one range holds all of block.
func (p prefixes) covers(block netip.Prefix) bool {
	for _, prefix := range p {
		if prefix.Bits() <= block.Bits() && prefix.Contains(block.Addr()) {
			return true
		}
	}
	return false
}

// configured are the resources that settings are made of.
var configured = []api.Resource{api.IPPools, api.IPReservations, api.IPAMConfigurations}

// resolve makes settings of objects of the configured resources.
func resolve(objs []api.Object) *settings {
	var pools []*v3.IPPool
	config := &v3.IPAMConfiguration{}
	s := &settings{}
	for _, obj := range objs {
		switch obj := obj.(type) {
		case *v3.IPPool:
			pools = append(pools, obj)
		case *v3.IPAMConfiguration:
			if obj.Name == "default" {
				config = api.Clone(obj)
			}
		case *v3.IPReservation:
			for i, text := range obj.Spec.ReservedCIDRs {
				cidr, err := v3.ParseCIDR(text)
				if err != nil {
					s.err = fmt.Errorf("no address is assigned until IPReservation %s is corrected: spec.reservedCIDRs[%d]: %w", obj.Name, i, err)
					continue
				}
				s.reserved = append(s.reserved, cidr)
			}
		}
	}
	s.pools, s.rejected = ResolvePools(pools)
	v3.SetDefaults(config)
	s.strict, s.autoClaim, s.maxBlocks = *config.Spec.StrictAffinity, *config.Spec.AutoAllocateBlocks, *config.Spec.MaxBlocksPerHost
	s.cooldown = time.Duration(*config.Spec.IPCooldownSeconds) * time.Second
	if s.maxBlocks == 0 {
		s.maxBlocks = defaultMaxBlocks
	}
	return s
}
