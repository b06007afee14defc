// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"log/slog"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/own"
)

func deleteNS(name string) error { return netns.Delete(name) }

// TestFailedAddLeavesNothing fails ADD in every way that a backend, a runtime or another network can make it fail.
func TestFailedAddLeavesNothing(t *testing.T) {
	n := start(t, "")
	n.server.addTimeout = 200 * time.Millisecond
	boom := errors.New("boom")
	for what, c := range map[string]struct {
		set   func()
		code  uint
		words string
	}{
		"assign fails":        {func() { n.backend.assignErr = boom }, cniapi.CodeAddresses, "boom"},
		"register fails":      {func() { n.backend.registerErr = boom }, cniapi.CodeProgram, "boom"},
		"register times out":  {func() { n.backend.hang = true }, cniapi.CodeProgram, "waiting for policy"},
		"release fails first": {func() { n.backend.registerErr, n.backend.releaseErr = boom, boom }, cniapi.CodeProgram, "boom"},
	} {
		n.backend.set(c.set)
		rt := container("c1", netnstest.New(t), pod("web")...)
		_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
		expect(t, what, err, c.code, c.words)
		n.backend.set(func() { n.backend.releaseErr = nil })
		n.clean(what)
		n.backend.set(func() { n.backend.assignErr, n.backend.registerErr, n.backend.hang = nil, nil, false })
		n.add(rt) // and the next attempt succeeds
		n.del(rt)
		n.clean(what + ", then DEL")
	}
}

func TestBadNamespace(t *testing.T) {
	n := start(t, "")
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for path, words := range map[string]string{
		"/run/netns/weft-does-not-exist": "no such file",
		file:                             "nothing is mounted there",
		"/proc/self/ns/net":              "the host itself",
		"/proc/self/ns/mnt":              "weft-cni",
	} {
		rt := container("c1", netnstest.New(t))
		rt.NetNS = path
		_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
		if path == "/proc/self/ns/mnt" { // a namespace of another kind only shows when it is entered
			if err == nil {
				t.Errorf("ADD into %s succeeded", path)
			}
		} else {
			expect(t, path, err, cniapi.CodeEnvironment, words)
		}
		n.clean(path)
	}
}

// TestForeignLinkInTheWay: another network on this machine owns the name; it is neither used nor deleted, not even by the DEL.
func TestForeignLinkInTheWay(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t), pod("web")...)
	name := own.InterfacePrefix + hashOf("shop.web")[:hostSuffix]
	conn, err := netlink.Open(nil)
	must(t, err)
	defer conn.Close()
	foreign, err := conn.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: name}, Peer: netlink.LinkSpec{Name: "foreign"}})
	must(t, err)
	_, err = n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
	expect(t, "ADD", err, cniapi.CodeInterface, name, "not made by weft")
	n.del(rt)
	if now, err := conn.Link(name); err != nil || now.Index != foreign.Index {
		t.Errorf("the foreign link was touched: %+v, %v", now, err)
	}
	must(t, conn.DeleteLink(foreign.Index))
	n.clean("foreign link")
}

// TestTakenByAnotherContainer: two containers whose host side names collide.
func TestTakenByAnotherContainer(t *testing.T) {
	n := start(t, "")
	id := strings.Repeat("a", 64)
	first, second := container(id+"1", netnstest.New(t)), container(id+"2", netnstest.New(t))
	n.add(first)
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), second)
	expect(t, "ADD", err, cniapi.CodeInterface, id+"1")
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), first))
	n.del(second)
	must(t, n.runtime.CheckNetworkList(t.Context(), n.dual(), first))
	n.del(first)
	n.clean("both DELs")
}

func TestNameTakenInside(t *testing.T) {
	n := start(t, "")
	ns := netnstest.New(t)
	rt := container("c1", ns)
	rt.IfName = "lo"
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
	expect(t, "ADD of lo", err, cniapi.CodeInterface, "link lo")
	n.clean("ADD of lo")
}

// TestDatastoreAwayDuringDel: the runtime is not held up; the addresses are free once the datastore is back.
func TestDatastoreAwayDuringDel(t *testing.T) {
	n := start(t, "")
	rt := container("c1", netnstest.New(t), pod("web")...)
	n.add(rt)
	n.backend.set(func() { n.backend.releaseErr, n.backend.hold = errors.New("datastore is away"), true })
	n.del(rt)
	tr := n.traces()
	if len(tr.links) != 0 || len(tr.records) != 1 || len(tr.Handles) != 1 {
		t.Errorf("after the DEL: %s; want the record of what is owed, and no link", tr)
	}
	_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
	expect(t, "ADD before the release", err, cniapi.CodeTryAgain, "not released yet")
	n.stop() // what is owed survives a restart
	n = start(t, n.dir)
	n.clean("datastore back")
}

