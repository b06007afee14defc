// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
)

// TestSourceNAT: the sets are there while a pool asks for translation, and a pool or a node more changes them by one member.
func TestSourceNAT(t *testing.T) {
	pool := func(name, cidr string, nat bool) api.Object {
		p := ct.Pool(name, cidr)
		p.Spec.NATOutgoing, p.Spec.Disabled = &nat, &nat // a disabled pool counts
		return p
	}
	config := func(edit func(*v3.FelixConfigurationSpec)) api.Object { return ct.FelixConfig("default", edit) }
	g := calc.New(ct.Me)
	for _, step := range []struct {
		what                      string
		obj                       api.Object
		settings, sources, inside string
	}{
		{"a pool without", pool("a", "10.65.0.0/16", false), "{  invalid IP 0 0 }", "none", "none"},
		{"a pool with", pool("b", "10.66.0.0/16", true), "{natsources natinside invalid IP 0 0 }", "[10.66.0.0/16]", "[10.65.0.0/16 10.66.0.0/16]"},
		{"a node", ct.Node("n2", nil, "192.0.2.2/24", "2001:db8::2/64"), "{natsources natinside invalid IP 0 0 }", "[10.66.0.0/16]", "[10.65.0.0/16 10.66.0.0/16]"},
		{"hosts inside", config(func(s *v3.FelixConfigurationSpec) {
			inside, address, ports, link := "IPPoolsAndHostIPs", "192.0.2.9", intstr.FromString("1024:2047"), "eth+"
			s.NATOutgoingExclusions, s.NATOutgoingAddress, s.NATPortRange, s.IPTablesNATOutgoingInterfaceFilter = &inside, &address, &ports, &link
		}), "{natsources natinside 192.0.2.9 1024 2047 eth+}", "[10.66.0.0/16]", "[10.65.0.0/16 10.66.0.0/16 192.0.2.2 2001:db8::2]"},
		{"a pool of IPv6", pool("c", "fd00:65::/64", true), "{natsources natinside 192.0.2.9 1024 2047 eth+}", "[10.66.0.0/16 fd00:65::/64]",
			"[10.65.0.0/16 10.66.0.0/16 192.0.2.2 2001:db8::2 fd00:65::/64]"},
		{"the default", config(func(*v3.FelixConfigurationSpec) {}), "{natsources natinside invalid IP 0 0 }", "[10.66.0.0/16 fd00:65::/64]", "[10.65.0.0/16 10.66.0.0/16 fd00:65::/64]"},
		{"without again", pool("b", "10.66.0.0/16", false), "{natsources natinside invalid IP 0 0 }", "[fd00:65::/64]", "[10.65.0.0/16 10.66.0.0/16 fd00:65::/64]"},
		{"and none", pool("c", "fd00:65::/64", false), "{  invalid IP 0 0 }", "none", "none"},
	} {
		g.Apply(changes(step.obj))
		g.Flush()
		v := g.View()
		if got := fmt.Sprint(v.Settings().SourceNAT); got != step.settings {
			t.Errorf("%s: settings %s; want %s", step.what, got, step.settings)
		}
		for id, want := range map[string]string{"natsources": step.sources, "natinside": step.inside} {
			if got := membersOf(v, id); got != want {
				t.Errorf("%s: %s is %s; want %s", step.what, id, got, want)
			}
		}
	}
}

func membersOf(v desired.View, id string) string {
	for set := range v.IPSets() {
		if string(set.ID) == id {
			var out []desired.Member
			for m := range desired.Sorted(keyed(set.Members), desired.Member.Compare) {
				out = append(out, m)
			}
			return fmt.Sprint(out)
		}
	}
	return "none"
}

func keyed(set map[desired.Member]struct{}) map[desired.Member]desired.Member {
	out := map[desired.Member]desired.Member{}
	for m := range set {
		out[m] = m
	}
	return out
}

