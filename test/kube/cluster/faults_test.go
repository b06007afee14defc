// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weftnet/weft/test/kube/cluster"
)

// app is a Deployment that goes on answering for a while after it was told to end, so that no node sends anybody to it any more when it does.
const app = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: %d
  selector: {matchLabels: {app: app}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: app
        image: "agnhost:test"
        args: [netexec, --delay-shutdown=4]
        readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
        resources: {requests: {cpu: 50m}}
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, clusterIP: 10.96.0.90, ports: [{port: 80, targetPort: 8080}]}
`

// service of app.
const appAddress = "10.96.0.90:80"

// underLoad does something while every client calls servers on both nodes, by the Service with new connections, and by addresses with kept ones, and pings
// them: a server that waits for the processor may be slow, but the kernel answers a ping at once, so that none may be lost.
func underLoad(t *testing.T, c *cluster.Cluster, when string, do func()) {
	t.Helper()
	echos := c.AwaitPods(t, "app=echo", 2)
	var loads []*cluster.Load
	var pings []*cluster.Ping
	for _, p := range c.AwaitPods(t, "app=client", 2) {
		for _, to := range virtual {
			loads = append(loads, cluster.StartLoad(t, p, to, false))
		}
		for _, e := range echos {
			for _, addr := range e.Addrs {
				loads = append(loads, cluster.StartLoad(t, p, endpoint(addr), true))
				pings = append(pings, cluster.StartPing(t, p, addr))
			}
		}
	}
	do()
	for _, l := range loads {
		l.Stop(t, when)
	}
	for _, p := range pings {
		p.Stop(t, when)
	}
}

// nodeRestart kills kubelet and containerd of a node and starts them again, under traffic; pods start afterwards.
func nodeRestart(t *testing.T, c *cluster.Cluster) {
	n := c.Nodes[0]
	underLoad(t, c, "kubelet and containerd restart", func() {
		n.Stop(t, "kubelet")
		n.Stop(t, "containerd")
		n.StartContainerd(t)
		n.StartKubelet(t)
		podStarts(t, c)
	})
}

// podStarts starts a pod that all clients reach, and deletes it.
func podStarts(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.Apply(t, `
apiVersion: v1
kind: Pod
metadata: {name: after, labels: {app: after}}
spec: {nodeName: n1, terminationGracePeriodSeconds: 1, containers: [{name: after, image: "agnhost:test", args: [netexec]}]}
`)
	after := c.AwaitPods(t, "app=after", 1)
	for _, p := range c.AwaitPods(t, "app=client", 2) {
		for _, addr := range after[0].Addrs {
			reaches(t, p, endpoint(addr), true)
		}
	}
	c.Kubectl(t, "delete", "pod", "after")
}

// rollingUpdate replaces all pods of a Deployment while its Service is called.
func rollingUpdate(t *testing.T, c *cluster.Cluster) {
	c.Apply(t, fmt.Sprintf(app, 4))
	c.AwaitPods(t, "app=app", 4)
	var loads []*cluster.Load
	for _, p := range c.AwaitPods(t, "app=client", 2) {
		reaches(t, p, appAddress, true)
		loads = append(loads, cluster.StartLoad(t, p, appAddress, false))
	}
	c.Kubectl(t, "rollout", "restart", "deployment/app")
	c.Kubectl(t, "rollout", "status", "deployment/app", "--timeout=180s")
	c.AwaitPods(t, "app=app", 4)
	for _, l := range loads {
		l.Stop(t, "rolling update")
	}
	c.Kubectl(t, "delete", "deployment", "app", "--wait")
}

// agentUpdate replaces the agents of all nodes.
func agentUpdate(t *testing.T, c *cluster.Cluster) {
	underLoad(t, c, "rolling update of the agent", func() { c.Restart(t, "ds/weft-agent", "deploy/weft-controllers") })
}

// restartAll kills the control plane and everything that runs on the nodes but containers, starts it all again, and replaces weft's pods at once, under traffic.
func restartAll(t *testing.T, c *cluster.Cluster) {
	underLoad(t, c, "restart of everything", func() {
		c.StopControl(t)
		for _, n := range c.Nodes {
			n.Stop(t, "kube-proxy")
			n.Stop(t, "kubelet")
			n.Stop(t, "containerd")
		}
		c.StartControl(t)
		for _, n := range c.Nodes {
			n.StartContainerd(t)
			n.StartKubelet(t)
			n.StartProxy(t)
		}
		c.Restart(t, "ds/weft-agent", "deploy/weft-controllers")
		podStarts(t, c)
	})
	noLeak(t, c)
}

// upgrade takes the cluster to another version and back, under traffic, agents first and controllers first, so that every mixture runs for a while. Pods start in
// each.
func upgrade(t *testing.T, c *cluster.Cluster) {
	const agents, controllers = "daemonset/weft-agent", "deployment/weft-controllers"
	now, before := c.Now(), c.Before(t)
	underLoad(t, c, "upgrade", func() {
		for _, step := range []struct {
			version     cluster.Version
			first, then string
		}{
			{before, agents, controllers}, {now, agents, controllers}, {before, controllers, agents}, {now, controllers, agents},
		} {
			c.Use(t, step.version, step.first)
			podStarts(t, c)
			c.Use(t, step.version, step.then)
			podStarts(t, c)
		}
	})
	noLeak(t, c)
}

// storm deletes 30 pods at once, has them made anew, and deletes those.
func storm(t *testing.T, c *cluster.Cluster) {
	c.Apply(t, fmt.Sprintf(app, 30))
	c.AwaitPods(t, "app=app", 30)
	for range 2 {
		c.Kubectl(t, "delete", "pods", "-l", "app=app", "--grace-period=1", "--wait=false")
		pods := c.AwaitPods(t, "app=app", 30)
		for _, p := range c.AwaitPods(t, "app=client", 2) {
			for _, to := range pods {
				reaches(t, p, endpoint(to.Addrs[0]), true)
			}
		}
	}
	c.Kubectl(t, "delete", "deployment", "app", "--cascade=foreground", "--wait")
	c.AwaitPods(t, "app=app", 0)
	noLeak(t, c)
}

// drain moves the pods of a node to the other one while their Service is called.
func drain(t *testing.T, c *cluster.Cluster) {
	c.Apply(t, fmt.Sprintf(app, 4)+`
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: app}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: app}}}
`)
	c.AwaitPods(t, "app=app", 4)
	var loads []*cluster.Load
	for _, p := range c.AwaitPods(t, "app=client", 2) {
		reaches(t, p, appAddress, true)
		loads = append(loads, cluster.StartLoad(t, p, appAddress, false))
	}
	c.Kubectl(t, "drain", "n2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
	for _, p := range c.AwaitPods(t, "app=app", 4) {
		if p.Node != "n1" {
			t.Errorf("%s is on %s, which is drained", p.Name, p.Node)
		}
	}
	for _, l := range loads {
		l.Stop(t, "drain")
	}
	c.Kubectl(t, "uncordon", "n2")
	c.Kubectl(t, "delete", "deployment,pdb", "app", "--wait")
	noLeak(t, c)
}

// nodeLoss takes the power from a node. Its pods come up on the other, what it held is released, and a new node of its name takes its place.
func nodeLoss(t *testing.T, c *cluster.Cluster) {
	c.Apply(t, fmt.Sprintf(app, 4))
	c.AwaitPods(t, "app=app", 4)
	c.Lose(t, 1)
	c.Kubectl(t, "wait", "--for=condition=Ready=Unknown", "node", "n2", "--timeout=60s")
	c.Kubectl(t, "delete", "node", "n2")
	for _, p := range c.AwaitPods(t, "app=app", 4) {
		if p.Node != "n1" {
			t.Errorf("%s is on %s, which is lost", p.Name, p.Node)
		}
	}
	client := c.AwaitPods(t, "app=client", 1)[0]
	began := time.Now()
	reaches(t, client, appAddress, true)
	t.Logf("the Service answers %v after the pods were ready elsewhere", time.Since(began).Round(time.Millisecond))
	noLeak(t, c)
	c.Replace(t, 1)
	acrossNodes(t, c, c.AwaitPods(t, "app=client", 2), c.AwaitPods(t, "app=echo", 2))
	c.Kubectl(t, "delete", "deployment", "app", "--wait")
	noLeak(t, c)
}
