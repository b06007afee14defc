// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/test/kube"
	"github.com/weftnet/weft/test/kube/cluster"
)

// TestKubelets installs weft by its manifest on two nodes with real kubelets, has pods talk, and removes it.
func TestKubelets(t *testing.T) {
	c := cluster.Start(t)
	before := c.Leftovers(t)
	c.Install(t, "10.244.0.0/16", "fd00:10::/64")
	c.Apply(t, echo+client)
	echos, clients := c.AwaitPods(t, "app=echo", 2), c.AwaitPods(t, "app=client", 2)
	scenarios := []struct {
		name string
		long bool
		run  func(*testing.T, *cluster.Cluster)
	}{
		{"across nodes", false, func(t *testing.T, c *cluster.Cluster) { acrossNodes(t, c, clients, echos) }},
		{"policy", false, policy},
		{"policy recipes", false, policyRecipes},
		{"service", false, service},
		{"host port", false, hostPort},
		{"writes", false, writes},
		{"kubelet and containerd restart", true, nodeRestart},
		{"rolling update of a deployment", true, rollingUpdate},
		{"rolling update of the agent", true, agentUpdate},
		{"restart of everything", true, restartAll},
		{"upgrade and downgrade", true, upgrade},
		{"restart storm", true, storm},
		{"drain", true, drain},
		{"node loss", true, nodeLoss},
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			if s.long && os.Getenv("WEFT_LONG") == "" {
				t.Skip("runs in `make e2e-kube`")
			}
			s.run(t, c)
		})
	}
	t.Run("uninstall", func(t *testing.T) { uninstall(t, c, before, c.Uninstall) })
	t.Run("helm", func(t *testing.T) {
		if os.Getenv("WEFT_LONG") == "" {
			t.Skip("runs in `make e2e-kube`")
		}
		helm(t, c, before)
	})
}

// helm installs weft by its chart, changes a value, and removes it.
func helm(t *testing.T, c *cluster.Cluster, before map[string]string) {
	c.InstallChart(t, "pools={10.244.0.0/16,fd00:10::/64}", "families=dual")
	c.Apply(t, echo+client)
	echos, clients := c.AwaitPods(t, "app=echo", 2), c.AwaitPods(t, "app=client", 2)
	acrossNodes(t, c, clients, echos)
	c.UpgradeChart(t, "agent.logLevel=debug")
	acrossNodes(t, c, clients, echos)
	uninstall(t, c, before, c.UninstallChart)
}

// echo is a server on each node, and a Service of both families in front of them.
const echo = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: echo
        image: "agnhost:test"
        args: [netexec]
        ports: [{containerPort: 8080, hostPort: 8085}]
        readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
        resources: {requests: {cpu: 200m}} # or a busy machine starves it while an agent starts
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ipFamilyPolicy: RequireDualStack
  publishNotReadyAddresses: true # or nobody is there when a busy machine answers the probes of both too late
  clusterIP: 10.96.0.80
  clusterIPs: [10.96.0.80, "fd96::80"]
  ports: [{port: 80, targetPort: 8080}]
---
`

// client is a pod on each node that other pods are called from.
const client = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: client, image: "agnhost:test", args: [pause]}]
`

// virtual are the addresses of the Service echo.
var virtual = []string{"10.96.0.80:80", "[fd96::80]:80"}

// acrossNodes has every client reach every server by every address of it.
func acrossNodes(t *testing.T, c *cluster.Cluster, from, to []cluster.Pod) {
	for _, f := range from {
		for _, p := range to {
			if len(p.Addrs) != 2 {
				t.Errorf("%s on %s has addresses %v, want one of each family", p.Name, p.Node, p.Addrs)
			}
			for _, addr := range p.Addrs {
				reaches(t, f, endpoint(addr), true)
			}
		}
		out := c.Kubectl(t, "exec", f.Name, "--", "/agnhost", "connect", "--timeout=3s", endpoint(to[0].Addrs[0]))
		t.Logf("%s on %s: %q", f.Name, f.Node, out)
	}
}

// policy denies all, allows one app, and takes both back.
func policy(t *testing.T, c *cluster.Cluster) {
	echos, clients := c.AwaitPods(t, "app=echo", 2), c.AwaitPods(t, "app=client", 2)
	all := func(want bool) {
		t.Helper()
		for _, f := range clients {
			for _, p := range echos {
				for _, addr := range p.Addrs {
					reaches(t, f, endpoint(addr), want)
				}
			}
		}
	}
	c.Apply(t, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress]}