// TestExposed: of two that claim a floating IP or a host port the newer has it, with the route, and the other is told; the loopback address of IPv6 leads nowhere,
// and floating IPs wait for the setting.
func TestExposed(t *testing.T) {
	port := uint16(8080)
	claim := func(name, addr, hostIP string) *v3.WorkloadEndpoint {
		e := ct.Endpoint(name, ct.Me, nil, addr)
		e.Spec.Profiles = nil
		e.Spec.Ports = []v3.WorkloadEndpointPort{{Protocol: intstr.FromString("TCP"), Port: 80, HostPort: &port, HostIP: hostIP}}
		e.Spec.IPNATs = []v3.IPNAT{{InternalIP: addr, ExternalIP: "192.0.2.10"}}
		return e
	}
	one, two, local := claim("a/one", "10.65.0.1", ""), claim("a/two", "10.65.0.2", "0.0.0.0"), claim("a/local", "fd00:65::3", "::1")
	local.Spec.IPNATs = nil
	enabled := "Enabled"
	g := calc.New(ct.Me)
	put := func(revision uint64, obj api.Object) {
		g.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: revision}})
		g.Flush()
	}
	check := func(what, wantOne, wantTwo, link string, problems ...string) {
		t.Helper()
		for obj, want := range map[*v3.WorkloadEndpoint]string{one: wantOne, two: wantTwo} {
			e, ok := g.View().Endpoint(desired.EndpointID{Namespace: "a", Name: obj.Name})
			if got := ""; ok {
				if got = fmt.Sprint(e.FloatingIPs, e.HostPorts); got != want {
					t.Errorf("%s: %s has %s; want %s", what, obj.Name, got, want)
				}
			} else if want != "" {
				t.Errorf("%s: %s is missing", what, obj.Name)
			}
		}
		got := ""
		for r := range g.View().Routes() {
			if r.Dst.String() == "192.0.2.10/32" {
				got = r.Interface
			}
		}
		if got != link {
			t.Errorf("%s: the route to the floating IP is by %q; want %q", what, got, link)
		}
		expect(t, g, problems)
	}
	const portOne, portTwo = "[TCP 8080 to 10.65.0.1:80]", "[TCP 8080 to 10.65.0.2:80]"
	off := "spec.ipNATs: 192.0.2.10 does not lead here: floating IPs are not in use"
	put(1, one)
	check("not in use", "[] "+portOne, "", "", off)
	put(2, ct.FelixConfig("default", func(s *v3.FelixConfigurationSpec) { s.FloatingIPs = &enabled }))
	check("one", "[192.0.2.10 to 10.65.0.1] "+portOne, "", "calione")
	put(3, two)
	check("two", "[] []", "[192.0.2.10 to 10.65.0.2] "+portTwo, "calitwo",
		"spec.ipNATs: endpoint a/n1-k8s-two-eth0, which goes before it", "spec.ports: endpoint a/n1-k8s-two-eth0, which goes before it")
	put(4, one)
	check("one again", "[192.0.2.10 to 10.65.0.1] "+portOne, "[] []", "calione", "spec.ipNATs: endpoint a/n1-k8s-one-eth0", "spec.ports: endpoint a/n1-k8s-one-eth0")
	g.Apply(deletions(one))
	g.Flush()
	check("two alone", "", "[192.0.2.10 to 10.65.0.2] "+portTwo, "calitwo")
	g.Apply(deletions(two))
	put(5, local)
	check("loopback", "", "", "", "spec.ports: host port TCP [::1]:8080 to [fd00:65::3]:80 does not lead here: the kernel lets no packet from ::1 leave the host")
	if e, _ := g.View().Endpoint(desired.EndpointID{Namespace: "a", Name: local.Name}); len(e.HostPorts) > 0 {
		t.Errorf("::1 leads to a workload: %v", e.HostPorts)
	}
	local.Spec.IPNetworks, local.Spec.Ports[0].HostIP = []string{"10.65.0.3/32"}, "127.0.0.1"
	put(6, local)
	expect(t, g, nil)
	if e, _ := g.View().Endpoint(desired.EndpointID{Namespace: "a", Name: local.Name}); fmt.Sprint(e.HostPorts) != "[TCP 127.0.0.1:8080 to 10.65.0.3:80]" {
		t.Errorf("127.0.0.1 leads to %v", e.HostPorts)
	}
	g.Apply(deletions(local))
	one.Spec.IPNATs, two.Spec.IPNATs = nil, nil
	put(7, one)
	put(8, two)
	check("ports alone", "[] []", "[] "+portTwo, "", "spec.ports: endpoint a/n1-k8s-two-eth0, which goes before it")
}
