// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weftnet/weft/ctl/why"
	"github.com/weftnet/weft/lab/probe"
)

// edge is a host endpoint at the uplink of n2, where shop/backend runs.
const edge = `{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n2-uplink, labels: {role: edge}},
  spec: {node: n2, interfaceName: eth0, profiles: [projectcalico-default-allow]}}`

// blocked is a flow that a policy of the host endpoint must stop, and the place that does.
type blocked struct {
	src, dst string
	service  probe.Service
	end      string // "egress" or "ingress"
	hook     why.Hook
	rule     string
}

var (
	tcp5432 = probe.Service{Protocol: probe.TCP, Port: 5432}
	udp5432 = probe.Service{Protocol: probe.UDP, Port: 5432}
	icmp    = probe.Service{Protocol: probe.ICMP}
)

// TestWhyAtHostEndpoints sends packets through a host endpoint with each sort of policy, and holds against them what `weft why` says of the datastore and of
// the same objects in a file: the verdict of every flow, and for those that the host endpoint stops at which end, by which hook, tier, policy and rule.
func TestWhyAtHostEndpoints(t *testing.T) {
	c := up(t, "whyhosts", 2)
	c.add("n1", "frontend", "frontend")
	c.add("n2", "backend", "backend")
	c.add("n2", "database", "database")
	c.manifest(edge)
	const deny, rest = "{action: Deny, protocol: TCP, destination: {ports: [5432]}}", "{action: Allow}"
	for _, tc := range []struct {
		name, spec string
		stops      []blocked
		passes     []blocked // as they are written, but for the verdict
	}{
		{
			name: "own", spec: "types: [Ingress], ingress: [" + deny + ", " + rest + "]",
			stops:  []blocked{{"n1", "n2", tcp5432, "ingress", "normal", "Deny TCP to port 5432"}, {"shop/frontend", "n2", tcp5432, "ingress", "normal", "Deny TCP to port 5432"}},
			passes: []blocked{{src: "shop/frontend", dst: "shop/backend", service: tcp5432}, {src: "n1", dst: "n2", service: udp5432}},
		},
		{
			name: "forwarded", spec: "applyOnForward: true, types: [Ingress], ingress: [" + deny + ", " + rest + "]",
			stops: []blocked{
				{"shop/frontend", "shop/backend", tcp5432, "ingress", "forward", "Deny TCP to port 5432"}, {"n1", "shop/backend", tcp5432, "ingress", "forward", "Deny TCP to port 5432"},
				{"n1", "n2", tcp5432, "ingress", "normal", "Deny TCP to port 5432"},
			},
			passes: []blocked{{src: "shop/backend", dst: "shop/frontend", service: tcp5432}, {src: "shop/database", dst: "shop/backend", service: tcp5432}, {src: "shop/frontend", dst: "shop/backend", service: icmp}},
		},
		{
			name: "forwarded out", spec: "applyOnForward: true, types: [Egress], egress: [{action: Allow, protocol: TCP}]",
			stops:  []blocked{{"shop/backend", "shop/frontend", udp5432, "egress", "forward", ""}, {"n2", "n1", icmp, "egress", "normal", ""}},
			passes: []blocked{{src: "shop/backend", dst: "shop/frontend", service: tcp5432}, {src: "shop/frontend", dst: "shop/backend", service: udp5432}},
		},
		{
			name: "before DNAT", spec: "preDNAT: true, applyOnForward: true, types: [Ingress], ingress: [" + deny + "]",
			stops: []blocked{
				{"shop/frontend", "shop/backend", tcp5432, "ingress", "preDNAT", "Deny TCP to port 5432"}, {"n1", "n2", tcp5432, "ingress", "preDNAT", "Deny TCP to port 5432"},
			},
			passes: []blocked{{src: "shop/frontend", dst: "shop/backend", service: udp5432}, {src: "shop/backend", dst: "shop/frontend", service: tcp5432}},
		},
		{
			name: "not tracked", spec: "doNotTrack: true, applyOnForward: true, types: [Ingress], ingress: [{action: Deny, protocol: UDP, destination: {ports: [5432]}}]",
			stops: []blocked{
				{"shop/frontend", "shop/backend", udp5432, "ingress", "untracked", "Deny UDP to port 5432"}, {"n1", "n2", udp5432, "ingress", "untracked", "Deny UDP to port 5432"},
			},
			passes: []blocked{{src: "shop/frontend", dst: "shop/backend", service: tcp5432}, {src: "shop/database", dst: "shop/backend", service: udp5432}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &cluster{c.Lab, t}
			c.manifest("{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: gate}, spec: {selector: role == 'edge', " + tc.spec + "}}")
			c.agreesAt(tc.stops, tc.passes)
		})
	}
}

// agreesAt sends everything between everyone and asks about each flow.
func (c *cluster) agreesAt(stops, passes []blocked) {
	c.t.Helper()
	file := c.dump()
	m := c.settled("host endpoint", []string{"shop/frontend", "shop/backend", "shop/database", "n1", "n2"}, nil)
	met := map[blocked]bool{}
	for _, cell := range m.Cells {
		f := cell.Flow
		if cell.Mismatch() {
			c.t.Errorf("%s is %s, the judge says %s: %s", f, cell.Got, cell.Expected, cell.Why)
		}
		if c.ownNode(f) || c.ownNode(probe.Flow{Src: f.Dst, DstAddr: f.SrcAddr}) {
			continue // the node's other addresses are not all known to the datastore
		}
		for how, a := range map[string]answer{"online": c.ask(f), "offline": c.ask(f, "--offline", "-f", file)} {
			if (cell.Got == probe.Allowed) != (a.Verdict == why.Allow) {
				c.t.Errorf("%s: %s %s; the packet is %s", f, how, a.Verdict, cell.Got)
			}
			for _, b := range append(stops, passes...) {
				if b.src == f.Src && b.dst == f.Dst && b.service == f.Service {
					met[b] = true
					b.compare(c.t, fmt.Sprintf("%s, %s", f, how), cell, a)
				}
			}
		}
	}
	for _, b := range append(stops, passes...) {
		if !met[b] {
			c.t.Errorf("no packet of %s from %s to %s", b.service, b.src, b.dst)
		}
	}
}

// compare holds one flow against what is expected of it.
func (b blocked) compare(t *testing.T, name string, cell probe.Cell, a answer) {
	t.Helper()
	if b.end == "" {
		if cell.Got != probe.Allowed {
			t.Errorf("%s: the packet is %s, want it to pass", name, cell.Got)
		}
		return
	}
	end, other := a.Ingress, a.Egress
	if b.end == "egress" {
		end, other = other, end
	}
	if cell.Got != probe.Denied || end.Verdict != why.Deny || other.Verdict != why.Allow || end.Tier != "default" || end.Policy != "GlobalNetworkPolicy gate" ||
		end.HostEndpoint != "n2-uplink" || end.Hook != b.hook || !strings.HasPrefix(end.Rule, b.rule) || (end.Rule == "") != (b.rule == "") {
		t.Errorf("%s: the packet is %s, %s %+v, the other end %s; want a denial there by %s of host endpoint n2-uplink", name, cell.Got, b.end, end, other.Verdict, b.hook)
	}
}
