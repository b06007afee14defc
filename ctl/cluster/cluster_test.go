// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
)

// TestJudgeAgreesWithOracle holds random clusters against the oracle, which shares no code with the graph.
func TestJudgeAgreesWithOracle(t *testing.T) {
	allowed, denied, translated, outgoing := 0, 0, 0, 0
	byHost := map[eval.Traffic]int{} // decisions of host endpoints
	for seed := range uint64(160) {
		objects := walkedObjects(seed)
		versions := make([]oracle.Version, len(objects))
		for i, obj := range objects {
			versions[i] = oracle.Version{Object: obj}
		}
		c, o := cluster.New(objects), oracle.New(versions)
		if slices.ContainsFunc(c.Problems(ct.Me), func(p calc.Problem) bool { return p.Refused && p.Key.Resource == api.Nodes }) {
			continue // `weft why` finds the addresses of such a node, too; the oracle knows none
		}
		o.Links = map[string][]calc.Link{}
		for _, node := range c.HostEndpointNodes() {
			o.Links[node] = c.Links(node)
		}
		r := rand.New(rand.NewPCG(seed, 5))
		for range 80 {
			p := randomPacket(r)
			if claims(c, p.Src) > 1 || claims(c, p.Dst) > 1 {
				continue // a node with one of them sends packets there, whoever else has the address
			}
			if tr := c.Translation(find(t, c, p.Dst.String()), p); tr != nil {
				if claims(c, tr.To.Addr()) > 1 {
					continue
				}
				translated++
			}
			if dst := find(t, c, p.Dst.String()); dst.Node != "" && c.Outgoing(find(t, c, p.Src.String()), dst, p).IsValid() {
				outgoing++
			}
			want, err := o.Judge(p)
			if err != nil {
				t.Fatal(err)
			}
			got := judge(t, c, p)
			if got.Allowed() != want.Allowed() {
				t.Fatalf("seed %d, %+v: allowed %t, %s; %s; the oracle says %s", seed, p, got.Allowed(), describe(got[0]), describe(got[1]), want)
			}
			for _, side := range got {
				for _, at := range side.Hosts {
					if at.Result.Decision().Policy.Name != "" {
						byHost[at.Traffic]++
					}
				}
			}
			if got.Allowed() {
				allowed++
			} else {
				denied++
			}
		}
	}
	if translated < 10 || outgoing < 10 {
		t.Errorf("%d packets were translated, %d got another source: the generator hardly tries it", translated, outgoing)
	}
	if allowed < 200 || denied < 200 {
		t.Errorf("%d allowed and %d denied: the generator hardly tries one of them", allowed, denied)
	}
	for _, traffic := range []eval.Traffic{eval.Untracked, eval.PreDNAT, eval.Normal, eval.Forward} {
		if byHost[traffic] < 2 {
			t.Errorf("rules of host endpoints decided %v: the generator hardly tries %v", byHost, traffic)
		}
	}
}

// claims counts the nodes that have an address, or lead packets to it to a workload.
func claims(c *cluster.Cluster, addr netip.Addr) (n int) {
	for _, node := range []string{"n1", "n2", "n3"} {
		for r := range c.View(node).Routes() {
			if r.Kind == desired.RouteLocal && r.Dst.Contains(addr) {
				n++
			}
		}
		for _, l := range c.Links(node) {
			if slices.Contains(l.Addrs, addr) {
				n++
			}
		}
	}
	return n
}

// describe says what decided at an end.
func describe(s cluster.Side) string {
	if s.At == nil {
		return s.Reason
	}
	return fmt.Sprintf("%v %v at %s: %s", s.At.Traffic, s.At.Dir, s.At.ID, s.Result)
}

// walkedObjects returns what is there at the end of a random walk.
func walkedObjects(seed uint64) []api.Object {
	left := map[api.Key]api.Object{}
	var order []api.Key
	for _, step := range ct.Walk(seed, 60) {
		for _, change := range step.Changes {
			if left[change.Key] == nil {
				order = append(order, change.Key)
			}
			delete(left, change.Key)
			if change.Object != nil {
				left[change.Key] = change.Object
			}
		}
	}
	var out []api.Object
	for _, key := range order {
		if obj := left[key]; obj != nil {
			out = append(out, obj)
			delete(left, key)
		}
	}
	return out
}

func randomPacket(r *rand.Rand) eval.Packet {
	addr := func() netip.Addr {
		if r.IntN(4) == 0 { // nobody's; a node's
			return netip.MustParseAddr([]string{"192.0.2.7", "192.0.2.9", "192.0.2.10", "192.0.2.1", "198.51.100.1"}[r.IntN(5)])
		}
		return netip.MustParseAddr(fmt.Sprintf("10.65.%d.%d", r.IntN(2), r.IntN(5)))
	}
	return eval.Packet{Src: addr(), Dst: addr(), Protocol: []uint8{6, 17}[r.IntN(2)], SrcPort: 40000, DstPort: []uint16{53, 80, 81, 8080}[r.IntN(4)]}
}

func judge(t *testing.T, c *cluster.Cluster, p eval.Packet) cluster.Judgement {
	t.Helper()
	return c.Judge(find(t, c, p.Src.String()), find(t, c, p.Dst.String()), p)
}