`)
	all(false)
	c.Apply(t, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow}
spec:
  podSelector: {matchLabels: {app: echo}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]
`)
	all(true)
	c.Kubectl(t, "label", "pod", clients[0].Name, "app=other", "--overwrite")
	reaches(t, clients[0], endpoint(echos[0].Addrs[0]), false)
	reaches(t, clients[0], endpoint(echos[1].Addrs[0]), false)
	c.Kubectl(t, "delete", "pod", clients[0].Name) // the DaemonSet has made another in its place
	c.AwaitPods(t, "app=client", 2)
	c.Kubectl(t, "delete", "networkpolicy", "--all")
	clients = c.AwaitPods(t, "app=client", 2)
	all(true)
}

// service reaches pods through the Service of each family, from pods and from nodes.
func service(t *testing.T, c *cluster.Cluster) {
	for _, to := range virtual {
		for _, p := range c.AwaitPods(t, "app=client", 2) {
			reaches(t, p, to, true)
		}
		for _, n := range c.Nodes {
			reaches(t, n, to, true)
		}
	}
}

// hostPort reaches the pod of a node by the node's address, from the other node and from its pods.
func hostPort(t *testing.T, c *cluster.Cluster) {
	for i, n := range c.Nodes {
		for _, addr := range n.Addrs() {
			to := netip.AddrPortFrom(addr, 8085).String()
			reaches(t, c.Nodes[1-i], to, true)
			for _, p := range c.AwaitPods(t, "app=client", 2) {
				reaches(t, p, to, true)
			}
		}
	}
}

// writes counts what agents write to the API for each pod that starts: its endpoint and a block of addresses, for both families alike. A node may claim a block and its twin once.
func writes(t *testing.T, c *cluster.Cluster) {
	const pods = 10
	for _, families := range []string{`["IPv4"]`, `["IPv4","IPv6"]`} {
		before := c.Writes(t)
		c.Apply(t, strings.Replace(fmt.Sprintf(app, pods), "labels: {app: app}}\n    spec",
			"labels: {app: app}, annotations: {cni.projectcalico.org/ipFamilies: '"+families+"'}}\n    spec", 1))
		started := c.AwaitPods(t, "app=app", pods)
		written, total := kube.Since(c.Writes(t), before)
		t.Logf("%d pods of families %s: %v", pods, families, written)
		count := strings.Count(families, "IP")
		if most := 2*pods + 6*len(c.Nodes); len(started[0].Addrs) != count || total == 0 || total > most {
			t.Errorf("%d pods of families %s, one with addresses %v, took %d writes, want at most %d", pods, families, started[0].Addrs, total, most)
		}
		c.Kubectl(t, "delete", "deployment", "app", "--wait")
		c.AwaitPods(t, "app=app", 0)
	}
}

// endpoint is where a pod of echo listens.
func endpoint(addr netip.Addr) string { return netip.AddrPortFrom(addr, 8080).String() }

// dialer is a pod or a node.
type dialer interface {
	Dial(ctx context.Context, to string) (net.Conn, error)
}

// reaches waits until a connection is made, or until none is.
func reaches(t *testing.T, from dialer, to string, want bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		conn, err := from.Dial(ctx, to)
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v to %s: %v, want connected %v", from, to, err, want)
		}
	}
}

// errLeft says what an uninstalled weft has left.
var errLeft = errors.New("weft has left something")

// uninstall drains the cluster, removes weft, and compares each node with what it was.
func uninstall(t *testing.T, c *cluster.Cluster, before map[string]string, remove func(testing.TB)) {
	c.Kubectl(t, "delete", "deployment,daemonset,pod", "--all", "--wait", "--timeout=180s")
	remove(t)
	for name, was := range before {
		if now := c.Leftovers(t)[name]; now != was {
			t.Errorf("%s: %v\nbefore:\n%s\nafter:\n%s", name, errLeft, was, now)
		}
	}
	if out := c.Kubectl(t, "get", "crd,clusterrole,clusterrolebinding,namespace", "-o", "name"); strings.Contains(out, "weft") || strings.Contains(out, "calico") {
		t.Errorf("%v in the API:\n%s", errLeft, out)
	}
}

// noLeak checks that no address is without an owner.
func noLeak(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.Eventually(t, "addresses without owner to be gone", func() error {
		out, err := c.Check()
		if err == nil && !strings.Contains(out, "0 wrong, 0 leftovers, 0 addresses without owner") {
			err = fmt.Errorf("weft ipam check: %s", out)
		}
		return err
	})
}
