// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/test/kube"
	"github.com/weftnet/weft/test/kube/cluster"
)

// BenchmarkPodStart measures how pods start on a node with weft, beside a node where the reference plugins bridge and host-local are their network, and
// what an agent writes to the API server for that. `make bench ROW=kube` runs it; WEFT_PEERS is the directory of the plugins.
func BenchmarkPodStart(b *testing.B) {
	peers := os.Getenv("WEFT_PEERS")
	if peers == "" {
		b.Skip("WEFT_PEERS does not name the directory of the reference plugins; `make bench ROW=kube` does")
	}
	c := cluster.Start(b)
	c.Install(b, "10.244.0.0/16")
	c.Apply(b, onlyCollector)
	useBridge(b, c, c.Nodes[1], peers)
	s := &starts{c: c, listener: c.Listen(b, collector)}
	s.awaitBridge(b)
	for _, at := range []struct{ once, rounds int }{{1, 11}, {16, 3}, {60, 2}} {
		var ours, theirs measure.Samples
		s.writes = 0
		for range at.rounds {
			ours = append(ours, s.round(b, "n1", at.once)...)
			theirs = append(theirs, s.round(b, "n2", at.once)...)
		}
		what := fmt.Sprintf("pod scheduled to first allowed packet, %d at once", at.once)
		show(b, measure.Compare(what, ours, "bridge + host-local", theirs, measure.Duration, measure.AtMost(1)))
		what = fmt.Sprintf("writes to the API for each pod start, one family, %d at once", at.once)
		show(b, measure.Limit(what, float64(s.writes)/float64(at.once*at.rounds), 2, number))
	}
}

// BenchmarkPodWrites counts what an agent writes to the API server when pods of both families start.
func BenchmarkPodWrites(b *testing.B) {
	c := cluster.Start(b)
	c.Install(b, "10.244.0.0/16", "fd00:10::/64")
	c.Apply(b, onlyCollector)
	s := &starts{c: c, listener: c.Listen(b, collector)}
	s.round(b, "n1", 1) // which claims blocks
	for _, at := range []struct{ once, rounds int }{{1, 5}, {16, 2}, {60, 1}} {
		s.writes = 0
		for range at.rounds {
			s.round(b, "n1", at.once)
		}
		what := fmt.Sprintf("writes to the API for each pod start, both families, %d at once", at.once)
		show(b, measure.Limit(what, float64(s.writes)/float64(at.once*at.rounds), 2, number))
	}
}

// BenchmarkIdle counts what agents whose pods do nothing ask the API server for.
func BenchmarkIdle(b *testing.B) {
	c := cluster.Start(b)
	c.Install(b, "10.244.0.0/16", "fd00:10::/64")
	c.Apply(b, echo+client)
	c.AwaitPods(b, "app=echo", 2)
	c.AwaitPods(b, "app=client", 2)
	show(b, measure.Limit("API calls of an idle agent in an hour, watches aside", idleCalls(b, c), 60, number))
}

func show(b *testing.B, row measure.Row) {
	b.Helper()
	if err := measure.WriteJSON(os.Stdout, row); err != nil {
		b.Fatal(err)
	}
}

func number(v float64) string { return fmt.Sprintf("%.3g", v) }

// collector is where pods connect to, outside the cluster.
const collector = "172.31.77.1:9999"

