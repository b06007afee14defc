// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/weftnet/weft/policy/selector"
)

// podLabels are those of one pod: 20 pods a deployment, 50 deployments a namespace.
func podLabels(pod int) selector.Map {
	deployment, namespace := pod/20, pod/1000
	return selector.Map{
		"projectcalico.org/namespace":    fmt.Sprint("ns-", namespace),
		"projectcalico.org/orchestrator": "k8s",
		"app":                            fmt.Sprint("app-", deployment%50),
		"tier":                           []string{"web", "db", "cache"}[deployment%3],
		"pod-template-hash":              fmt.Sprintf("%08x", deployment*2654435761),
	}
}

// podSelectors are 2,000 policy and peer selectors: most of one app in one namespace, some of namespaces, some negative.
func podSelector(n, namespaces int) *selector.Selector {
	orchestrated := selector.Equal("projectcalico.org/orchestrator", "k8s")
	in := selector.And(orchestrated, selector.Equal("projectcalico.org/namespace", fmt.Sprint("ns-", n%namespaces)))
	switch {
	case n < 4:
		return selector.Not(selector.Has(fmt.Sprint("quarantine-", n)))
	case n%10 == 0:
		return selector.And(orchestrated, selector.Equal("pcns.team", fmt.Sprint("team-", n/10)))
	case n%10 == 1:
		return selector.And(in, selector.Has("app"))
	}
	return selector.And(in, selector.Equal("app", fmt.Sprint("app-", n%50)))
}

type podID struct{ Namespace, Name string }

func bigIndex(pods int) (x *Index[podID, string], ids []podID) {
	x = New(func(string, podID) {}, func(string, podID) {})
	namespaces := pods / 1000
	for n := range 2000 {
		s := podSelector(n, namespaces)
		x.UpdateSelector(s.ID(), s)
	}
	for n := range namespaces {
		x.UpdateParent(fmt.Sprint("kns.ns-", n), selector.Map{"pcns.team": fmt.Sprint("team-", n), "pcns.projectcalico.org/name": fmt.Sprint("ns-", n)})
	}
	for n := range pods {
		id := podID{fmt.Sprint("ns-", n/1000), fmt.Sprint("pod-", n)}
		x.UpdateItem(id, Labels(podLabels(n)), []string{fmt.Sprint("kns.ns-", n/1000)})
		ids = append(ids, id)
	}
	return x, ids
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkIndex(b *testing.B) {
	for _, pods := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			before := heap()
			x, ids := bigIndex(pods)
			bytes := float64(heap()-before) / float64(pods)
			b.Run("relabel", func(b *testing.B) {
				id, labels := ids[pods/2], podLabels(pods/2)
				parents := []string{"kns." + id.Namespace}
				other := selector.Map{"app": "app-1"}
				for k, v := range labels {
					if k != "app" {
						other[k] = v
					}
				}
				versions := [][]Label{Labels(other), Labels(labels)}
				for n := 0; b.Loop(); n++ {
					x.UpdateItem(id, versions[n%2], parents)
				}
				b.ReportMetric(bytes, "B/item")
			})
			b.Run("selector", func(b *testing.B) {
				s := selector.And(podSelector(7, pods/1000), selector.Has("tier"))
				for b.Loop() {
					x.UpdateSelector("new", s)
					x.DeleteSelector("new")
				}
			})
			b.Run("namespace", func(b *testing.B) { // 1,000 pods in 50 classes; one selector looks at the label
				for n := 0; b.Loop(); n++ {
					x.UpdateParent("kns.ns-3", selector.Map{"pcns.team": fmt.Sprint("team-", 3+n%2), "pcns.projectcalico.org/name": "ns-3"})
				}
			})
		})
	}
}
