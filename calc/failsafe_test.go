// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
)

// hostRules is a policy for ingress of host endpoints.
func hostRules(name string, rules ...v3.Rule) *v3.GlobalNetworkPolicy {
	return ct.GlobalPolicy(name, func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.Types, s.Ingress = "role == 'host'", []v3.PolicyType{v3.Ingress}, rules
	})
}

func toPorts(r v3.Rule, ports ...int) v3.Rule {
	tcp := intstr.FromString("TCP")
	r.Protocol = &tcp
	if r.Destination == nil {
		r.Destination = &v3.EntityRule{}
	}
	for _, port := range ports {
		r.Destination.Ports = append(r.Destination.Ports, intstr.FromInt(port))
	}
	return r
}

// TestFailsafeNotices: whoever closes failsafe ports to everybody is told that they stay open; who lets in anybody at all is left alone.
func TestFailsafeNotices(t *testing.T) {
	open := hostEndpoint("h", "eth0")
	open.Spec.Profiles = []string{"projectcalico-default-allow"}
	none := &v3.FelixConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}}
	none.Spec.FailsafeInboundHostPorts, none.Spec.FailsafeOutboundHostPorts = []v3.ProtoPort{}, []v3.ProtoPort{}
	one := &v3.FelixConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}}
	one.Spec.FailsafeInboundHostPorts = []v3.ProtoPort{{Protocol: "TCP", Port: 22, Net: "10.9.0.0/16"}, {Protocol: "UDP", Port: 68}}
	one.Spec.FailsafeOutboundHostPorts = none.Spec.FailsafeOutboundHostPorts
	fromNet := func(net string) v3.Rule {
		return v3.Rule{Action: v3.Allow, Source: &v3.EntityRule{Nets: []string{net}}}
	}
	admins := ct.NetworkSet("prod/admins", ct.Labels{"who": "admins"}, "192.0.2.0/24")
	fromAdmins := v3.Rule{Action: v3.Allow, Source: &v3.EntityRule{Selector: "who == 'admins'", NamespaceSelector: "all()"}}
	const inDefault = "TCP 22, TCP 179, TCP 2379, TCP 2380, TCP 5473, TCP 6443, TCP 6666, TCP 6667, UDP 68;"
	for name, c := range map[string]struct {
		objects []api.Object
		want    []string // object: part of the reason
	}{
		"open":         {[]api.Object{open}, nil},
		"no failsafes": {[]api.Object{open, none, hostRules("deny", v3.Rule{Action: v3.Deny})}, nil},
		"no policy": {[]api.Object{hostEndpoint("h", "eth0")},
			[]string{"hostendpoints.projectcalico.org h: for egress TCP 179, ", "hostendpoints.projectcalico.org h: for ingress " + inDefault}},
		"a rule denies": {[]api.Object{open, hostRules("deny", v3.Rule{Action: v3.Deny})}, []string{"globalnetworkpolicies.projectcalico.org deny: would close host endpoint h for ingress " + inDefault}},
		"SSH alone":     {[]api.Object{open, hostRules("ssh", toPorts(v3.Rule{Action: v3.Allow}, 22))}, []string{"ssh: for ingress TCP 179, "}},
		"isolated by two": {[]api.Object{open, hostRules("a", fromNet("192.0.2.0/24")), hostRules("b", toPorts(v3.Rule{Action: v3.Deny}, 22))},
			nil}, // a comes first and lets someone in
		"the first denies": {[]api.Object{open, hostRules("a", toPorts(v3.Rule{Action: v3.Deny}, 22)), hostRules("b", fromNet("192.0.2.0/24"))},
			[]string{"a: for ingress TCP 22;"}},
		"a set is let in":     {[]api.Object{open, admins, hostRules("set", fromAdmins)}, nil},
		"the set is empty":    {[]api.Object{open, hostRules("set", fromAdmins)}, []string{"set: for ingress " + inDefault}},
		"only of a net":       {[]api.Object{open, one, hostRules("net", toPorts(fromNet("10.9.1.0/24"), 22))}, []string{"net: for ingress UDP 68;"}},
		"not of that net":     {[]api.Object{open, one, hostRules("net", toPorts(fromNet("192.0.2.0/24"), 22))}, []string{"net: for ingress TCP 22 of 10.9.0.0/16, UDP 68;"}},
		"one of another node": {[]api.Object{ct.HostEndpoint("other", "n9", nil)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := apply(c.objects...).Notices()
			if len(got) != len(c.want) {
				t.Fatalf("notices %v, want %q", got, c.want)
			}
			for i, n := range got {
				key, reason, _ := strings.Cut(c.want[i], ": ")
				if !strings.HasSuffix(n.Key.String(), key) || !strings.Contains(n.Reason, reason) || !strings.Contains(n.Reason, "failsafe ports stay open") {
					t.Errorf("notice %+v, want %q", n, c.want[i])
				}
			}
		})
	}
}
