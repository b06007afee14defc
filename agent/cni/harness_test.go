// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/sysctl"
)

// tests run in a network namespace that stands for the node, beside a freshly built plugin.
type tests struct{ *testing.M }

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashServer(dir)
	}
	netnstest.Main(tests{m})
}

// pluginDir holds the built weft-cni.
var pluginDir string

func (m tests) Run() int {
	dir, err := os.MkdirTemp("", "weft-cni")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	build := exec.Command("go", "build", "-o", dir, "../../cmd/weft-cni")
	build.Stderr = os.Stderr
	err = errors.Join(build.Run(), sysctl.Set("net/ipv4/ip_forward", "1"), sysctl.Set("net/ipv6/conf/all/forwarding", "1"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	pluginDir = dir
	return m.M.Run()
}

// node is a server with its fake backend, driven by the real libcni through the real plugin.
type node struct {
	testing.TB
	backend *fake
	server  *Server
	records *record.Dir
	dir     string
	runtime *libcni.CNIConfig
	stop    func()
}

// start starts a node; the directory of an earlier one may be given.
func start(t testing.TB, dir string) *node {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	n := &node{TB: t, dir: dir, backend: newFake(filepath.Join(dir, "datastore.json"))}
	n.runtime = runtimeOf(dir)
	records, err := record.Open(filepath.Join(dir, "endpoints"))
	must(t, err)
	n.records = records
	n.server, err = New("n1", n.backend, records, slog.New(slog.NewTextHandler(t.Output(), nil)))
	must(t, err)
	known, damaged, err := records.Load()
	must(t, errors.Join(append(damaged, err)...))
	listener, err := net.Listen("unix", n.socket())
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	n.server.Restore(ctx, known)
	done := make(chan error, 1)
	go func() { done <- n.server.Serve(ctx, listener) }()
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			must(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("the server does not end with its context")
		}
	}
	t.Cleanup(n.stop)
	return n
}

func runtimeOf(dir string) *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir([]string{pluginDir}, filepath.Join(dir, "cache"), nil)
}

func (n *node) socket() string { return filepath.Join(n.dir, "cni.sock") }

// conf is a network configuration with the keys of extra, JSON of an object's inside.
func (n *node) conf(version, extra string) *libcni.NetworkConfigList {
	n.Helper()
	if extra != "" {
		extra = "," + extra
	}
	list, err := libcni.ConfListFromBytes([]byte(fmt.Sprintf(
		`{"cniVersion":%q,"name":"net","plugins":[{"type":"weft-cni","socket":%q%s}]}`, version, n.socket(), extra)))
	must(n, err)
	return list
}

const dualStack = `"ipam":{"assign_ipv6":true}`

func (n *node) dual() *libcni.NetworkConfigList { return n.conf("1.1.0", dualStack) }

func container(id string, ns *netns.NS, args ...[2]string) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{ContainerID: id, NetNS: ns.Path(), IfName: "eth0", Args: args}
}

func pod(name string) [][2]string {
	return [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "shop"}, {"K8S_POD_NAME", name}}
}

func (n *node) add(rt *libcni.RuntimeConf) *types100.Result {
	n.Helper()
	result, err := n.runtime.AddNetworkList(n.Context(), n.dual(), rt)
	must(n, err)
	r, err := types100.NewResultFromResult(result)
	must(n, err)
	return r
}

func (n *node) del(rt *libcni.RuntimeConf) {
	n.Helper()
	must(n, n.runtime.DelNetworkList(n.Context(), n.dual(), rt))
}

// code returns the CNI error code of err; 0 when it is none.
func code(err error) uint {
	var e *types.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// expect fails unless err has the code and all the words.
func expect(t testing.TB, what string, err error, want uint, words ...string) {
	t.Helper()
	if code(err) != want {
		t.Errorf("%s: error %v with code %d, want code %d", what, err, code(err), want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", what, err, w)
		}
	}
}

// traces is all that a node holds for workloads.
type traces struct {
	links   []string
	records []string
	fakeState
}

func (n *node) traces() traces {
	n.Helper()
	conn, err := netlink.Open(nil)
	must(n, err)
	defer conn.Close()
	links, err := conn.Links()
	must(n, err)
	tr := traces{fakeState: n.backend.snapshot()}
	for _, l := range links {
		if strings.HasPrefix(l.Name, own.InterfacePrefix) {
			tr.links = append(tr.links, l.Name)
		}
	}
	known, _, err := n.records.Load()
	must(n, err)
	for _, r := range known {
		tr.records = append(tr.records, r.ID())
	}
	slices.Sort(tr.links)
	slices.Sort(tr.records)
	return tr
}

func (t traces) String() string {
	data, _ := json.Marshal(t.fakeState)
	return fmt.Sprintf("links %v, records %v, datastore %s", t.links, t.records, data)
}

// clean waits until nothing is left of any workload.
func (n *node) clean(what string) {
	n.Helper()
	eventually(n, what, func() (bool, string) {
		tr := n.traces()
		left := len(tr.links) + len(tr.records) + len(tr.Handles) + len(tr.Endpoints)
		return left == 0, "left behind: " + tr.String()
	})
}

// eventually polls until ok, for what ends in another goroutine.
func eventually(t testing.TB, what string, poll func() (ok bool, state string)) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		ok, state := poll()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, state)
		}
	}
}

// run runs the plugin as a runtime would, without libcni, and returns its output and exit status.
func run(t testing.TB, stdin string, env ...string) (types.Error, []byte, int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(pluginDir, "weft-cni"))
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), env
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var e types.Error
	if err != nil {
		if bad := json.Unmarshal(out.Bytes(), &e); bad != nil {
			t.Fatalf("output of a failed plugin is no CNI error: %v: %s", bad, out.Bytes())
		}
	}
	return e, out.Bytes(), cmd.ProcessState.ExitCode()
}
