// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
)

// TestNodeAddressChanges: a node whose address the host loses says so and keeps it for a while, takes it back when it is there again, and another
// one when it is not; its workloads are reached again, and an address of its own is not given up for a better one.
func TestNodeAddressChanges(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "readdr", Nodes: 2, Families: lab.IPv4})
	c.populate()
	before, err := c.status("n2")
	if err != nil {
		t.Fatal(err)
	}
	old := before.Address.Value[0]
	const other = "172.30.1.77/24"
	ip := func(args string) {
		t.Helper()
		if err := c.within("n2", func() error { return run(t, "ip", strings.Fields(args)...) }); err != nil {
			t.Fatal(err)
		}
	}
	address := func(what string, holds func(agentapi.Status) bool) {
		t.Helper()
		c.eventually(what, func() error {
			s, err := c.status("n2")
			if err == nil && !holds(s) {
				err = fmt.Errorf("%+v, problems %+v", s.Address, s.Problems)
			}
			return err
		})
	}
	lost := func(s agentapi.Status) bool {
		return slices.ContainsFunc(s.Problems, func(p agentapi.Problem) bool { return strings.Contains(p.Reason, "lost an address") })
	}
	has := func(want string) func(agentapi.Status) bool {
		return func(s agentapi.Status) bool { return slices.Equal(s.Address.Value, []string{want}) && !lost(s) }
	}
	way, err := c.defaultRoute("n2")
	if err != nil {
		t.Fatal(err)
	}
	gateway := "route replace " + way
	ip("address del " + old + " dev eth0")
	address("the loss is told, the address kept", func(s agentapi.Status) bool { return lost(s) && s.Address.Value[0] == old })
	ip("address add " + old + " dev eth0")
	ip(gateway)
	address("it is back", has(old))

	ip("address add " + other + " dev eth0")
	address("a second address changes nothing", has(old))
	ip("address del " + old + " dev eth0")
	ip("address replace " + other + " dev eth0") // the kernel takes secondary addresses away along with the first
	ip(gateway)
	address("the other one is taken", has(other))
	c.converge()
	c.holds("with the other address")
}

// defaultRoute returns the IPv4 default route of a member as ip(8) takes it.
func (c *cluster) defaultRoute(member string) (string, error) {
	var out string
	err := c.within(member, func() error {
		text, err := outputOf(c.t, "ip", "-4", "route", "show", "default")
		out = strings.TrimSpace(text)
		return err
	})
	return out, err
}
