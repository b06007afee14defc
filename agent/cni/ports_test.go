// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"fmt"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/netns/netnstest"
)

// mapping is a port mapping as a runtime states it.
type mapping = map[string]any

func hostPort(host, inside int, more ...any) mapping {
	m := mapping{"hostPort": host, "containerPort": inside}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// mapped is a container with port mappings.
func mapped(id string, ns *netns.NS, ports ...mapping) *libcni.RuntimeConf {
	rt := container(id, ns, pod(id)...)
	rt.CapabilityArgs = map[string]any{"portMappings": ports}
	return rt
}

// capable is a configuration of a plugin that is told of port mappings.
func (n *node) capable(extra string) *libcni.NetworkConfigList {
	return n.conf("1.1.0", strings.TrimSuffix(`"capabilities":{"portMappings":true},`+extra, ","))
}

// portsOf lists the host ports of a pod that are written down.
func (n *node) portsOf(pod string) []string {
	n.Helper()
	known, _, err := n.records.Load()
	must(n, err)
	var out []string
	for _, r := range known {
		for _, p := range r.Endpoint.Spec.Ports {
			if r.Endpoint.Spec.Pod == pod {
				out = append(out, fmt.Sprintf("%s to %d", hostPortText(p), p.Port))
			}
		}
	}
	return out
}

// TestPortMappings: they become ports of the endpoint, which outlive the agent and go with the container; what another has is refused.
func TestPortMappings(t *testing.T) {
	n := start(t, "")
	ns := netnstest.New(t)
	web := mapped("web", ns, hostPort(8080, 80), hostPort(8080, 81, "protocol", "UDP"), hostPort(53, 5353, "protocol", "udp", "hostIP", "192.0.2.1"))
	_, err := n.runtime.AddNetworkList(t.Context(), n.capable(""), web)
	must(t, err)
	want := "[TCP 8080 to 80 UDP 8080 to 81 UDP 53 of 192.0.2.1 to 5353]"
	if got := fmt.Sprint(n.portsOf("web")); got != want {
		t.Errorf("ports %s; want %s", got, want)
	}
	if _, err := n.runtime.AddNetworkList(t.Context(), n.capable(""), web); err != nil {
		t.Errorf("a repeated ADD: %v", err)
	}

	n.stop()
	n = start(t, n.dir)
	other := mapped("other", netnstest.New(t), hostPort(8080, 80))
	_, err = n.runtime.AddNetworkList(t.Context(), n.capable(""), other)
	expect(t, "a port that is taken", err, cniapi.CodeConfig, "TCP 8080", "shop/", "web", "container web")
	other = mapped("other", netnstest.New(t), hostPort(8080, 80, "protocol", "sctp"), hostPort(53, 53, "protocol", "udp", "hostIP", "192.0.2.2"))
	_, err = n.runtime.AddNetworkList(t.Context(), n.capable(""), other)
	must(t, err)

	must(t, n.runtime.DelNetworkList(t.Context(), n.capable(""), web))
	again := mapped("again", netnstest.New(t), hostPort(8080, 80))
	_, err = n.runtime.AddNetworkList(t.Context(), n.capable(""), again)
	must(t, err)
	for _, rt := range []*libcni.RuntimeConf{other, again} {
		must(t, n.runtime.DelNetworkList(t.Context(), n.capable(""), rt))
	}
	n.clean("port mappings")
}

// TestSandboxesPassPortsOn: a pod's new sandbox has the ports of the old one, which the runtime has not deleted yet.
func TestSandboxesPassPortsOn(t *testing.T) {
	n := start(t, "")
	for _, id := range []string{"old", "new"} {
		rt := mapped(id, netnstest.New(t), hostPort(8080, 80))
		rt.Args = pod("web")
		_, err := n.runtime.AddNetworkList(t.Context(), n.capable(""), rt)
		must(t, err)
	}
	if got := n.portsOf("web"); len(got) != 1 {
		t.Errorf("ports %v", got)
	}
}

func TestBadPortMappings(t *testing.T) {
	n := start(t, "")
	for _, c := range []struct {
		ports []mapping
		words []string
	}{
		{[]mapping{hostPort(0, 80)}, []string{"portMappings[0]", "hostPort 0", "1 to 65535"}},
		{[]mapping{hostPort(80, 65536)}, []string{"containerPort 65536"}},
		{[]mapping{hostPort(80, 80, "protocol", "icmp")}, []string{`"icmp"`, "tcp, udp or sctp"}},
		{[]mapping{hostPort(80, 80, "hostIP", "here")}, []string{"hostIP", "here"}},
		{[]mapping{hostPort(80, 80, "hostIP", "::1")}, []string{"hostIP ::1: the kernel lets no packet from there leave the host; write 127.0.0.1"}},
		{[]mapping{hostPort(80, 80, "hostIP", "2001:db8::1")}, []string{"no address of that family"}},
		{[]mapping{hostPort(80, 80), hostPort(80, 81, "hostIP", "192.0.2.1")}, []string{"portMappings[1]", "listed before"}},
	} {
		_, err := n.runtime.AddNetworkList(t.Context(), n.capable(""), mapped("bad", netnstest.New(t), c.ports...))
		expect(t, fmt.Sprint(c.ports), err, cniapi.CodeConfig, c.words...)
	}
	n.clean("bad port mappings")
}

func TestOverlap(t *testing.T) {
	at := func(ip string) v3.WorkloadEndpointPort {
		p, err := portMapping{HostPort: 80, ContainerPort: 80, HostIP: ip}.port()
		must(t, err)
		return p
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"", "192.0.2.1", true}, {"0.0.0.0", "192.0.2.1", true}, {"::", "192.0.2.1", false}, {"::", "0.0.0.0", false},
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false}, {"::", "2001:db8::1", true},
	} {
		if overlap(at(c.a), at(c.b)) != c.want || overlap(at(c.b), at(c.a)) != c.want {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.want)
		}
	}
}