func find(t *testing.T, c *cluster.Cluster, text string) *cluster.End {
	t.Helper()
	end, err := c.Find(text)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func manifests(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	docs, err := api.ReadDocuments(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	var objects []api.Object
	var foreign []api.Foreign
	for i := range docs {
		if f, ok := docs[i].Foreign(); ok {
			foreign = append(foreign, f)
			continue
		}
		if docs[i].Object == nil {
			t.Fatal(docs[i].Problems)
		}
		objects = append(objects, docs[i].Object)
	}
	c, err := cluster.FromManifests(objects, foreign)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const fewPods = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {serviceAccountName: front}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop}, spec: {nodeName: n1}, status: {podIP: 10.65.0.9}}
---
{apiVersion: v1, kind: Pod, metadata: {name: job, namespace: shop}, spec: {nodeName: n1}, status: {phase: Succeeded, podIP: 10.65.0.9}}
---
{apiVersion: v1, kind: Pod, metadata: {name: alone}, spec: {}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: ops}, spec: {hostNetwork: true, nodeName: n1}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: shop}}
`

func TestManifests(t *testing.T) {
	c := manifests(t, fewPods)
	notes := strings.Join(c.Notes(), "\n")
	for _, want := range []string{"kubernetes.io/metadata.name: namespace default", "service account shop/front", "1 of kind Deployment left out: what",
		"1 of kind ConfigMap left out"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note %q in\n%s", want, notes)
		}
	}
	web, db, node := find(t, c, "shop/web"), find(t, c, "shop/db"), find(t, c, "n1")
	if len(web.Addrs) != 2 || !c.Made(web.Addrs[0]) || !c.Made(web.Addrs[1]) {
		t.Errorf("a pod without address has %v", web.Addrs)
	}
	if len(db.Addrs) != 1 || c.Made(db.Addrs[0]) || db.Node != "n1" {
		t.Errorf("a pod with an address: %v on %q", db.Addrs, db.Node)
	}
	if got := find(t, c, "10.65.0.9").Name; got != "shop/db" {
		t.Errorf("10.65.0.9 is %s: a finished pod has no addresses", got)
	}
	if got := find(t, c, "192.0.2.1"); !got.Host() || got.Name != "node n1" || len(node.Addrs) != 1 {
		t.Errorf("the node's address is %+v, the node %+v", got, node)
	}
	if agent := find(t, c, "ops/agent"); agent.Workload != nil || agent.Node != "n1" || agent.Note == "" {
		t.Errorf("a pod of the host's network: %+v", agent)
	}
	if ns, ok := c.Object(api.Key{Resource: api.Namespaces, Name: "shop"}).(*corev1.Namespace); !ok || ns.Labels["kubernetes.io/metadata.name"] != "shop" || ns.Labels["team"] != "a" {
		t.Errorf("namespace shop: %+v", ns)
	}
}

func TestFindErrors(t *testing.T) {
	c := manifests(t, fewPods)
	for text, want := range map[string]string{
		"":           "write namespace/pod",
		"shop/wbe":   `no pod "wbe" in namespace shop; did you mean web?`,
		"shpo/web":   `no namespace "shpo"; did you mean shop?`,
		"shop/alone": `no pod "alone" in namespace shop; there is default/alone`,
		"shop/zzzzz": "there are: db, job, web",
		"web":        "for the pod write shop/web",
		"n2":         "neither a node nor an IP address, and a pod is written namespace/pod; there are: n1",
		"a/b/c":      "write namespace/pod",
		"/x":         "write namespace/pod",
		"10.0.0.256": "neither a node nor an IP address",
	} {
		if end, err := c.Find(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want an error with %q", text, end, err, want)
		}
	}
}

// TestWith leaves the cluster that it starts from as it was.
func TestWith(t *testing.T) {
	c := manifests(t, fewPods)
	p := eval.Packet{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("10.65.0.9"), Protocol: 6, SrcPort: 1, DstPort: 80}
	closed := c.With(ct.KubePolicy("shop/deny", func(*networkingv1.NetworkPolicySpec) {}), ct.Node("n9", nil, "192.0.2.9/24", ""))
	if !judge(t, c, p).Allowed() || judge(t, closed, p).Allowed() || !judge(t, c, p).Allowed() {
		t.Error("the policy should deny in the cluster that has it, and only there")
	}
	if _, err := c.Find("n9"); err == nil {
		t.Error("node n9 is in the cluster without it")
	}
}

// TestHostEndpoints asks about packets to and from nodes that have host endpoints.
func TestHostEndpoints(t *testing.T) {
	tcp := intstr.FromString("TCP")
	allow := ct.GlobalPolicy("ssh", func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector = "role == 'edge'"
		s.Ingress = []v3.Rule{{Action: v3.Allow, Protocol: &tcp, Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt32(8080)}}}}
	})
	c := cluster.New([]api.Object{ct.Node("n1", nil, "192.0.2.1/24", ""), ct.Node("n2", nil, "192.0.2.2/24", ""),
		ct.HostEndpoint("edge", "n1", ct.Labels{"role": "edge"}, "192.0.2.1"), allow})
	for _, tc := range []struct {
		dst     string
		port    uint16
		allowed bool
	}{
		{"n1", 8080, true}, {"n1", 8081, false}, {"n1", 22, true}, // 22 is a failsafe port
		{"n2", 8081, true}, // no host endpoint
	} {
		dst := find(t, c, tc.dst)
		p := eval.Packet{Src: netip.MustParseAddr("198.51.100.1"), Dst: dst.Addrs[0], Protocol: 6, SrcPort: 40000, DstPort: tc.port}
		if j := judge(t, c, p); j.Allowed() != tc.allowed {
			t.Errorf("%s port %d: allowed %t, want %t", tc.dst, tc.port, j.Allowed(), tc.allowed)
		}
	}
}
