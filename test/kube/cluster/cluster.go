// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a whole Kubernetes on this machine: Start, then Kubectl, Nodes and Pods of it.
//
// Three machines are namespaces of network, mounts and processes: one with etcd, the API server, its controllers and the scheduler, and two nodes, each with
// containerd, runc, a kubelet and kube-proxy. buildah makes images of programs that tools/kube.sh and `make build` make; nothing is downloaded.
// There is no network for pods until the published manifest of weft is applied. All ends with the test, even when that is killed, but for the names of the
// namespaces (`ip netns`, weft-kube-*) and empty control groups of the same names.
package cluster

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/test/kube"
)

// Cluster is a Kubernetes cluster.
type Cluster struct {
	Nodes    []*Node    // n1 and n2
	Weft     string     // path of the program that is in the image
	t        testing.TB // that Start was given, which outlives subtests
	control  *machine
	root     string   // directory of the sources
	programs string   // directory of the programs of Kubernetes
	images   []string // archives
	admin    string   // kubeconfig of the administrator
	families string   // of pods, as weft was installed: ipv4, ipv6 or dual
}

// Start starts a cluster for the rest of the test, which is skipped where the programs are missing.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for _, program := range []string{"agnhost", "helm", "kubectl", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kube-apiserver", "kubelet"} {
		c.programs = filepath.Dir(kube.Binary(t, program))
	}
	for _, program := range []string{"buildah", "containerd", "runc", "etcd", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing (tools/kube.sh all installs it): nothing is tested with kubelets", program)
		}
	}
	sweep(t)
	c.makeImages(t)
	c.control = newMachine(t, fmt.Sprintf(prefix+"%d-c", os.Getpid()), netip.MustParseAddr("172.31.77.1"), netip.MustParseAddr("fd77::1"))
	var hosts []*machine
	for i := range 2 {
		name := fmt.Sprintf(prefix+"%d-n%d", os.Getpid(), i+1)
		hosts = append(hosts, newMachine(t, name, netip.AddrFrom4([4]byte{172, 31, 77, byte(11 + i)}), netip.MustParseAddr(fmt.Sprintf("fd77::1%d", i+1))))
	}
	t.Cleanup(func() { c.logs(t, append(hosts, c.control)) })
	c.makeUnderlay(t)
	for _, m := range hosts {
		c.plug(t, m)
	}
	c.admin = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(c.admin, []byte(c.kubeconfig("admin")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.startControl(t)
	for i, m := range hosts {
		c.Nodes = append(c.Nodes, c.startNode(t, m, fmt.Sprintf("n%d", i+1)))
	}
	for _, n := range c.Nodes {
		eventually(t, n.Name+" to register", time.Minute, func() error { _, err := c.try("get", "node", n.Name); return err })
	}
	return c
}

// prefix begins the names of network namespaces and control groups; the ID of the process that made them is next.
const prefix = "weft-kube-"

// sweep removes what a test left that was killed: empty namespaces and control groups.
func sweep(t testing.TB) {
	t.Helper()
	names, err := netns.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, prefix)
		pid, _, _ := strings.Cut(rest, "-")
		if _, err := os.Stat(filepath.Join("/proc", pid)); !ours || err == nil {
			continue
		}
		for _, hierarchy := range hierarchies(t) {
			removeGroup(t, filepath.Join(hierarchy, name))
		}
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	}
}

// makeImages builds weft as `make build` does, and writes the archives of all images.
func (c *Cluster) makeImages(t testing.TB) {
	t.Helper()
	c.root = filepath.Dir(strings.TrimSpace(run(t, "go", "env", "GOMOD")))
	bin := filepath.Join(c.root, "bin", "image")
	c.build(t, bin)
	c.Weft = filepath.Join(bin, "weft")
	for _, i := range []image{
		{registry + install.Image, c.dockerfile(), bin},
		{Agnhost, filepath.Join(c.root, "test", "kube", "cluster", "testdata", "agnhost.Dockerfile"), c.programs},
	} {
		c.images = append(c.images, i.archive(t))
	}
}

// build builds the programs of the image of weft, which are static because there is no library in it.
func (c *Cluster) build(t testing.TB, to string, flags ...string) {
	t.Helper()
	build := exec.Command("go", slices.Concat([]string{"build", "-trimpath", "-o", to + "/"}, flags, []string{"./cmd/weft", "./cmd/weft-cni"})...)
	build.Dir, build.Env = c.root, append(os.Environ(), "CGO_ENABLED=0")
	must(t, build)
}

// dockerfile is the path of the image recipe of weft.
func (c *Cluster) dockerfile() string { return filepath.Join(c.root, "deploy", "Dockerfile") }

// command returns a run of kubectl as the administrator.
func (c *Cluster) command(args ...string) *exec.Cmd {
	enter := []string{"--net=" + netns.Path(c.control.name), "--", c.binary("kubectl"), "--kubeconfig", c.admin}
	return exec.Command("nsenter", append(enter, args...)...)
}

// try runs kubectl and returns what it prints.
func (c *Cluster) try(args ...string) (string, error) {
	out, err := c.command(args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Kubectl runs kubectl as the administrator, which must succeed, and returns what it prints.
func (c *Cluster) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Apply applies objects as `kubectl apply -f -` does.
func (c *Cluster) Apply(t testing.TB, objects string) {
	t.Helper()
	c.feed(t, objects, "apply", "--server-side", "-f", "-")
}

// Create creates objects that do not exist, which is one request for each.
func (c *Cluster) Create(t testing.TB, objects string) {
	t.Helper()
	c.feed(t, objects, "create", "-f", "-")
}

// Delete deletes objects and waits until they are gone.
func (c *Cluster) Delete(t testing.TB, objects string) {
	t.Helper()
	c.feed(t, objects, "delete", "--timeout=180s", "-f", "-")
}

// feed runs kubectl with an input.
func (c *Cluster) feed(t testing.TB, input string, args ...string) {
	t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(input)
	must(t, cmd)
}

// logs prints what was going on when the test has failed, and keeps the logs of all programs in the directory WEFT_LOGS, if given.
func (c *Cluster) logs(t testing.TB, machines []*machine) {
	if !t.Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "pods,nodes", "-A", "-o", "wide"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"-n", install.DefaultNamespace, "logs", "ds/weft-agent", "--all-pods", "--tail=40", "--prefix"},
		{"-n", install.DefaultNamespace, "logs", "deploy/weft-controllers", "--all-pods", "--tail=20", "--prefix"},
	} {
		out, err := c.try(args...)
		t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out[max(0, len(out)-12000):])
	}
	if dir := os.Getenv("WEFT_LOGS"); dir != "" {
		for _, m := range machines {
			if err := keptLogs(m, dir); err != nil {
				t.Error(err)
			}
		}
	}
}
