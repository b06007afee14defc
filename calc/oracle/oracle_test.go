// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/policy/eval"
)

// cluster is the protect-database example: only the backend reaches the database, on TCP 5432.
func cluster(more ...api.Object) *oracle.Cluster {
	port := ct.ToPort(v3.Allow, intstr.FromInt32(5432))
	port.Source = &v3.EntityRule{Selector: "app == 'backend'"}
	objects := append([]api.Object{
		ct.Namespace("shop", nil), ct.ServiceAccount("shop/default", nil),
		ct.Node("n1", nil, "192.0.2.1/24", "2001:db8::1/64"), ct.Node("n2", nil, "192.0.2.2/24", ""),
		ct.Endpoint("shop/db", "n1", ct.Labels{"app": "database"}, "10.65.0.1", "fd00:65::1"),
		ct.Endpoint("shop/backend", "n2", ct.Labels{"app": "backend"}, "10.65.1.1", "fd00:65:1::1"),
		ct.Endpoint("shop/web", "n1", ct.Labels{"app": "web"}, "10.65.0.2"),
		ct.Policy("shop/protect-db", func(s *v3.NetworkPolicySpec) {
			s.Selector, s.Ingress = "app == 'database'", []v3.Rule{port}
		}),
		ct.Policy("shop/lock-web", func(s *v3.NetworkPolicySpec) { s.Selector, s.Types = "app == 'web'", []v3.PolicyType{v3.Egress} }),
	}, more...)
	var versions []oracle.Version
	for _, obj := range objects {
		versions = append(versions, oracle.Version{Object: obj})
	}
	return oracle.New(versions)
}

func packet(src, dst string, port uint16) eval.Packet {
	return eval.Packet{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Protocol: 6, SrcPort: 40000, DstPort: port}
}

func TestJudge(t *testing.T) {
	c := cluster()
	cases := map[string]struct {
		packet  eval.Packet
		allowed bool
		text    string // in the explanation
	}{
		"backend to database":               {packet("10.65.1.1", "10.65.0.1", 5432), true, "NetworkPolicy shop/protect-db: rule 0"},
		"over IPv6":                         {packet("fd00:65:1::1", "fd00:65::1", 5432), true, "NetworkPolicy shop/protect-db: rule 0"},
		"mapped address":                    {packet("::ffff:10.65.1.1", "10.65.0.1", 5432), true, "egress at workload shop/n2-k8s-backend-eth0"},
		"another port":                      {packet("10.65.1.1", "10.65.0.1", 22), false, "ingress at workload shop/n1-k8s-db-eth0"},
		"web to database":                   {packet("10.65.0.2", "10.65.0.1", 5432), false, "egress at workload shop/n1-k8s-web-eth0"},
		"database to backend, not isolated": {packet("10.65.0.1", "10.65.1.1", 80), true, "Profile kns.shop: rule 0"},
		"outside to database":               {packet("198.51.100.1", "10.65.0.1", 5432), false, "ingress at"},
		"outside to backend":                {packet("198.51.100.1", "10.65.1.1", 80), true, "ingress at"},
		"web to outside":                    {packet("10.65.0.2", "198.51.100.1", 80), false, "egress at"},
		"own node to database":              {packet("192.0.2.1", "10.65.0.1", 22), true, "the node may always talk to its workloads"},
		"own node over IPv6":                {packet("2001:db8::1", "fd00:65::1", 22), true, "the node may always talk to its workloads"},
		"other node to database":            {packet("192.0.2.2", "10.65.0.1", 22), false, "ingress at"},
		"database to its node":              {packet("10.65.0.1", "192.0.2.1", 80), false, "defaultEndpointToHostAction Drop"},
		"database to another node":          {packet("10.65.0.1", "192.0.2.2", 80), true, "egress at"},
		"web to itself":                     {packet("10.65.0.2", "10.65.0.2", 80), true, "to itself"},
		"outside to outside":                {packet("198.51.100.1", "198.51.100.2", 80), true, "allowed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j, err := c.Judge(tc.packet)
			if err != nil {
				t.Fatal(err)
			}
			if j.Allowed() != tc.allowed || !strings.Contains(j.String(), tc.text) {
				t.Errorf("want allowed %t with %q, got %s", tc.allowed, tc.text, j)
			}
		})
	}
}

