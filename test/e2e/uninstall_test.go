// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/agent/driver"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// others is what somebody else has on the host.
const others = `
set -e
nft add table inet foreign; nft add chain inet foreign c; nft add rule inet foreign c accept
ipset create foreign hash:ip; ipset add foreign 192.0.2.200
for flavour in nft legacy; do for family in ip ip6; do for table in filter mangle raw nat; do
  ${family}tables-$flavour -w -t $table -N FOREIGN; ${family}tables-$flavour -w -t $table -A FOREIGN -j RETURN
  # The tools of flavour nft make the kernel's chains at first use, for whoever it is.
  for chain in PREROUTING INPUT FORWARD OUTPUT POSTROUTING; do ${family}tables-$flavour -w -t $table -A $chain -j FOREIGN 2>/dev/null || true; done
done; done; done
ip route add 203.0.113.0/24 dev eth0 proto 4 metric 1024; ip -6 route add 2001:db8:99::/48 dev eth0 proto 4
ip rule add from 203.0.113.7 lookup 777; ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 dev eth0
sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.eth0.forwarding=1
`

// looks show all that an agent may touch. What changes by itself (counters, dates, learned neighbours) is left out.
const looks = `
nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+/N/'
for tool in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do echo "== $tool"; $tool-save | grep -v '^#' | sed -E 's/\[[0-9]+:[0-9]+\]//'; done
echo == ipset; ipset save
for family in -4 -6; do echo "== ip $family"
  ip $family route show table all | grep -v fe80:; ip $family rule; ip $family neigh show nud permanent; ip $family neigh show proxy; ip $family addr | grep -v -e valid_lft -e fe80:
done
echo == link; ip -d link; bridge fdb; ip nexthop
`

// TestUninstall: when an agent was there, killed in mid-life, and was uninstalled, the kernel is as it was before, byte for byte. Meanwhile it has translated
// addresses, led a port of the host to a workload, and reached another node through a tunnel.
func TestUninstall(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "uninst", Nodes: 1})
	c.choosePools(lab.Scenario{Mode: lab.VXLAN})
	if err := c.within(lab.External, func() error { return run(t, "bash", "-c", others) }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{driver.NFTables, driver.IPTablesNFT, driver.IPTablesLegacy} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{c.Lab, t}
			c.apply(useDriver(name))
			c.uninstalls("vxlan.calico")
		})
	}
	for mode, device := range map[lab.Mode]string{lab.IPIP: "tunl0", lab.WireGuard: "wireguard.cali"} {
		t.Run(string(mode), func(t *testing.T) {
			s := lab.Scenario{Mode: mode, Families: lab.Dual, Driver: "nftables"}
			if why := lacking(t, s); why != "" {
				t.Skip(why)
			}
			c := &cluster{c.Lab, t}
			c.choose(s, func(spec *v3.FelixConfigurationSpec) {
				if s.Encrypts() {
					spec.WireguardHostEncryptionEnabled = new(true)
				}
			})
			c.choosePools(s)
			if s.Mode == lab.IPIP {
				c.upOnce(device)
			}
			c.uninstalls(device)
		})
	}
}

