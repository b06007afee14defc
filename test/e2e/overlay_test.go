// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// cloud makes the underlay drop what goes between workloads under their own addresses, as clouds do.
const cloud = `
table bridge weft_lab_cloud {
  chain forward {
    type filter hook forward priority 0
    ip saddr 10.65.0.0/16 ip daddr 10.65.0.0/16 drop
    ip6 saddr fd65::/64 ip6 daddr fd65::/64 drop
  }
}
table inet weft_lab_cloud {
  chain forward {
    type filter hook forward priority 0
    ip saddr 10.65.0.0/16 ip daddr 10.65.0.0/16 drop
    ip6 saddr fd65::/64 ip6 daddr fd65::/64 drop
  }
}
`

// encapsulate sets the vxlanMode of the lab's pools.
func (c *cluster) encapsulate(mode v3.EncapMode) {
	c.t.Helper()
	for i, cidr := range c.Spec().Pools {
		p := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: fmt.Sprint("pool-", i+1)}}
		p.Spec.CIDR, p.Spec.VXLANMode = cidr, mode
		c.apply(p)
	}
}

// TestTunnelsCrossACloud: an underlay that drops unknown addresses carries no plain packets between workloads, and all of them in VXLAN.
func TestTunnelsCrossACloud(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "cloud", Nodes: 3, Subnets: 2})
	c.populate()
	c.holds("before")
	c.nftIn("tor", cloud)
	m, err := c.Matrix(t.Context(), nil, []probe.Service{{Protocol: probe.ICMP}})
	if err != nil || len(m.Mismatches()) == 0 {
		t.Fatalf("plain packets cross the cloud: %d mismatches, %v", len(m.Mismatches()), err)
	}
	c.encapsulate(v3.EncapAlways)
	c.converge()
	c.holds("in VXLAN")
	c.crash("n2")
	c.converge()
	c.holds("after kill -9 of an agent")
}

// TestModeChangeUnderTraffic: pools go from each mode to each other one, the first tunnels of the cluster among them, and no connection notices.
func TestModeChangeUnderTraffic(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "modes", Nodes: 3, Subnets: 2})
	c.shop()
	for _, mode := range []v3.EncapMode{v3.EncapAlways, v3.EncapCrossSubnet, v3.EncapNever, v3.EncapCrossSubnet, v3.EncapAlways, v3.EncapNever} {
		c.during("while vxlanMode becomes "+string(mode), usual, func() {
			c.encapsulate(mode)
			c.converge()
		})
	}
	c.holdsAll("in the end")
}

// holdsAll sends every kind of packet between all workloads there are.
func (c *cluster) holdsAll(when string) {
	c.t.Helper()
	if m := c.settled(when, nil, nil); len(m.Mismatches()) > 0 {
		c.t.Errorf("%s: %d flows go otherwise than policy says", when, len(m.Mismatches()))
	}
}
