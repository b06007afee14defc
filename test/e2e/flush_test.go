// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/lab"
)

// held shows what the agent keeps for routing.
const held = `
for family in -4 -6; do for proto in 119 120; do ip $family route show proto $proto; done; done | sort
for device in vxlan.calico vxlan-v6.calico; do
  ip -o addr show dev $device | sed -E 's/^[0-9]+: //' | grep -v -e fe80:
  ip neigh show dev $device nud permanent | sort; bridge fdb show dev $device | sort; ip -o link show up dev $device | grep -o ' mtu [0-9]*'
done
`

// TestFlushing: what network managers do to what they do not know is undone at once.
func TestFlushing(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "flush", Nodes: 2, Subnets: 2})
	c.populate()
	c.encapsulate(v3.EncapAlways)
	c.converge()
	look := func() string {
		var out string
		if err := c.within("n2", func() (err error) { out, err = outputOf(t, "bash", "-c", held); return err }); err != nil {
			return err.Error()
		}
		return out
	}
	start := time.Now()
	want := look()
	t.Logf("one look takes %v, which the figures below contain", time.Since(start).Round(time.Millisecond))
	for _, flush := range []string{
		"ip route flush proto 119; ip -6 route flush proto 119",
		"ip route flush proto 120; ip -6 route flush proto 120",
		"ip neigh flush dev vxlan.calico nud permanent; ip -6 neigh flush dev vxlan-v6.calico nud permanent",
		"for d in vxlan.calico vxlan-v6.calico; do bridge fdb show dev $d | while read mac rest; do bridge fdb del $mac dev $d; done; done",
		"ip addr flush dev vxlan.calico; ip addr flush dev vxlan-v6.calico",
		"ip link set vxlan.calico mtu 1300; ip link set vxlan-v6.calico address 02:00:00:00:00:01",
		"ip link set vxlan.calico down; ip link set vxlan-v6.calico down",
		"ip link delete vxlan.calico; ip link delete vxlan-v6.calico",
	} {
		// The agent stands still until it is seen that something is gone.
		c.signal("n2", syscall.SIGSTOP)
		if err := c.within("n2", func() error { return run(t, "bash", "-c", flush) }); err != nil {
			t.Fatal(err)
		}
		if look() == want {
			t.Errorf("%s: took nothing away", flush)
		}
		start = time.Now()
		c.signal("n2", syscall.SIGCONT)
		c.eventually("after "+flush, func() error {
			if now := look(); now != want {
				return fmt.Errorf("differs:\n%s", difference(want, now))
			}
			return nil
		})
		t.Logf("back %v after %s", time.Since(start).Round(time.Millisecond), flush)
	}
	c.holds("after all")
}

// signal sends a signal to a node's agent.
func (c *cluster) signal(node string, s syscall.Signal) {
	c.t.Helper()
	if err := c.KillAgent(c.t.Context(), node, s); err != nil {
		c.t.Fatal(err)
	}
}
