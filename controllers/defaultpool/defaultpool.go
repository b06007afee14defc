// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package defaultpool gives a new cluster its first addresses: [New] says which pools are wanted, [Ensure] makes those of families without any.
package defaultpool

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// Names of the pools, as Calico's.
const (
	NameIPv4 = "default-ipv4-ippool"
	NameIPv6 = "default-ipv6-ippool"
)

// New returns a pool with outgoing NAT for each prefix; from the second of a family on its name has a number. vxlanMode is Never, CrossSubnet or Always. The error
// says which prefix cannot be a pool, and why.
func New(prefixes []netip.Prefix, vxlanMode string) ([]*v3.IPPool, error) {
	var pools []*v3.IPPool
	count := map[string]int{}
	for _, prefix := range prefixes {
		name := NameIPv4
		if prefix.Addr().Is6() {
			name = NameIPv6
		}
		number := ""
		if count[name]++; count[name] > 1 {
			number = fmt.Sprintf("-%d", count[name])
		}
		pool := &v3.IPPool{
			ObjectMeta: v3.ObjectMeta{Name: name + number},
			Spec:       v3.IPPoolSpec{CIDR: prefix.String(), VXLANMode: v3.EncapMode(vxlanMode), NATOutgoing: new(true)},
		}
		if bad := api.Validate(pool, api.Checks{}); len(bad) > 0 {
			return nil, fmt.Errorf("default pool %s: %w", prefix, bad)
		}
		pools = append(pools, pool)
	}
	for _, bad := range v3.ValidatePools(pools) {
		return nil, fmt.Errorf("default pools: %w", bad)
	}
	return pools, nil
}

// Ensure makes the pools of families that have none for workloads, and returns their names. A pool that cannot be read may be of any family.
func Ensure(ctx context.Context, s store.Store, pools []*v3.IPPool) (made []string, err error) {
	list, err := s.List(ctx, api.IPPools, "")
	if err != nil || len(list.Invalid) > 0 {
		return nil, err
	}
	for _, pool := range pools {
		if slices.ContainsFunc(list.Items, func(obj api.Object) bool { return serves(obj, isIPv6(pool.Spec.CIDR)) }) {
			continue
		}
		_, err := s.Create(ctx, pool)
		if errors.Is(err, store.ErrExists) {
			continue
		}
		if err != nil {
			return made, fmt.Errorf("make IPPool %s: %w", pool.Name, err)
		}
		made = append(made, pool.Name)
	}
	return made, nil
}

// serves tells whether an object is a pool from which workloads get addresses of a family, disabled or not.
func serves(obj api.Object, ipv6 bool) bool {
	pool, ok := obj.(*v3.IPPool)
	return ok && isIPv6(pool.Spec.CIDR) == ipv6 && (pool.Spec.AllowedUses == nil || slices.Contains(pool.Spec.AllowedUses, v3.UseWorkload))
}

func isIPv6(cidr string) bool { return strings.Contains(cidr, ":") }
