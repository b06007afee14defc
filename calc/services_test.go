// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// TestServices follows the sets of one service in both directions: addresses for a source, addresses with ports for a destination.
func TestServices(t *testing.T) {
	from := v3.Rule{Action: v3.Allow, Source: &v3.EntityRule{Services: &v3.ServiceMatch{Name: "web"}}}
	policy := ct.Policy("prod/p", func(s *v3.NetworkPolicySpec) {
		s.Ingress, s.Egress = []v3.Rule{from}, []v3.Rule{ct.ToService(v3.Allow, "", "web")}
	})
	g := apply(append(base(), policy)...)
	web := rule.Service{Namespace: "prod", Name: "web"}
	members := func(ref rule.Set) string {
		set, ok := g.View().IPSet(ref.ID)
		if !ok || set.Kind != ref.Kind {
			t.Fatalf("set %v: %v", ref, set)
		}
		return fmt.Sprint(desired.DiffSets(nil, set).Added)
	}
	for _, step := range []struct {
		change      api.Object
		nets, ports string
	}{
		{nil, "[]", "[]"},
		{ct.Slice("prod/web-1", "prod/web", 80, "10.65.1.1"), "[10.65.1.1]", "[10.65.1.1 TCP 80]"},
		{ct.Slice("prod/web-2", "prod/web", 81, "10.65.1.1", "10.65.1.2"), "[10.65.1.1 10.65.1.2]", "[10.65.1.1 TCP 80 10.65.1.1 TCP 81 10.65.1.2 TCP 81]"},
		{ct.Slice("prod/web-1", "prod/web", 0, "10.65.1.3"), "[10.65.1.1 10.65.1.2 10.65.1.3]", "[10.65.1.1 TCP 81 10.65.1.2 TCP 81]"},
		{ct.Slice("prod/web-2", "prod/api", 81, "10.65.1.1", "10.65.1.2"), "[10.65.1.3]", "[]"},
		{ct.Slice("dev/web-1", "dev/web", 80, "10.65.1.9"), "[10.65.1.3]", "[]"},
	} {
		if step.change != nil {
			g.Apply(changes(step.change))
			g.Flush()
		}
		if nets, ports := members(rule.ServiceNets(web)), members(rule.ServicePorts(web)); nets != step.nets || ports != step.ports {
			t.Errorf("after %v: addresses %s, want %s; ports %s, want %s", step.change, nets, step.nets, ports, step.ports)
		}
	}
	bad := ct.Slice("prod/web-1", "prod/web", 80, "web.example.org")
	g.Apply(changes(bad))
	if d := g.Flush(); d != nil {
		t.Errorf("a bad slice has an effect: %s", ct.Describe(d))
	}
	if p := g.Problems(); len(p) != 1 || !strings.Contains(p[0].Reason, "web.example.org") {
		t.Errorf("problems %v", p)
	}
}
