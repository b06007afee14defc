// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// TestLoopback runs the plugin as runtimes do for the lo of a workload, without an agent, in every version of the specification.
func TestLoopback(t *testing.T) {
	bin := t.TempDir()
	must(t, os.Symlink(filepath.Join(pluginDir, "weft-cni"), filepath.Join(bin, "loopback")))
	runtime := libcni.NewCNIConfigWithCacheDir([]string{bin}, t.TempDir(), nil)
	ns := netnstest.New(t)
	up := func() (up bool) {
		must(t, ns.Do(func() (err error) { up, err = netns.LoopbackIsUp(); return err }))
		return up
	}
	for _, version := range cniapi.Versions {
		must(t, loopbackDown(ns))
		list, err := libcni.ConfListFromBytes([]byte(`{"cniVersion":"` + version + `","name":"cni-loopback","plugins":[{"type":"loopback"}]}`))
		must(t, err)
		rt := &libcni.RuntimeConf{ContainerID: "c", NetNS: ns.Path(), IfName: "lo"}
		result, err := runtime.AddNetworkList(t.Context(), list, rt)
		must(t, err)
		if !up() || result.Version() != version {
			t.Errorf("version %s: up %v, result %v", version, up(), result)
		}
		checks := version >= "0.4.0"
		if checks {
			must(t, runtime.CheckNetworkList(t.Context(), list, rt))
			must(t, loopbackDown(ns))
			expect(t, "CHECK of a lo that is down", runtime.CheckNetworkList(t.Context(), list, rt), cniapi.CodeInterface, "lo is down")
		}
		must(t, runtime.DelNetworkList(t.Context(), list, rt))
	}
	prev := `{"cniVersion":"1.0.0","ips":[{"address":"192.0.2.1/32"}]}`
	_, out, status := run(t, `{"cniVersion":"1.0.0","name":"n","type":"loopback","prevResult":`+prev+`}`, "CNI_COMMAND=ADD", "CNI_NETNS="+ns.Path())
	if string(out) != prev || status != 0 {
		t.Errorf("in a chain: %s, status %d", out, status)
	}
	e, _, status := run(t, `{"cniVersion":"1.0.0","name":"n","type":"loopback"}`, "CNI_COMMAND=ADD", "CNI_NETNS=/does/not/exist")
	if status == 0 || e.Code != cniapi.CodeInterface {
		t.Errorf("without a namespace: status %d, %+v", status, e)
	}
}

func loopbackDown(ns *netns.NS) error {
	c, err := netlink.Open(ns)
	if err != nil {
		return err
	}
	defer c.Close()
	link, err := c.Link("lo")
	if err != nil {
		return err
	}
	return c.SetUp(link.Index, false)
}
