// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	types020 "github.com/containernetworking/cni/pkg/types/020"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

func addresses(r *types100.Result) []string {
	var out []string
	for _, ip := range r.IPs {
		out = append(out, ip.Address.String())
	}
	return out
}

func TestLifeOfAContainer(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t), pod("web")...)
	result := n.add(rt)
	if got := addresses(result); len(got) != 2 || !strings.HasSuffix(got[0], "/32") || !strings.HasSuffix(got[1], "/128") {
		t.Errorf("addresses %v, want a /32 and a /128", got)
	}
	if len(result.Interfaces) != 2 || result.Interfaces[1].Name != "eth0" || result.Interfaces[1].Sandbox != rt.NetNS || *result.IPs[0].Interface != 1 {
		t.Errorf("interfaces %+v", result.Interfaces)
	}
	// SHA-1 of "shop.web" starts with these.
	if host := result.Interfaces[0]; host.Name != "cali"+hashOf("shop.web")[:11] || host.Mac != "ee:ee:ee:ee:ee:ee" {
		t.Errorf("host side %+v", host)
	}
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), rt))
	again := n.add(rt)
	if !slices.Equal(addresses(again), addresses(result)) || again.Interfaces[1].Mac != result.Interfaces[1].Mac {
		t.Errorf("repeated ADD gives %v, the first gave %v", addresses(again), addresses(result))
	}
	for range 2 {
		n.del(rt)
		n.clean("DEL")
	}
}

func TestFamilies(t *testing.T) {
	n := start(t, "")
	for i, c := range []struct {
		extra string
		bits  []string
	}{
		{"", []string{"/32"}},
		{`"ipam":{"type":"calico-ipam","assign_ipv4":"true","assign_ipv6":"false"}`, []string{"/32"}},
		{`"ipam":{"type":"weft-ipam","assign_ipv4":"false","assign_ipv6":"true"}`, []string{"/128"}},
		{dualStack, []string{"/32", "/128"}},
	} {
		list := n.conf("1.0.0", c.extra)
		rt := container(fmt.Sprint("c", i), netnstest.New(t))
		generic, err := n.runtime.AddNetworkList(t.Context(), list, rt)
		must(t, err)
		result, err := types100.NewResultFromResult(generic)
		must(t, err)
		got := addresses(result)
		if len(got) != len(c.bits) || len(result.Routes) != len(c.bits) {
			t.Errorf("%s: addresses %v with routes %v, want %v", c.extra, got, result.Routes, c.bits)
		}
		for j := range got {
			if !strings.HasSuffix(got[j], c.bits[j]) {
				t.Errorf("%s: addresses %v, want %v", c.extra, got, c.bits)
			}
		}
		must(t, n.runtime.CheckNetworkList(t.Context(), list, rt))
		must(t, n.runtime.DelNetworkList(t.Context(), list, rt))
	}
	n.clean("all families")
}

// TestEveryVersion decodes the result in each version that the plugin says it supports.
func TestEveryVersion(t *testing.T) {
	n := start(t, "")
	info, err := n.runtime.GetVersionInfo(t.Context(), "weft-cni")
	must(t, err)
	if !slices.Equal(info.SupportedVersions(), cniapi.Versions) {
		t.Fatalf("VERSION says %v, want %v", info.SupportedVersions(), cniapi.Versions)
	}
	for i, version := range info.SupportedVersions() {
		rt := container(fmt.Sprint("v", i), netnstest.New(t))
		list := n.conf(version, dualStack)
		result, err := n.runtime.AddNetworkList(t.Context(), list, rt)
		if err != nil {
			t.Fatalf("version %s: %v", version, err)
		}
		if result.Version() != version {
			t.Errorf("version %s answers in %s", version, result.Version())
		}
		if old, ok := result.(*types020.Result); ok && (old.IP4 == nil || old.IP6 == nil) {
			t.Errorf("version %s: result %v lacks a family", version, old)
		}
		must(t, n.runtime.DelNetworkList(t.Context(), list, rt))
	}
	e, _, status := run(t, `{"cniVersion":"2.0.0","name":"net","socket":"`+n.socket()+`"}`,
		"CNI_COMMAND=ADD", "CNI_CONTAINERID=x", "CNI_IFNAME=eth0", "CNI_NETNS=/proc/self/ns/net")
	if status != 1 || e.Code != cniapi.CodeVersion {
		t.Errorf("unsupported version: %v with status %d", e, status)
	}
	n.clean("every version")
}