// TestHungUp: a runtime that kills its plugin counts the ADD as failed.
func TestHungUp(t *testing.T) {
	n := start(t, "")
	n.backend.set(func() { n.backend.hang = true })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	rt := container("c1", netnstest.New(t), pod("web")...)
	go func() {
		_, err := n.runtime.AddNetworkList(ctx, n.dual(), rt)
		failed <- err
	}()
	eventually(t, "ADD under way", func() (bool, string) { tr := n.traces(); return len(tr.Handles) == 1, tr.String() })
	cancel()
	if <-failed == nil {
		t.Error("a killed ADD succeeded")
	}
	n.clean("ADD whose runtime has gone")
}

// TestShutdownDuringAdd: the ADD fails as transient and leaves nothing.
func TestShutdownDuringAdd(t *testing.T) {
	n := start(t, "")
	n.backend.set(func() { n.backend.hang = true })
	failed := make(chan error, 1)
	rt := container("c1", netnstest.New(t), pod("web")...)
	go func() {
		_, err := n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
		failed <- err
	}()
	eventually(t, "ADD under way", func() (bool, string) { tr := n.traces(); return len(tr.Handles) == 1, tr.String() })
	n.stop()
	expect(t, "ADD", <-failed, cniapi.CodeTryAgain, "broken off")
	n.clean("shutdown")
}

// crashDir, in the environment, turns the test binary into a server that kills itself at the step named in crashStep.
const (
	crashDir  = "WEFT_CNI_CRASH_DIR"
	crashStep = "WEFT_CNI_CRASH_STEP"
)

func crashServer(dir string) {
	backend := newFake(filepath.Join(dir, "datastore.json"))
	backend.step = func(name string) {
		if name == os.Getenv(crashStep) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	records, err := record.Open(filepath.Join(dir, "endpoints"))
	if err != nil {
		panic(err)
	}
	server, err := New("n1", backend, records, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "cni.sock"))
	if err != nil {
		panic(err)
	}
	known, _, _ := records.Load()
	server.Restore(context.Background(), known)
	fmt.Println("ready")
	panic(server.Serve(context.Background(), listener))
}

// TestKilled kills the server with SIGKILL at each step of ADD and DEL. The next server undoes an ADD that was not answered and finishes a
// DEL that was begun, before anybody asks.
func TestKilled(t *testing.T) {
	for _, step := range []string{"assign", "assigned", "register", "registered", "unregister", "release", "released"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+step)
			out, err := child.StdoutPipe()
			must(t, err)
			must(t, child.Start())
			_, err = out.Read(make([]byte, 16)) // "ready"
			must(t, err)
			n := &node{TB: t, dir: dir}
			n.runtime = runtimeOf(dir)
			rt := container("c1", netnstest.New(t), pod("web")...)
			_, err = n.runtime.AddNetworkList(t.Context(), n.dual(), rt)
			if step == "unregister" || step == "release" || step == "released" {
				must(t, err)
				err = n.runtime.DelNetworkList(t.Context(), n.dual(), rt)
			}
			expect(t, "killed at "+step, err, cniapi.CodeTryAgain, "closed the connection without an answer")
			_ = child.Wait()
			must(t, os.Remove(n.socket()))
			n = start(t, dir)
			n.clean("restart after a kill at " + step)
			n.add(rt)
			n.del(rt)
			n.clean("life goes on")
		})
	}
}

// TestKilledBetweenLinkAndAlias: the link carries our group from birth on, so that it is known for ours before it names its owner.
func TestKilledBetweenLinkAndAlias(t *testing.T) {
	n := start(t, "")
	ns := netnstest.New(t)
	a := &attachment{conf: netConf{Name: "net"}, containerID: "c1", ifName: "eth0", workload: workloadArgs{Namespace: "shop", Name: "web"}, kubernetes: true}
	must(t, n.records.Put(n.server.newRecord(a, "")))
	n.stop()
	conn, err := netlink.Open(nil)
	must(t, err)
	defer conn.Close()
	_, err = conn.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: a.hostName(), Group: own.LinkGroup}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: ns})
	must(t, err)
	n = start(t, n.dir)
	n.clean("restart")
}