// TestJudgeHostEndpoints: policy in front of nodes, by the sorts that there are.
func TestJudgeHostEndpoints(t *testing.T) {
	yes := true
	guard := func(name string, edit func(*v3.GlobalNetworkPolicySpec)) api.Object {
		return ct.GlobalPolicy(name, func(s *v3.GlobalNetworkPolicySpec) {
			s.Selector, s.Types, s.Ingress = "has(host)", []v3.PolicyType{v3.Ingress}, []v3.Rule{ct.ToPort(v3.Allow, intstr.FromInt32(443))}
			edit(s)
		})
	}
	host := func(link string, addrs ...string) api.Object {
		h := ct.HostEndpoint("n1-host", "n1", ct.Labels{"host": "yes"}, addrs...)
		h.Spec.InterfaceName, h.Spec.Profiles = link, []string{"projectcalico-default-allow"}
		return h
	}
	normal := guard("normal", func(*v3.GlobalNetworkPolicySpec) {})
	forward := guard("forward", func(s *v3.GlobalNetworkPolicySpec) { s.ApplyOnForward = &yes })
	outwards := ct.GlobalPolicy("outwards", func(s *v3.GlobalNetworkPolicySpec) {
		s.Selector, s.Types, s.ApplyOnForward, s.Egress = "has(host)", []v3.PolicyType{v3.Egress}, &yes, []v3.Rule{ct.ToPort(v3.Allow, intstr.FromInt32(443))}
	})
	deny := func(s *v3.GlobalNetworkPolicySpec) {
		s.ApplyOnForward, s.Ingress = &yes, []v3.Rule{ct.ToPort(v3.Deny, intstr.FromInt32(80))}
	}
	early := guard("early", func(s *v3.GlobalNetworkPolicySpec) { deny(s); s.PreDNAT = &yes })
	untracked := guard("untracked", func(s *v3.GlobalNetworkPolicySpec) { deny(s); s.DoNotTrack = &yes })
	toNode := func(port uint16) eval.Packet { return packet("198.51.100.1", "192.0.2.1", port) }
	toBackend := func(port uint16) eval.Packet { return packet("10.65.0.1", "10.65.1.1", port) } // from a workload of the node to another node
	toDatabase := func(port uint16) eval.Packet { return packet("10.65.1.1", "10.65.0.1", port) }
	cases := map[string]struct {
		objects         []api.Object
		allowed, denied []eval.Packet
	}{
		"none":                     {nil, []eval.Packet{toNode(80)}, nil},
		"by name":                  {[]api.Object{host("eth0"), normal}, []eval.Packet{toNode(443), toBackend(80)}, []eval.Packet{toNode(80)}},
		"of another interface":     {[]api.Object{host("eth1"), normal}, []eval.Packet{toNode(80)}, nil},
		"by address":               {[]api.Object{host("", "192.0.2.1"), normal}, []eval.Packet{toNode(443)}, []eval.Packet{toNode(80)}},
		"any":                      {[]api.Object{host("*"), normal}, []eval.Packet{toNode(443)}, []eval.Packet{toNode(80)}},
		"failsafe ports":           {[]api.Object{host("eth0"), normal}, []eval.Packet{toNode(22)}, nil},
		"forwarded in":             {[]api.Object{host("eth0"), forward}, []eval.Packet{toNode(443), toBackend(80)}, []eval.Packet{toDatabase(5432)}},
		"forwarded out":            {[]api.Object{host("eth0"), outwards}, []eval.Packet{toBackend(443), toDatabase(5432)}, []eval.Packet{toBackend(80)}},
		"forwarded by any":         {[]api.Object{host("*"), outwards}, []eval.Packet{toBackend(443)}, []eval.Packet{toBackend(80), toDatabase(5432)}},
		"before NAT":               {[]api.Object{host("eth0"), early}, []eval.Packet{toNode(443), toDatabase(5432)}, []eval.Packet{toNode(80)}},
		"before tracking":          {[]api.Object{host("eth0"), untracked}, []eval.Packet{toNode(443), toDatabase(5432)}, []eval.Packet{toNode(80)}},
		"before tracking, for any": {[]api.Object{host("*"), untracked}, []eval.Packet{toNode(80)}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := cluster(tc.objects...)
			c.Links = map[string][]calc.Link{"n1": {
				{Name: "eth1", Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}}, {Name: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
			}}
			if len(c.Refused) > 0 {
				t.Fatal(c.Refused)
			}
			for allowed, packets := range map[bool][]eval.Packet{true: tc.allowed, false: tc.denied} {
				for _, p := range packets {
					if j, err := c.Judge(p); err != nil || j.Allowed() != allowed {
						t.Errorf("%v: want allowed %t: %v %v", p, allowed, j, err)
					}
				}
			}
		})
	}
}

func TestJudgeInParallel(t *testing.T) {
	c := cluster()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if j, err := c.Judge(packet("10.65.1.1", "10.65.0.1", 5432)); err != nil || !j.Allowed() {
				t.Error(j, err)
			}
		})
	}
	wg.Wait()
}

func TestRefused(t *testing.T) {
	bad := ct.Policy("shop/bad", func(s *v3.NetworkPolicySpec) { s.Selector = "app = 'database'" })
	c := cluster(bad)
	if err := c.Refused[api.KeyOf(bad)]; err == nil || !strings.Contains(err.Error(), "spec.selector") {
		t.Errorf("the bad policy: %v", err)
	}
	if len(c.Refused) != 1 {
		t.Errorf("refused: %v", c.Refused)
	}
}
