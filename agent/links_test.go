// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/veth"
)

// TestWorkloadsAreNotTheHost: of what the kernel tells while a workload comes and goes, nothing makes the agent look at the host again. It
// would do so for each of them.
func TestWorkloadsAreNotTheHost(t *testing.T) {
	host, workload := netnstest.New(t), netnstest.New(t)
	err := host.Do(func() error {
		monitor, err := netlink.OpenMonitor(nil, nil)
		if err != nil {
			return err
		}
		defer func() { _ = monitor.Close() }()
		links, err := veth.Open()
		if err != nil {
			return err
		}
		defer links.Close()
		spec := veth.Spec{HostName: "calione", Owner: "one", NS: workload, IfName: "eth0", MAC: veth.RandomMAC(), IPv4: true, IPv6: true}
		link, err := links.Create(spec)
		if err != nil {
			return err
		}
		if err := link.Address([]netip.Addr{netip.MustParseAddr("10.9.0.7"), netip.MustParseAddr("fd09::7")}); err != nil {
			return err
		}
		if err := link.Close(); err != nil {
			return err
		}
		if err := links.Delete(spec.HostName, spec.Owner); err != nil {
			return err
		}
		conn, err := netlink.Open(nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.AddBridge(netlink.LinkSpec{Name: "br0"}); err != nil {
			return err
		}
		return untilOfHost(t, monitor)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// untilOfHost reads events up to the first that counts, which must be about br0.
func untilOfHost(t *testing.T, monitor *netlink.Monitor) error {
	addressed := false
	for {
		events, err := monitor.Next()
		if err != nil {
			return err
		}
		for _, e := range events {
			addressed = addressed || e.Kind == netlink.EventAddr
			if !ofHost(e) {
				continue
			}
			if e.Kind != netlink.EventLink || e.Link.Name != "br0" {
				t.Errorf("%+v makes the agent look at the host", e)
			}
			if !addressed {
				t.Error("the host's end of the workload got no address: the test shows nothing")
			}
			return nil
		}
	}
}