// onlyCollector is what the pods may do, on nodes where there is policy.
const onlyCollector = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: start}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress: [{to: [{ipBlock: {cidr: 172.31.77.1/32}}], ports: [{port: 9999}]}]
`

// bridge is a network that runtimes prefer to weft's, because its name comes first.
const bridge = `{"cniVersion": "1.0.0", "name": "bridge", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/22"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`

// useBridge has pods of a node use the reference plugins.
func useBridge(b *testing.B, c *cluster.Cluster, n *cluster.Node, peers string) {
	b.Helper()
	for _, plugin := range []string{"bridge", "host-local"} {
		data, err := os.ReadFile(filepath.Join(peers, plugin))
		if err == nil {
			err = os.WriteFile(n.Path("/opt/cni/bin/"+plugin), data, 0o755)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	c.Route(b, "10.99.0.0/22", n)
	if err := os.WriteFile(n.Path("/etc/cni/net.d/05-bridge.conflist"), []byte(bridge), 0o600); err != nil {
		b.Fatal(err)
	}
}

// starts starts pods that connect to the collector.
type starts struct {
	c        *cluster.Cluster
	listener net.Listener
	serial   int
	writes   int // of agents, for pods that started
}

// starter is a pod that connects to the collector and ends.
const starter = `
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: start}}
spec:
  nodeName: %s
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 1
  containers: [{name: start, image: "agnhost:test", args: [connect, --timeout=60s, "` + collector + `"]}]
---
`

// awaitBridge waits until pods of n2 have a network of the reference plugins.
func (s *starts) awaitBridge(b *testing.B) {
	b.Helper()
	s.c.Eventually(b, "the bridge of n2", func() error {
		from := s.start(b, "n2", 1)[0].from
		s.remove(b)
		if !strings.HasPrefix(from, "10.99.") {
			return fmt.Errorf("a pod of n2 called from %s", from)
		}
		return nil
	})
}

// round starts so many pods at once on a node, removes them, and returns how long each took from the request to the API, which says the node, to its packet. Pods
// are told apart by their order, which makes no difference to the sum.
func (s *starts) round(b *testing.B, node string, pods int) (out measure.Samples) {
	b.Helper()
	before := s.c.Writes(b)
	calls := s.start(b, node, pods)
	created := s.c.Created(b, s.prefix())
	if node == "n1" {
		s.count(b, before, pods)
	}
	s.remove(b)
	if len(created) != pods {
		b.Fatalf("%d pods were created, want %d", len(created), pods)
	}
	for i, call := range calls {
		out.Add(call.at.Sub(created[i]))
	}
	return out
}

// count adds what agents have written since before, once the endpoints of so many pods are among it.
func (s *starts) count(b *testing.B, before map[string]int, pods int) {
	b.Helper()
	var n int
	var written map[string]int
	s.c.Eventually(b, "the endpoints of the pods", func() error {
		if written, n = kube.Since(s.c.Writes(b), before); written["create workloadendpoints"] < pods {
			return fmt.Errorf("%d pods: %v", pods, written)
		}
		return nil
	})
	s.writes += n - written["delete workloadendpoints"] // of pods before
	b.Logf("%d pods: %v", pods, written)
}

func (s *starts) prefix() string { return fmt.Sprintf("start-%d-", s.serial) }

// call is a packet of a pod that arrived.
type call struct {
	at   time.Time
	from string
}

// start starts pods and returns their calls, earliest first.
func (s *starts) start(b *testing.B, node string, pods int) (calls []call) {
	b.Helper()
	s.serial++
	var manifest strings.Builder
	for i := range pods {
		fmt.Fprintf(&manifest, starter, fmt.Sprint(s.prefix(), i), node)
	}
	arrived := make(chan call, pods)
	go func() {
		for range pods {
			conn, err := s.listener.Accept()
			if err != nil {
				break
			}
			arrived <- call{time.Now(), conn.RemoteAddr().String()}
			_ = conn.Close()
		}
		close(arrived)
	}()
	s.c.Create(b, manifest.String())
	patience := time.After(5 * time.Minute)
	for len(calls) < pods {
		select {
		case c, ok := <-arrived:
			if !ok {
				b.Fatal("the collector has ended")
			}
			calls = append(calls, c)
		case <-patience:
			b.Fatalf("%s: %d of %d pods have called", node, len(calls), pods)
		}
	}
	slices.SortFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	return calls
}

// remove deletes all pods and waits until they are gone.
func (s *starts) remove(b *testing.B) {
	b.Helper()
	s.c.Kubectl(b, "delete", "pods", "-l", "app=start", "--wait", "--timeout=300s")
}

// idle is how long agents are watched that have nothing to do: some of what they ask for comes every few minutes.
const idle = 6 * time.Minute

// idleCalls returns how often an agent would call the API in an hour like the last minutes.
func idleCalls(b *testing.B, c *cluster.Cluster) float64 {
	b.Helper()
	time.Sleep(time.Minute) // until the last pods are forgotten
	before := c.Calls(b)
	time.Sleep(idle) // what is measured
	calls, n := kube.Since(c.Calls(b), before)
	b.Logf("%d agents in %v: %v", len(c.Nodes), idle, calls)
	return float64(n) / float64(len(c.Nodes)) * float64(time.Hour/idle)
}
