// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/preview"
	"github.com/weftnet/weft/policy/eval"
)

// objectsAfter returns what is there at the end of a walk, in a fixed order.
func objectsAfter(steps []ct.Step) []api.Object {
	left := map[api.Key]api.Object{}
	var order []api.Key
	for _, step := range steps {
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
		if left[key] != nil {
			out = append(out, left[key])
			delete(left, key)
		}
	}
	return out
}

// TestCompareAgreesWithJudge judges single packets in both versions of random clusters: a verdict changes if and only if the report says so.
func TestCompareAgreesWithJudge(t *testing.T) {
	changed, same, hosts, crossed := 0, 0, 0, 0
	for seed := range uint64(140) {
		steps := ct.Walk(seed, 70)
		from, to := cluster.New(objectsAfter(steps[:60])), cluster.New(objectsAfter(steps))
		report := preview.Compare(from, to).Pairwise()
		if strings.Contains(fmt.Sprint(report.Changes), "host endpoint ") {
			crossed++
		}
		r := rand.New(rand.NewPCG(seed, 4))
		judged := map[string]bool{"198.51.100.200": true} // addresses that are nobody's, or of a node with a host endpoint
		for _, w := range []*cluster.Whole{from.Whole(), to.Whole()} {
			for _, h := range w.Hosts() {
				judged[h.Addrs[0].String()] = true
			}
		}
		for range 60 {
			src, dst := randomName(r), randomName(r)
			if !judged[src] && !strings.Contains(src, "/") || !judged[dst] && !strings.Contains(dst, "/") {
				continue
			}
			p := eval.Packet{Protocol: []uint8{6, 17, 1}[r.IntN(3)], SrcPort: 49152, DstPort: []uint16{53, 79, 80, 81, 8080, 9000}[r.IntN(6)]}
			if p.Protocol == 1 {
				p.SrcPort, p.DstPort, p.ICMPType = 0, 0, 8
			}
			before, okBefore := verdict(from, src, dst, &p)
			after, okAfter := verdict(to, src, dst, &p)
			if !okBefore || !okAfter || src == dst || moved(from, to, src) || moved(from, to, dst) || ownNode(to, src, dst) {
				continue
			}
			if said := says(t, report, nameOf(to, src), nameOf(to, dst), &p); said != (before != after) {
				t.Fatalf("seed %d: %s to %s %+v: allowed %t before and %t after, but the report:\n%+v", seed, src, dst, p, before, after, report.Changes)
			}
			if before != after {
				changed++
				if strings.HasPrefix(nameOf(to, src)+nameOf(to, dst), "node") {
					hosts++
				}
			} else {
				same++
			}
		}
	}
	if changed < 100 || same < 100 || hosts < 10 || crossed < 5 {
		t.Errorf("%d changed, %d of them of nodes, %d not, host endpoints on the way changed %d clusters: the generator hardly tries one of them",
			changed, hosts, same, crossed)
	}
}

func randomName(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return "198.51.100.200"
	case 1:
		return "192.0.2.1" // mostly a node's
	case 2:
		return "198.51.100.1"
	}
	return fmt.Sprintf("%s/p%d", []string{"a", "b"}[r.IntN(2)], r.IntN(3))
}

// verdict judges a packet; not ok if one of the ends is not the only one of its name, or has no IPv4 address, or if the packet arrives with another source
// or destination, by which the report has it.
func verdict(c *cluster.Cluster, src, dst string, p *eval.Packet) (allowed, ok bool) {
	var ends [2]*cluster.End
	for i, name := range []string{src, dst} {
		end, err := c.Find(name)
		if err != nil || end.Note != "" || len(end.Addrs) == 0 || end.Addrs[0].Is6() {
			return false, false
		}
		ends[i] = end
	}
	p.Src, p.Dst = ends[0].Addrs[0], ends[1].Addrs[0]
	return c.Judge(ends[0], ends[1], *p).Allowed(), c.Translation(ends[1], *p) == nil && !c.Outgoing(ends[0], ends[1], *p).IsValid()
}

// moved tells whether a pod is on another node, and so another endpoint.
func moved(from, to *cluster.Cluster, name string) bool {
	a, errA := from.Find(name)
	b, errB := to.Find(name)
	return errA != nil || errB != nil || a.Node != b.Node || (a.Workload == nil) != (b.Workload == nil)
}

// ownNode tells whether a packet does not leave the node that it is from or to.
func ownNode(c *cluster.Cluster, src, dst string) bool {
	a, errA := c.Find(src)
	b, errB := c.Find(dst)
	return errA == nil && errB == nil && a.Node == b.Node && a.Node != "" && (a.Host() || b.Host())
}

