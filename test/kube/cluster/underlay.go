// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"strconv"
	"testing"
)

// makeUnderlay makes the network that the machines share: a bridge in the first one, which is the gateway of the others.
func (c *Cluster) makeUnderlay(t testing.TB) {
	t.Helper()
	c.control.ip(t, "link", "add", "br0", "type", "bridge")
	c.control.address(t, "br0")
}

// plug links a machine, which calls the link eth0, to the bridge.
func (c *Cluster) plug(t testing.TB, m *machine) {
	t.Helper()
	port := "port" + strconv.Itoa(m.pid)
	c.control.ip(t, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", m.name)
	c.control.ip(t, "link", "set", port, "master", "br0", "up")
	m.address(t, "eth0")
	m.ip(t, "route", "add", "default", "via", c.control.v4.String())
	m.ip(t, "-6", "route", "add", "default", "via", c.control.v6.String())
}

// address gives a device the addresses of a machine and sets it up.
func (m *machine) address(t testing.TB, device string) {
	t.Helper()
	m.ip(t, "address", "add", m.v4.String()+"/24", "dev", device)
	m.ip(t, "address", "add", m.v6.String()+"/64", "dev", device, "nodad")
	m.ip(t, "link", "set", device, "up")
}

// ip runs ip(8) in the network of a machine.
func (m *machine) ip(t testing.TB, args ...string) {
	t.Helper()
	run(t, append([]string{"ip", "-n", m.name}, args...)...)
}