// TestUninstallThatStays waits for the agent to end, as in the pod that takes an agent's place, takes everything away, and is ready when nothing is left. It stays until it is told
// to end.
func TestUninstallThatStays(t *testing.T) {
	c := upAs(t, lab.Spec{Name: "uninstay", Nodes: 1})
	before := c.snapshot(lab.External)
	dir := filepath.Join(t.TempDir(), "weft")
	agent := c.agentIn(lab.External, "guest", dir)
	client := agentapi.NewClient(filepath.Join(dir, "agent.sock"))
	c.eventually("the agent is in force", func() error {
		s, err := client.Status(t.Context())
		if err == nil && (!s.InSync || s.Dataplane.State != "programmed") {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	const health = "127.0.0.1:9098" // of the namespace
	stays := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "weft"), "node", "uninstall", "--stay", "--health-address", health, "--state-dir", dir)
	stays.Stdout, stays.Stderr = t.Output(), t.Output()
	if err := c.within(lab.External, stays.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stays.Process.Kill() })
	probe := func(path string, want int, says string) {
		t.Helper()
		c.eventually(path, func() error {
			return c.within(lab.External, func() error {
				out, err := outputOf(t, "curl", "-s", "-w", "%{http_code}", "http://"+health+path)
				if err == nil && (!strings.HasSuffix(out, fmt.Sprint(want)) || !strings.Contains(out, says)) {
					err = errors.New(out)
				}
				return err
			})
		})
	}
	probe("/livez", http.StatusOK, "")
	probe("/readyz", http.StatusServiceUnavailable, "an agent runs here")
	if err := agent.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	probe("/readyz", http.StatusOK, "")
	if after := c.snapshot(lab.External); after != before {
		t.Errorf("the kernel is not as before:\n%s", difference(before, after))
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
	if err := stays.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := stays.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// choosePools has the pools be as a scenario says, with natOutgoing.
func (c *cluster) choosePools(s lab.Scenario) {
	c.t.Helper()
	for _, o := range s.Pools(c.Spec().Pools) {
		o.(*v3.IPPool).Spec.NATOutgoing = new(true)
		c.apply(o)
	}
}

// upOnce brings the kernel's own tunnel device up and down again. The first time it gets IPv6 parameters and a queueing discipline, which it
// keeps as long as it lives, which is as long as its namespace: the one thing that uninstalling cannot undo.
func (c *cluster) upOnce(device string) {
	c.t.Helper()
	err := c.within(lab.External, func() error { return run(c.t, "bash", "-c", "ip link set "+device+" up; ip link set "+device+" down") })
	if err != nil {
		c.t.Fatal(err)
	}
}

// uninstalls installs an agent that has a tunnel device, and uninstalls it.
func (c *cluster) uninstalls(device string) {
	t := c.t
	before := c.snapshot(lab.External)
	dir := t.TempDir()
	agent := c.agentIn(lab.External, "guest", dir)
	client := agentapi.NewClient(filepath.Join(dir, "agent.sock"))
	c.eventually("the agent is in force", func() error {
		s, err := client.Status(t.Context())
		if err == nil && (!s.InSync || s.Dataplane.State != "programmed" || s.Tunnels.State != "programmed" || s.Routes.State != "programmed") {
			err = fmt.Errorf("%+v", s)
		}
		if err == nil {
			err = c.within(lab.External, func() error { return run(t, "bash", "-c", "ip -4 address show up dev "+device+" | grep -w inet") })
		}
		return err
	})
	workload := netnstest.New(t)
	attach := func(command string) {
		if out, err := c.cni(command, dir, workload.Path()); err != nil {
			t.Fatalf("CNI %s: %v: %s", command, err, out)
		}
	}
	attach("ADD")
	there := []string{"8081", "(?i)masquerade", "dev " + regexp.QuoteMeta(device)} // host port, natOutgoing, the way to the other node
	if device == "vxlan.calico" {
		there = append(there, `dev vxlan.calico lladdr 66:`, `66:[0-9a-f:]+ dev vxlan.calico dst`)
	}
	c.eventually("what is to be uninstalled", func() error {
		now := c.snapshot(lab.External)
		for _, pattern := range there {
			if !regexp.MustCompile(pattern).MatchString(now) {
				return fmt.Errorf("there is no %q in the kernel:\n%s", pattern, now)
			}
		}
		return nil
	})
	if out, err := c.uninstall(dir, "--yes"); err == nil || !strings.Contains(out, "held by process") {
		t.Errorf("with a running agent: %v: %s", err, out)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait() // it was killed
	if out, err := c.uninstall(dir, "--yes"); err == nil || !strings.Contains(out, "workloads are left: interfaces cali") {
		t.Errorf("with a workload: %v: %s", err, out)
	}
	agent = c.agentIn(lab.External, "guest", dir)
	c.eventually("DEL", func() error { out, err := c.cni("DEL", dir, workload.Path()); return wrapped(err, out) })
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	installed := c.snapshot(lab.External)
	if out, err := c.uninstall(dir, "--dry-run"); err != nil || !strings.Contains(out, "tunnel device "+device) || !strings.Contains(out, "ip_forward: 1 becomes 0 again") {
		t.Errorf("dry run: %v: %s", err, out)
	}
	if _, err := c.uninstall(dir); err == nil {
		t.Error("removed without a yes")
	}
	if now := c.snapshot(lab.External); now != installed {
		t.Errorf("a dry run, or one without a yes, changed something:\n%s", difference(installed, now))
	}
	if out, err := c.uninstall(dir, "--yes"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if after := c.snapshot(lab.External); after != before {
		t.Errorf("the kernel is not as before:\n%s", difference(before, after))
	}
	if left, err := os.ReadDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is left, with %v, %v", left, err)
	}
	if out, err := c.uninstall(dir); err != nil || !strings.Contains(out, "nothing of weft is left") {
		t.Errorf("once more: %v: %s", err, out)
	}
}

func wrapped(err error, out string) error {
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// agentIn starts an agent in a member's namespace. The test's end kills it.
func (c *cluster) agentIn(member, node, dir string) *exec.Cmd {
	c.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(c.t.Context()), filepath.Join(bin, "weft"), "agent", "--node", node, "--state-dir", dir, "--etcd-endpoints", c.StoreEndpoint())
	cmd.Stdout, cmd.Stderr = c.t.Output(), c.t.Output()
	if err := c.within(member, cmd.Start); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func (c *cluster) cni(command, dir, ns string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(bin, "weft-cni"))
	cmd.Env = []string{"CNI_COMMAND=" + command, "CNI_CONTAINERID=guest1", "CNI_NETNS=" + ns, "CNI_IFNAME=eth0", "CNI_PATH=/"}
	cmd.Stdin = strings.NewReader(`{"cniVersion":"1.1.0","name":"weft","type":"weft-cni","ipam":{"assign_ipv6":true},"runtimeConfig":{"portMappings":[{"hostPort":8081,"containerPort":80,"protocol":"tcp"}]},"socket":"` + filepath.Join(dir, "cni.sock") + `"}`)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cluster) uninstall(dir string, flags ...string) (out string, err error) {
	_ = c.within(lab.External, func() error {
		var text []byte
		text, err = exec.CommandContext(c.t.Context(), filepath.Join(bin, "weft"), append([]string{"node", "uninstall", "--state-dir", dir}, flags...)...).CombinedOutput()
		out = string(text)
		return nil
	})
	return out, err
}

func run(t *testing.T, name string, args ...string) error {
	_, err := outputOf(t, name, args...)
	return err
}

func outputOf(t *testing.T, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(out), wrapped(err, string(out))
}

// snapshot is the state of a member's kernel, but for the mark on routes of a device that has lost its other end: that comes when the kernel gets to it.
func (c *cluster) snapshot(member string) string {
	c.t.Helper()
	var out strings.Builder
	err := c.within(member, func() error {
		text, err := exec.CommandContext(c.t.Context(), "bash", "-c", looks).Output()
		if err != nil {
			return err
		}
		out.Write(text)
		return parameters(&out)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), " linkdown", "")
}

// parameters appends what the kernel is told about interfaces, forwarding and connection tracking.
func parameters(out *strings.Builder) error {
	for _, dir := range []string{"/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv6/conf", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/netfilter"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "nf_conntrack_count" { // that changes by itself
				return err
			}
			if value, err := os.ReadFile(path); err == nil { // some cannot be read
				fmt.Fprintf(out, "%s = %s", path, value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var lineEnd = regexp.MustCompile(`\r?\n`)

// difference shows the lines that one text has and the other has not.
func difference(a, b string) string {
	before, after := lineEnd.Split(a, -1), lineEnd.Split(b, -1)
	var out strings.Builder
	for _, l := range before {
		if !slices.Contains(after, l) {
			fmt.Fprintln(&out, "-", l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			fmt.Fprintln(&out, "+", l)
		}
	}
	return out.String()
}