func TestDelOfTheUnknown(t *testing.T) {
	n := start(t, "")
	gone := netnstest.New(t)
	rt := container("never-seen", gone)
	n.del(rt)
	rt.NetNS = ""
	n.del(rt)
	rt.NetNS = "/run/netns/weft-does-not-exist"
	n.del(rt)
	n.clean("DEL of the unknown")
}

func TestDelWithoutNamespace(t *testing.T) {
	n := start(t, "")
	for _, path := range []string{"", "same"} {
		ns := netnstest.New(t)
		rt := container("c1", ns, pod("web")...)
		n.add(rt)
		if path == "" {
			rt.NetNS = "" // the runtime does not know any more; the namespace is there
		} else {
			must(t, ns.Close())
			must(t, deleteNS(ns.Name()))
		}
		n.del(rt)
		n.clean("DEL without a namespace")
	}
}

// TestDelWithoutArguments: a runtime that has lost its state may not know which pod it was.
func TestDelWithoutArguments(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t), pod("web")...)
	n.add(rt)
	rt.Args = nil
	n.del(rt)
	n.clean("DEL without arguments")
}

// TestDelCleansWhatHasNoRecord: the state directory was lost.
func TestDelCleansWhatHasNoRecord(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t), pod("web")...)
	n.add(rt)
	n.stop()
	must(t, n.records.Delete("c1:eth0"))
	n = start(t, n.dir)
	n.del(rt)
	n.clean("DEL without a record")
}

func TestParallel(t *testing.T) {
	n := start(t, "")
	const workers, rounds = 8, 3
	var mu sync.Mutex
	seen := map[string]string{}
	var wg sync.WaitGroup
	for w := range workers {
		ns := netnstest.New(t)
		wg.Go(func() {
			for r := range rounds {
				id := fmt.Sprintf("p%d-%d", w, r)
				rt := container(id, ns, pod(id)...)
				result := n.add(rt)
				mu.Lock()
				for _, addr := range addresses(result) {
					if other := seen[addr]; other != "" {
						t.Errorf("%s and %s both have %s", id, other, addr)
					}
					seen[addr] = id
				}
				mu.Unlock()
				if err := n.runtime.CheckNetworkList(t.Context(), n.dual(), rt); err != nil {
					t.Error(err)
				}
				n.del(rt)
			}
		})
	}
	wg.Wait()
	n.clean("parallel ADDs and DELs")
}

func TestGC(t *testing.T) {
	n := start(t, "")
	keep, drop := container("keep", netnstest.New(t)), container("drop", netnstest.New(t))
	n.add(keep)
	n.add(drop)
	other := n.conf("1.1.0", dualStack)
	other.Name, other.Plugins[0].Network.Name = "other", "other"
	other, err := libcni.ConfListFromBytes([]byte(strings.Replace(string(other.Bytes), `"name":"net"`, `"name":"other"`, 1)))
	must(t, err)
	foreign := container("foreign", netnstest.New(t))
	_, err = n.runtime.AddNetworkList(t.Context(), other, foreign)
	must(t, err)

	// Another cache directory: libcni must not send the DELs itself.
	collector := libcni.NewCNIConfigWithCacheDir([]string{pluginDir}, t.TempDir(), nil)
	valid := &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: "keep", IfName: "eth0"}}}
	must(t, collector.GCNetworkList(t.Context(), n.dual(), valid))
	eventually(t, "GC", func() (bool, string) {
		tr := n.traces()
		return slices.Equal(tr.records, []string{"foreign:eth0", "keep:eth0"}) && len(tr.links) == 2 && len(tr.Handles) == 2, tr.String()
	})
	expect(t, "GC without a list", collector.GCNetworkList(t.Context(), n.dual(), nil), cniapi.CodeConfig, "valid-attachments")
	must(t, collector.GCNetworkList(t.Context(), n.dual(), &libcni.GCArgs{}))
	must(t, collector.GCNetworkList(t.Context(), other, &libcni.GCArgs{}))
	n.clean("GC of all")
}

func TestStatus(t *testing.T) {
	n := start(t, "")
	must(t, n.runtime.GetStatusNetworkList(t.Context(), n.dual()))
	n.backend.set(func() { n.backend.ready = errors.New("the datastore is away") })
	expect(t, "STATUS", n.runtime.GetStatusNetworkList(t.Context(), n.dual()), cniapi.CodeNotReady, "the datastore is away")
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), container("c1", netnstest.New(t)))
	expect(t, "ADD", err, cniapi.CodeTryAgain, "the datastore is away")
	n.clean("refused ADD")
}

