// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/why"
)

// TestChangesAllow applies what is proposed for denied flows of random clusters: then they are allowed, and the answer says so.
func TestChangesAllow(t *testing.T) {
	denied, helped, hosts := 0, 0, 0
	for seed := range uint64(80) {
		c := cluster.New(objectsAfter(ct.Walk(seed, 60)))
		r := rand.New(rand.NewPCG(seed, 9))
		for range 10 {
			src, dst := randomPod(r), randomPod(r)
			service := why.Service{Protocol: []uint8{6, 17, 1}[r.IntN(3)]}
			if service.Protocol != 1 {
				service.Port = uint16(80 + r.IntN(2))
			}
			a, err := why.Ask(c, src, dst, service)
			if err != nil || a.Verdict == why.Allow || strings.Contains(a.Egress.Reason+a.Ingress.Reason, "not in force") {
				continue // a pod that is not there; or no policy to change
			}
			denied++
			if len(a.Changes) == 0 {
				continue
			}
			helped++
			after := c
			for _, change := range a.Changes {
				after = after.With(change.Object)
			}
			b, err := why.Ask(after, src, dst, service)
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range a.Changes {
				if end := map[string]why.End{"egress": b.Egress, "ingress": b.Ingress}[change.End]; end.Verdict != why.Allow {
					t.Errorf("seed %d, %s to %s %+v is still denied after %+v: %+v", seed, src, dst, service, a.Changes, b)
				}
				if a.Egress.HostEndpoint+a.Ingress.HostEndpoint != "" {
					hosts++
				}
			}
		}
	}
	if denied < 50 || helped < denied*8/10 || hosts == 0 {
		t.Errorf("%d of %d denied flows have a proposal, %d of them behind host endpoints", helped, denied, hosts)
	}
}

func randomPod(r *rand.Rand) string {
	return fmt.Sprintf("%s/p%d", []string{"a", "b"}[r.IntN(2)], r.IntN(3))
}

// objectsAfter returns what is there at the end of a walk.
func objectsAfter(steps []ct.Step) []api.Object {
	left := map[api.Key]api.Object{}
	for _, step := range steps {
		for _, change := range step.Changes {
			delete(left, change.Key)
			if change.Object != nil {
				left[change.Key] = change.Object
			}
		}
	}
	var out []api.Object
	for _, obj := range left {
		out = append(out, obj)
	}
	return out
}

// TestChangesAtBothEnds puts both rules into the one policy that isolates both ends.
func TestChangesAtBothEnds(t *testing.T) {
	both := ct.Policy("shop/both", func(s *v3.NetworkPolicySpec) {
		s.Selector, s.Types = "has(app)", []v3.PolicyType{v3.Ingress, v3.Egress}
		s.Egress = []v3.Rule{{Action: v3.Deny}}
	})
	c := cluster.New([]api.Object{ct.Namespace("shop", nil), ct.ServiceAccount("shop/default", nil), both,
		ct.Endpoint("shop/web", "n1", ct.Labels{"app": "web", "pod-template-hash": "abc"}, "10.65.0.1"), ct.Endpoint("shop/db", "n1", ct.Labels{"app": "db"}, "10.65.0.2")})
	a, err := why.Ask(c, "shop/web", "shop/db", why.Service{Port: 80})
	if err != nil || len(a.Changes) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	out, in := a.Changes[0], a.Changes[1]
	if out.Direction != "egress" || out.Position != 0 || in.Direction != "ingress" || in.New {
		t.Errorf("%+v, %+v", out, in)
	}
	spec := in.Object.(*v3.NetworkPolicy).Spec // has the first change, too
	if len(spec.Egress) != 2 || spec.Egress[0].Destination.Selector != "app == 'db'" || len(spec.Ingress) != 1 || spec.Ingress[0].Source.Selector != "app == 'web'" {
		t.Errorf("%+v", spec)
	}
	if b, err := why.Ask(c.With(in.Object), "shop/web", "shop/db", why.Service{Port: 80}); err != nil || b.Verdict != why.Allow {
		t.Errorf("%+v, %v", b, err)
	}
	if b, err := why.Ask(c.With(in.Object), "shop/web", "shop/db", why.Service{Port: 81}); err != nil || b.Verdict != why.Deny {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestChangeOfAdminPolicy puts a rule before the one of an administrator that denies.
func TestChangeOfAdminPolicy(t *testing.T) {
	deny := &clusterpolicy.ClusterNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "shut"}, Spec: clusterpolicy.ClusterNetworkPolicySpec{
		Tier: clusterpolicy.TierAdmin, Subject: clusterpolicy.PolicySubject{Namespaces: &metav1.LabelSelector{}},
		Ingress: []clusterpolicy.ClusterIngressRule{{Action: clusterpolicy.Deny, From: []clusterpolicy.IngressPeer{{Namespaces: &metav1.LabelSelector{}}}}},
	}}
	ns := ct.Namespace("shop", ct.Labels{"kubernetes.io/metadata.name": "shop"})
	c := cluster.New([]api.Object{ns, ct.ServiceAccount("shop/default", nil), deny,
		ct.Endpoint("shop/web", "n1", ct.Labels{"app": "web"}, "10.65.0.1"), ct.Endpoint("shop/db", "n1", ct.Labels{"app": "db"}, "10.65.0.2")})
	a, err := why.Ask(c, "shop/web", "shop/db", why.Service{Port: 80})
	if err != nil || len(a.Changes) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	p, ok := a.Changes[0].Object.(*clusterpolicy.ClusterNetworkPolicy)
	if !ok || len(p.Spec.Ingress) != 2 || p.Spec.Ingress[0].Action != clusterpolicy.Accept || a.Changes[0].Position != 0 {
		t.Errorf("%+v", a.Changes[0])
	}
}
