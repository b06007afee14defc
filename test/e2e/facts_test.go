// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

type probeFlow = probe.Flow

var errorf = fmt.Errorf

// disableOtherPools leaves only pools applied later in use.
func disableOtherPools(t *testing.T, s store.Store) {
	t.Helper()
	pools, err := s.List(t.Context(), api.IPPools, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range pools.Items {
		pool := api.Clone(obj).(*v3.IPPool)
		disabled := true
		if strings.Contains(pool.Spec.CIDR, ".") {
			pool.Spec.Disabled = &disabled
		}
		if _, err := s.Update(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
}

// caliLinks counts the workload interfaces of a node.
func (c *cluster) caliLinks(node string) (int, error) {
	ns, err := c.Namespace(node)
	if err != nil {
		return 0, err
	}
	defer func() { _ = ns.Close() }()
	conn, err := netlink.Open(ns)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	links, err := conn.Links()
	count := 0
	for _, l := range links {
		if strings.HasPrefix(l.Name, own.InterfacePrefix) {
			count++
		}
	}
	return count, err
}

// addressesInUse counts the allocations of all blocks.
func (c *cluster) addressesInUse() (int, error) {
	s, err := c.Store()
	if err != nil {
		return 0, err
	}
	blocks, err := s.List(c.t.Context(), api.IPAMBlocks, "")
	count := 0
	for _, obj := range blocks.Items {
		for _, index := range obj.(*v3.IPAMBlock).Spec.Allocations {
			if index != nil {
				count++
			}
		}
	}
	return count, err
}
