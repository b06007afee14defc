// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why_test

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/why"
)

// exposedCluster has a database on n1 with a floating IP and a host port, open for clients on port 5432, and a client on either node that may send to
// the database alone.
func exposedCluster() *cluster.Cluster {
	db := ct.Endpoint("shop/db", "n1", ct.Labels{"app": "db"}, "10.65.0.9")
	db.Spec.IPNATs = []v3.IPNAT{{InternalIP: "10.65.0.9", ExternalIP: "198.51.100.9"}}
	db.Spec.Ports = []v3.WorkloadEndpointPort{{Name: "sql", Protocol: intstr.FromString("TCP"), Port: 5432, HostPort: new(uint16(15432))}}
	tcp := intstr.FromString("TCP")
	enabled := "Enabled"
	return cluster.New([]api.Object{
		ct.Node("n1", nil, "192.0.2.1/24", ""), ct.Node("n2", nil, "192.0.2.2/24", ""), ct.Namespace("shop", nil), db,
		ct.Endpoint("shop/near", "n1", ct.Labels{"app": "client"}, "10.65.0.10"), ct.Endpoint("shop/far", "n2", ct.Labels{"app": "client"}, "10.65.1.10"),
		ct.Policy("shop/db", func(s *v3.NetworkPolicySpec) {
			s.Selector = "app == 'db'"
			s.Types = []v3.PolicyType{v3.Ingress}
			s.Ingress = []v3.Rule{{Action: v3.Allow, Protocol: &tcp, Source: &v3.EntityRule{Selector: "app == 'client'"},
				Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt32(5432)}}}}
		}),
		ct.Policy("shop/client", func(s *v3.NetworkPolicySpec) {
			s.Selector = "app == 'client'"
			s.Types = []v3.PolicyType{v3.Egress}
			s.Egress = []v3.Rule{{Action: v3.Allow, Destination: &v3.EntityRule{Selector: "app == 'db'"}}}
		}),
		&v3.FelixConfiguration{ObjectMeta: v3.ObjectMeta{Name: "default"}, Spec: v3.FelixConfigurationSpec{FelixNAT: v3.FelixNAT{FloatingIPs: &enabled}}},
	})
}

// TestTranslatedDestinations asks about a workload by its floating IP and its host port: policy is asked behind the translation, which the answer names.
func TestTranslatedDestinations(t *testing.T) {
	c := exposedCluster()
	for _, tc := range []struct {
		src, dst        string
		egress, ingress why.Verdict
		by              string // the translation
	}{
		{"shop/near", "198.51.100.9:5432", why.Allow, why.Allow, "floating IP 198.51.100.9: node n1 translates it to 10.65.0.9"},
		{"shop/near", "198.51.100.9:sql", why.Allow, why.Allow, "floating IP 198.51.100.9"},
		{"shop/near", "198.51.100.9:5433", why.Allow, why.Deny, "floating IP 198.51.100.9"},
		{"shop/far", "198.51.100.9:5432", why.Deny, why.Allow, "floating IP 198.51.100.9"}, // its node does not know whose the address is
		{"203.0.113.5", "198.51.100.9:5432", why.Allow, why.Deny, "floating IP 198.51.100.9"},
		{"203.0.113.5", "192.0.2.1:15432", why.Allow, why.Deny, "host port 192.0.2.1:15432: node n1 translates it to 10.65.0.9:5432"},
		{"shop/near", "n1:15432/tcp", why.Allow, why.Allow, "host port 192.0.2.1:15432"},
		{"shop/near", "n1:15432/udp", why.Deny, why.Deny, ""},
		{"shop/near", "n1:5432", why.Deny, why.Deny, ""},
		{"shop/near", "n2:15432", why.Deny, why.Allow, ""}, // not the database's node
		{"shop/near", "shop/db:5432", why.Allow, why.Allow, ""},
	} {
		name, service, err := why.ParseDestination(tc.dst)
		if err != nil {
			t.Fatal(err)
		}
		a, err := why.Ask(c, tc.src, name, service)
		if err != nil {
			t.Fatalf("%s to %s: %v", tc.src, tc.dst, err)
		}
		var text strings.Builder
		if err := a.Write(&text); err != nil {
			t.Fatal(err)
		}
		if a.Egress.Verdict != tc.egress || a.Ingress.Verdict != tc.ingress || (a.Translation != nil) != (tc.by != "") || !strings.Contains(text.String(), tc.by) {
			t.Errorf("%s to %s: want %s, %s, by %q:\n%s", tc.src, tc.dst, tc.egress, tc.ingress, tc.by, &text)
		}
		if tc.by == "" {
			continue
		}
		data, err := json.Marshal(a)
		if err != nil || !strings.Contains(string(data), `"translation":{"kind":"`) || a.Destination.Name != "shop/db" {
			t.Errorf("%s to %s: %s, %v", tc.src, tc.dst, data, err)
		}
	}
}