// nameOf returns the name of an end in reports.
func nameOf(c *cluster.Cluster, name string) string {
	end, err := c.Find(name)
	switch {
	case err != nil || end.Workload != nil:
		return name
	case end.Host():
		return end.Name
	}
	return "outside"
}

func says(t *testing.T, r *preview.Report, src, dst string, p *eval.Packet) bool {
	t.Helper()
	is := func(text, name string, addr netip.Addr) bool {
		place, at, _ := strings.Cut(text, " at ")
		return place == name && (at == "" || at == addr.String())
	}
	for _, c := range r.Changes {
		if is(c.From.Text, src, p.Src) && is(c.To.Text, dst, p.Dst) && c.IPVersion != 6 && covers(t, c.Service, p) {
			return true
		}
	}
	return false
}

// covers reads the text of services.
func covers(t *testing.T, service string, p *eval.Packet) bool {
	t.Helper()
	if service == "all" {
		return true
	}
	for part := range strings.SplitSeq(service, "; ") {
		name, ports, some := strings.Cut(part, " ")
		if name != v3.ProtocolName(p.Protocol) {
			continue
		}
		if !some {
			return true
		}
		number := int(p.DstPort)
		if p.Protocol == 1 {
			number = int(p.ICMPType)
			ports = strings.ReplaceAll(strings.ReplaceAll(ports, "types ", ""), "type ", "")
		}
		for one := range strings.SplitSeq(ports, ", ") {
			from, to, isRange := strings.Cut(one, "-")
			if !isRange {
				to = from
			}
			low, err1 := strconv.Atoi(from)
			high, err2 := strconv.Atoi(to)
			if err1 != nil || err2 != nil {
				t.Fatalf("service %q", service)
			}
			if low <= number && number <= high {
				return true
			}
		}
	}
	return false
}

// shops returns namespaces with a web and a database tier of some pods each.
func shops(namespaces, pods int) []api.Object {
	var out []api.Object
	n := 0
	for i := range namespaces {
		ns := fmt.Sprintf("shop%d", i)
		out = append(out, ct.Namespace(ns, nil), ct.ServiceAccount(ns+"/default", nil))
		for _, app := range []string{"web", "db"} {
			for j := range pods {
				n++
				out = append(out, ct.Endpoint(fmt.Sprintf("%s/%s-%d", ns, app, j), fmt.Sprintf("n%d", n%50), ct.Labels{"app": app},
					fmt.Sprintf("10.%d.%d.%d", 65+n>>16, n>>8&0xff, n&0xff)))
			}
		}
	}
	for i, obj := range out { // links are named by the pod alone
		if w, ok := obj.(*v3.WorkloadEndpoint); ok {
			w.Spec.InterfaceName = fmt.Sprintf("cali%d", i)
		}
	}
	return out
}

// TestReadable shows that a change for many endpoints is few lines.
func TestReadable(t *testing.T) {
	from := cluster.New(shops(25, 20))
	to := from.With(ct.KubePolicy("shop7/deny", func(s *networkingv1.NetworkPolicySpec) {}),
		ct.Policy("shop3/db", func(s *v3.NetworkPolicySpec) {
			s.Selector, s.Ingress = "app == 'db'", []v3.Rule{ct.From(v3.Allow, "app == 'web'")}
		}))
	r := preview.Compare(from, to)
	var got []string
	for _, c := range r.Changes {
		got = append(got, fmt.Sprintf("%s -> %s: %s -> %s %s %d", c.Before.Verdict, c.After.Verdict, c.From.Text, c.To.Text, c.Service, c.Pairs))
	}
	const deny = "allow -> deny: all 1000 endpoints, outside -> all of shop7 (40) all 40000"
	if len(got) != 2 || got[0] != deny || !strings.Contains(got[1], "-> shop3 app=db (20) all") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if r.Endpoints != 1000 || !slices.Equal(r.Notes(), nil) {
		t.Errorf("%d endpoints, %q", r.Endpoints, r.Notes())
	}
	if pairs := preview.Compare(from, from.With(ct.Policy("shop3/open", func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{{Action: v3.Allow}} }))); len(pairs.Changes) != 0 {
		t.Errorf("a policy that allows everything changes %+v", pairs.Changes)
	}
}

// BenchmarkCompare compares 10,000 endpoints before and after a policy for all of them.
func BenchmarkCompare(b *testing.B) {
	from := cluster.New(shops(250, 20))
	to := from.With(ct.GlobalPolicy("deny", func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.Ingress = "app == 'db'", []v3.Rule{ct.From(v3.Allow, "app == 'web'")}
	}))
	for b.Loop() {
		if len(preview.Compare(from, to).Changes) == 0 {
			b.Fatal("nothing changes")
		}
	}
}