func TestNoAgent(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t))
	n.add(rt)
	n.stop()
	expect(t, "STATUS", n.runtime.GetStatusNetworkList(t.Context(), n.dual()), cniapi.CodeNotReady, "weft agent")
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), container("c2", netnstest.New(t)))
	expect(t, "ADD", err, cniapi.CodeTryAgain, "weft agent")
	expect(t, "DEL", n.runtime.DelNetworkList(t.Context(), n.dual(), rt), cniapi.CodeTryAgain, "weft agent")
	n = start(t, n.dir)
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), rt))
	n.del(rt)
	n.clean("DEL after a restart")
}

// TestCheckFindsDamage: each damage is named.
func TestCheckFindsDamage(t *testing.T) {
	n := start(t, "")
	ns := netnstest.New(t)
	rt := container("c1", ns)
	result := n.add(rt)
	n.backend.set(func() { n.backend.programmed = errors.New("policy was lost") })
	expect(t, "not programmed", n.runtime.CheckNetworkList(t.Context(), n.dual(), rt), cniapi.CodeCheck, "policy was lost")
	n.backend.set(func() { n.backend.programmed = nil })
	expect(t, "unknown", n.server.check(&attachment{conf: netConf{Name: "net"}, containerID: "x", ifName: "eth0"}), 0)
	inside, err := netlink.Open(ns)
	must(t, err)
	defer inside.Close()
	eth0, err := inside.Link("eth0")
	must(t, err)
	lost := netip.MustParsePrefix(result.IPs[0].Address.String())
	must(t, inside.DeleteAddr(netlink.Addr{Link: eth0.Index, Prefix: lost}))
	expect(t, "address lost", n.runtime.CheckNetworkList(t.Context(), n.dual(), rt), cniapi.CodeCheck, lost.Addr().String())
	must(t, inside.DeleteLink(eth0.Index))
	expect(t, "link lost", n.runtime.CheckNetworkList(t.Context(), n.dual(), rt), cniapi.CodeCheck, "host side")
	n.add(rt) // a runtime that tries again gets a sound interface
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), rt))
	n.del(rt)
	n.clean("DEL")
}

// TestNewSandboxOfAPod: the runtime starts another sandbox before it has deleted the old one, whose late DEL must not hurt.
func TestNewSandboxOfAPod(t *testing.T) {
	n := start(t, "")
	old, young := container("c1", netnstest.New(t), pod("db-0")...), container("c2", netnstest.New(t), pod("db-0")...)
	n.add(old)
	n.backend.set(func() { n.backend.hold = true }) // the datastore is slow to forget the first
	n.add(young)
	n.del(old)
	n.del(old)
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), young))
	if tr := n.traces(); len(tr.Handles) != 1 || len(tr.Endpoints) != 1 || len(tr.links) != 1 {
		t.Errorf("with one sandbox left there are %s", tr)
	}
	n.backend.set(func() { n.backend.hold = false })
	n.stop()
	n = start(t, n.dir)
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), young))
	if tr := n.traces(); len(tr.Endpoints) != 1 || len(tr.links) != 1 {
		t.Errorf("after a restart there are %s", tr)
	}
	n.del(young)
	n.clean("DEL of both")
}

// TestFirstPacket: right after ADD a workload's first packet is answered by another workload, without waiting for any resolution.
func TestFirstPacket(t *testing.T) {
	n := start(t, "")
	serverNS := netnstest.New(t)
	server := n.add(container("server", serverNS))
	for i := range server.IPs {
		at := net.JoinHostPort(server.IPs[i].Address.IP.String(), "7")
		var pc net.PacketConn
		must(t, serverNS.Do(func() (err error) { pc, err = net.ListenPacket("udp", at); return err }))
		go echo(pc)
		clientNS := netnstest.New(t)
		rt := container(fmt.Sprint("client", i), clientNS)
		n.add(rt)
		start := time.Now()
		must(t, clientNS.Do(func() error { return ask(at, start.Add(900*time.Millisecond)) }))
		t.Logf("%s answered after %v", at, time.Since(start))
		must(t, pc.Close())
		n.del(rt)
	}
}

func echo(pc net.PacketConn) {
	buf := make([]byte, 64)
	for {
		size, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = pc.WriteTo(buf[:size], from)
	}
}

func ask(at string, deadline time.Time) error {
	conn, err := net.Dial("udp", at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("first")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 64))
	return err
}