// TestAskKernelsBehindTranslations: the node that translates knows the connection by the workload's address, that of the client by the one it is sent to.
func TestAskKernelsBehindTranslations(t *testing.T) {
	for dst, want := range map[string][2]string{
		"198.51.100.9:5432": {"10.65.1.10 to 198.51.100.9 protocol 6 port 5432", "10.65.1.10 to 10.65.0.9 protocol 6 port 5432"},
		"198.51.100.9":      {"10.65.1.10 to 198.51.100.9 protocol 6 port 0", "10.65.1.10 to 10.65.0.9 protocol 6 port 0"},
		"n1:15432":          {"10.65.1.10 to 192.0.2.1 protocol 6 port 15432", "10.65.1.10 to 10.65.0.9 protocol 6 port 5432"},
		"shop/db:5432":      {"10.65.1.10 to 10.65.0.9 protocol 6 port 5432", "10.65.1.10 to 10.65.0.9 protocol 6 port 5432"},
	} {
		name, service, err := why.ParseDestination(dst)
		if err != nil {
			t.Fatal(err)
		}
		a, err := why.Ask(exposedCluster(), "shop/far", name, service)
		if err != nil {
			t.Fatal(err)
		}
		a.AskKernels(t.Context(), func(string) (why.Agent, error) { return kernelOf{}, nil })
		if got := [2]string{a.Egress.Kernel.Connections[0], a.Ingress.Kernel.Connections[0]}; got != want {
			t.Errorf("%s: n2 and n1 are asked for %q; want %q", dst, got, want)
		}
	}
}

// TestOutgoing asks about a client whose packets leave the IP pools for a host port: the database's node sees the client's node in place of the client, so
// a rule for the client does not mean them; the answer says so, asks that node's kernel for what it sees, and proposes a rule that helps.
func TestOutgoing(t *testing.T) {
	pool := &v3.IPPool{ObjectMeta: metav1.ObjectMeta{Name: "pods"}, Spec: v3.IPPoolSpec{CIDR: "10.65.0.0/16", NATOutgoing: new(true)}}
	c := exposedCluster().With(pool).With(ct.Endpoint("shop/free", "n2", ct.Labels{"app": "client", "free": ""}, "10.65.1.11")).
		With(ct.Policy("shop/client", func(s *v3.NetworkPolicySpec) { s.Selector = "app == 'client' && !has(free)" }))
	for dst, want := range map[string]struct {
		verdict why.Verdict
		asked   [2]string // of n2 and n1
	}{
		"n1:15432":     {why.Deny, [2]string{"10.65.1.11 to 192.0.2.1 protocol 6 port 15432", "192.0.2.2 to 10.65.0.9 protocol 6 port 5432"}},
		"shop/db:5432": {why.Allow, [2]string{"10.65.1.11 to 10.65.0.9 protocol 6 port 5432", "10.65.1.11 to 10.65.0.9 protocol 6 port 5432"}},
	} {
		name, service, err := why.ParseDestination(dst)
		if err != nil {
			t.Fatal(err)
		}
		a, err := why.Ask(c, "shop/free", name, service)
		if err != nil {
			t.Fatal(err)
		}
		a.AskKernels(t.Context(), func(string) (why.Agent, error) { return kernelOf{}, nil })
		said := strings.Contains(strings.Join(a.Notes, "\n"), "node n2 gives them the source 192.0.2.2 (natOutgoing): that is what node n1 sees")
		asked := [2]string{a.Egress.Kernel.Connections[0], a.Ingress.Kernel.Connections[0]}
		if a.Egress.Verdict != why.Allow || a.Ingress.Verdict != want.verdict || asked != want.asked || said != (want.verdict == why.Deny) {
			t.Errorf("%s: %s, %s, asked for %q, %q", dst, a.Egress.Verdict, a.Ingress.Verdict, asked, a.Notes)
		}
		if a.Verdict == why.Allow {
			continue
		}
		if d := a.Ingress.Nearest.Differs; len(d) != 1 || d[0] != "not the source: 192.0.2.2 in place of shop/free" || len(a.Changes) != 1 {
			t.Fatalf("%s: differs %q; proposed: %+v", dst, d, a.Changes)
		}
		if b, err := why.Ask(c.With(a.Changes[0].Object), "shop/free", name, service); err != nil || b.Verdict != why.Allow {
			t.Errorf("%s: after %+v: %+v, %v", dst, a.Changes[0], b, err)
		}
	}
}
