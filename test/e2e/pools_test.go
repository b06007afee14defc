// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netlink"
)

// TestBorrowedAddresses: the third node of a pool with two blocks borrows, for its workload and for its tunnels. Others have a route to each of its addresses,
// in every mode, and with VXLAN without any BGP too.
func TestBorrowedAddresses(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "borrow", Nodes: 3, Pools: []string{"10.65.0.0/25", "fd65::/121"}})
	c.populate()
	borrowed := c.places("shop/database")
	check := func(when string) {
		t.Helper()
		c.converge()
		for _, node := range []string{"n1", "n2"} {
			routes, err := c.Routes(node)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range borrowed {
				if !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst == desired.HostPrefix(b.addr) }) {
					t.Errorf("%s: %s has no route to %v alone", when, node, b.addr)
				}
			}
		}
		c.holds(when)
	}
	check("direct")
	for _, mode := range []v3.EncapMode{v3.EncapCrossSubnet, v3.EncapAlways} {
		c.encapsulate(mode)
		check("vxlanMode " + string(mode))
	}
	if err := c.SetMesh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes() {
		c.eventually("no BGP on "+node, func() error {
			s, err := c.status(node)
			if err == nil && s.BGP.Running {
				err = errors.New("it runs")
			}
			return err
		})
	}
	check("without BGP")
	c.crash("n1")
	check("without BGP, after kill -9 of an agent")
}

// ipPool is a pool, edited.
func ipPool(name, cidr string, edit func(*v3.IPPoolSpec)) *v3.IPPool {
	p := &v3.IPPool{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "IPPool"}, ObjectMeta: v3.ObjectMeta{Name: name}}
	p.Spec.CIDR = cidr
	edit(&p.Spec)
	return p
}

// node reads a node's object.
func (c *cluster) node(name string) (*v3.Node, error) {
	s, err := c.Store()
	if err != nil {
		return nil, err
	}
	obj, err := s.Get(c.t.Context(), api.Key{Resource: api.Nodes, Name: name})
	if err != nil {
		return nil, err
	}
	return obj.(*v3.Node), nil
}

// TestPoolFields: pools give addresses to whom they are for, and what has one from a pool that gives none any more keeps it and its ways.
func TestPoolFields(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "poolf", Nodes: 2, Subnets: 2})
	c.add("n1", "old", "old")
	yes, no := true, false
	for i, cidr := range c.Spec().Pools {
		c.apply(ipPool(fmt.Sprint("pool-", i+1), cidr, func(s *v3.IPPoolSpec) { s.Disabled = &yes }))
	}
	n2, err := c.node("n2")
	if err != nil {
		t.Fatal(err)
	}
	selected := func(hidden *bool) {
		t.Helper()
		edit := func(s *v3.IPPoolSpec) { s.NodeSelector, s.DisableBGPExport = "rack == '"+n2.Labels["rack"]+"'", hidden }
		c.apply(ipPool("rack-4", "10.66.0.0/24", edit), ipPool("rack-6", "fd66::/64", edit))
	}
	selected(&no)
	refused := func(reasons ...string) {
		t.Helper()
		c.eventually("no pool for a workload", func() error { // the agent hears of pools after the datastore
			w := lab.Workload{Node: "n1", Namespace: "shop", Name: "none"}
			_, err := c.AddWorkload(t.Context(), w)
			if err == nil {
				return errors.Join(errors.New("it has addresses"), c.DeleteWorkload(t.Context(), w.Key()))
			}
			for _, why := range reasons {
				if !strings.Contains(err.Error(), why) {
					return fmt.Errorf("%w; want %q", err, why)
				}
			}
			return nil
		})
	}
	c.apply(ipPool("manual", "10.67.0.0/24", func(s *v3.IPPoolSpec) { s.AssignmentMode = "Manual" }))
	refused("pool-1 (10.65.0.0/16) is disabled", "manual (10.67.0.0/24) has assignmentMode Manual",
		"rack-4 (10.66.0.0/24) has nodeSelector", "which does not select the node")
	// The agent knows by now that the first pools are disabled: it takes no address for its tunnel from there.
	c.apply(ipPool("tunnels", "10.68.0.0/24", func(s *v3.IPPoolSpec) { s.AllowedUses, s.VXLANMode = []string{v3.UseTunnel}, v3.EncapAlways }))
	c.add("n2", "new", "new")
	found := c.places("shop/new")
	for i, cidr := range []string{"10.66.0.0/24", "fd66::/64"} {
		if !netip.MustParsePrefix(cidr).Contains(found[i].addr) {
			t.Errorf("the workload of the selected node has %v; want one of %s", found[i].addr, cidr)
		}
	}
	c.eventually("a tunnel address of the pool for tunnels", func() error {
		node, err := c.node("n1")
		if err != nil {
			return err
		}
		if addr, err := netip.ParseAddr(node.Spec.IPv4VXLANTunnelAddr); err != nil || !netip.MustParsePrefix("10.68.0.0/24").Contains(addr) {
			return fmt.Errorf("n1 has %q", node.Spec.IPv4VXLANTunnelAddr)
		}
		return nil
	})
	refused("tunnels (10.68.0.0/24) has allowedUses Tunnel, without Workload")
	c.holdsAll("between a disabled pool and a selected one")
	routed := func(want bool) {
		t.Helper()
		c.eventually(fmt.Sprintf("routes to the selected pools: %v", want), func() error {
			routes, err := c.Routes("n1")
			if err != nil {
				return err
			}
			for _, f := range found {
				if got := slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst.Contains(f.addr) && r.Dst.Bits() > 0 }); got != want {
					return fmt.Errorf("to %v: %v", f.addr, got)
				}
			}
			return nil
		})
	}
	routed(true)
	selected(&yes)
	routed(false)
	selected(&no)
	routed(true)
	c.holdsAll("exported again")
}
