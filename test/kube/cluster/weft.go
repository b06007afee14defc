// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
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

// Install installs weft by the published manifest and waits until its pods are ready and the nodes, too.
func (c *Cluster) Install(t testing.TB, pools ...string) {
	t.Helper()
	args := []string{"install", "--print"}
	c.families = familiesOf(pools)
	for _, pool := range pools {
		args = append(args, "--pool", pool)
	}
	c.Apply(t, must(t, c.weft(args...)))
	c.awaitReady(t)
}

// awaitReady waits until all pods of weft are ready and the nodes, too.
func (c *Cluster) awaitReady(t testing.TB) {
	t.Helper()
	c.awaitWeft(t, "ds/weft-agent", "deploy/weft-controllers")
	c.Kubectl(t, "wait", "--for=condition=Ready", "node", "--all", "--timeout=180s")
}

// familiesOf returns what addresses pods have with pools.
func familiesOf(pools []string) string {
	is6 := func(pool string) bool { return netip.MustParsePrefix(pool).Addr().Is6() }
	switch {
	case !slices.ContainsFunc(pools, is6):
		return "ipv4"
	case !slices.ContainsFunc(pools, func(pool string) bool { return !is6(pool) }):
		return "ipv6"
	}
	return "dual"
}

// Restart replaces all pods of workloads of weft, as an update does.
func (c *Cluster) Restart(t testing.TB, workloads ...string) {
	t.Helper()
	c.Kubectl(t, append([]string{"-n", install.DefaultNamespace, "rollout", "restart"}, workloads...)...)
	c.awaitWeft(t, workloads...)
}

// Version is a weft that the nodes have an image of.
type Version struct {
	image, program string
}

// Now is the version of these sources.
func (c *Cluster) Now() Version { return Version{install.Image, c.Weft} }

// Before is another version: of the programs in the directory WEFT_BEFORE, an earlier release, or else of these sources with a commit of another name.
func (c *Cluster) Before(t testing.TB) Version {
	t.Helper()
	dir := os.Getenv("WEFT_BEFORE")
	if dir == "" {
		dir = t.TempDir()
		c.build(t, dir, "-ldflags", "-X github.com/weftnet/weft/internal/version.Commit=before")
	}
	v := Version{"weft:before", filepath.Join(dir, "weft")}
	archive := image{registry + v.image, c.dockerfile(), dir}.archive(t)
	for _, n := range c.Nodes {
		n.importImage(t, archive)
	}
	return v
}

// Use replaces a workload of weft by that of the manifest of a version, and waits until all its pods are of it.
func (c *Cluster) Use(t testing.TB, v Version, workload string) {
	t.Helper()
	manifest := must(t, exec.Command(v.program, "install", "--print", "--image", v.image, "--families", c.families))
	objects, texts := kube.Objects(t, []byte(manifest))
	i := slices.IndexFunc(objects, func(o kube.Object) bool { return strings.ToLower(o.Kind)+"/"+o.Metadata.Name == workload })
	if i < 0 {
		t.Fatalf("%s is not in the manifest of %s", workload, v.image)
	}
	c.Apply(t, texts[i])
	c.awaitWeft(t, workload)
	spec := c.Kubectl(t, "-n", install.DefaultNamespace, "get", workload, "-o", "jsonpath={.spec.template.spec.containers[*].image}")
	if spec != v.image {
		t.Fatalf("%s runs %q, want %s", workload, spec, v.image)
	}
}

func (c *Cluster) awaitWeft(t testing.TB, workloads ...string) {
	t.Helper()
	for _, w := range workloads {
		c.Kubectl(t, "-n", install.DefaultNamespace, "rollout", "status", w, "--timeout=180s")
	}
}

// Uninstall removes weft as docs/install.md says, and its definitions, too.
func (c *Cluster) Uninstall(t testing.TB) {
	t.Helper()
	c.feed(t, must(t, c.weft("uninstall", "--print", "--nodes")), "apply", "--server-side", "--force-conflicts", "-f", "-")
	c.awaitWeft(t, "ds/weft-agent")
	for _, args := range [][]string{{"uninstall", "--print"}, {"uninstall", "--print", "--crds"}} {
		c.feed(t, must(t, c.weft(args...)), "delete", "--ignore-not-found", "--timeout=180s", "-f", "-")
	}
}

// Check returns what `weft ipam check` says.
func (c *Cluster) Check() (string, error) {
	out, err := c.weft("ipam", "check", "--datastore-type", "kubernetes", "--kubeconfig", c.admin).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = errors.New(string(out))
	}
	return string(out), err
}

// Leftovers returns by the name of each node what weft could leave there: links, routes, rules, tables and files.
func (c *Cluster) Leftovers(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, n := range c.Nodes {
		out[n.Name] = must(t, n.command("bash", "-c", leftovers))
	}
	return out
}

// leftovers prints what is left on a node. Parameters of the kernel are in it, too, but for those that count or are of links that come and go.
const leftovers = `
ip -brief link | cut -d' ' -f1 | cut -d@ -f1
ip route show table all | grep -v '^local\|^broadcast\|^fe80\|^multicast\|^anycast' | sort
ip -6 route show table all | grep -v 'local\|fe80\|multicast\|anycast' | sort
ip rule; ip -6 rule
nft list tables | grep weft
find /etc/cni /opt /run/weft -type f -o -type l 2>/dev/null
sysctl -a 2>/dev/null | grep '^net\.' | grep 'conf\.\(all\|default\|eth0\)\.\(forwarding\|rp_filter\|proxy_arp\)\|ip_forward'
true
`

// weft returns a run of the program beside the API server.
func (c *Cluster) weft(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + netns.Path(c.control.name), "--", c.Weft}, args...)...)
}

// Eventually asks until the answer is nil.
func (c *Cluster) Eventually(t testing.TB, what string, ok func() error) {
	t.Helper()
	eventually(t, what, 3*time.Minute, ok)
}

// Addrs are the addresses of the node, IPv4 first.
func (n *Node) Addrs() []netip.Addr { return []netip.Addr{n.v4, n.v6} }

// Lose ends a node as a loss of power does.
func (c *Cluster) Lose(t testing.TB, i int) {
	t.Helper()
	n := c.Nodes[i]
	n.halt()
	run(t, "ip", "-n", n.machine.name, "link", "delete", "eth0")
}

// Replace makes a new node of the name of one that is lost.
func (c *Cluster) Replace(t testing.TB, i int) {
	t.Helper()
	old := c.Nodes[i]
	m := newMachine(c.t, old.machine.name+"-again", old.v4, old.v6)
	c.plug(t, m)
	c.Nodes[i] = c.startNode(c.t, m, old.Name)
	eventually(t, old.Name+" to register", time.Minute, func() error { _, err := c.try("get", "node", old.Name); return err })
	c.Kubectl(t, "wait", "--for=condition=Ready", "node", old.Name, "--timeout=180s")
}

// keptLogs is where the logs of all programs are kept when the test has failed.
func keptLogs(m *machine, dir string) error {
	logs, err := filepath.Glob(filepath.Join(m.dir, "*.log"))
	if err != nil || len(logs) == 0 {
		return err
	}
	to := filepath.Join(dir, m.name)
	return errors.Join(exec.Command("mkdir", "-p", to).Run(), exec.Command("cp", append(logs, to)...).Run())
}
