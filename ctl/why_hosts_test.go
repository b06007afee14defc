// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"strings"
	"testing"
)

// crossedHosts is a pod on each of two nodes; in front of n2 is a host endpoint, and n1 has one for any interface.
const crossedHosts = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1}, status: {podIP: 10.65.0.5}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web2, namespace: shop, labels: {app: web}}, spec: {nodeName: n2}, status: {podIP: 10.65.1.5}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: database}}, spec: {nodeName: n2}, status: {podIP: 10.65.1.9}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
---
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n1-any, labels: {role: any}}, spec: {node: n1, interfaceName: "*", profiles: [projectcalico-default-allow]}}
---
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n2-eth0, labels: {role: edge}}, spec: {node: n2, interfaceName: eth0, profiles: [projectcalico-default-allow]}}
---
`

// gateHost is a policy of host endpoints with some of the flags.
func gateHost(name, selector, spec string) string {
	return "---\n{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: " + name + "}, spec: {selector: \"" + selector + "\", " + spec + "}}\n"
}

// TestWhyAcrossHostEndpoints: flows of pods cross the host endpoints of both nodes as forwarded traffic, those of nodes meet them as their own.
func TestWhyAcrossHostEndpoints(t *testing.T) {
	const closeDB = "types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: [5432, 22]}}, {action: Allow}]"
	onForward, preDNAT, untracked := "applyOnForward: true, "+closeDB, "preDNAT: true, applyOnForward: true, "+closeDB, "doNotTrack: true, applyOnForward: true, "+closeDB
	egress := "applyOnForward: true, types: [Egress], egress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]"
	for _, tc := range []struct {
		policy, src, dst string
		// what decides: at which end, host endpoint, hook, policy, rule and reason; empty verdict: allowed.
		end, host, hook, rule, reason string
	}{
		{gateHost("gate", "role == 'edge'", onForward), "shop/web", "shop/db:5432", "ingress", "n2-eth0", "forward", "Deny TCP to port 22, 5432", "host endpoint n2-eth0, forward: ingress rule 0 of GlobalNetworkPolicy gate denies it"},
		{gateHost("gate", "role == 'edge'", onForward), "shop/web", "shop/db:80", "", "", "", "", ""},
		{gateHost("gate", "role == 'edge'", onForward), "198.51.100.1", "shop/db:5432", "ingress", "n2-eth0", "forward", "Deny TCP", "denies it"},
		{gateHost("gate", "role == 'edge'", onForward), "shop/web2", "shop/db:5432", "", "", "", "", ""}, // does not leave n2, and the host endpoint is one of eth0
		{gateHost("gate", "role == 'edge'", onForward), "shop/db", "198.51.100.1:5432", "", "", "", "", ""},
		{gateHost("gate", "role == 'edge'", closeDB), "shop/web", "shop/db:5432", "", "", "", "", ""}, // not forwarded traffic
		{gateHost("gate", "role == 'edge'", closeDB), "shop/web", "n2:5432", "ingress", "n2-eth0", "normal", "Deny TCP", "denies it"},
		{gateHost("gate", "role == 'edge'", closeDB), "shop/web", "n2:22", "", "", "", "", ""},                                              // a failsafe port
		{gateHost("gate", "role == 'edge'", onForward), "shop/web", "shop/db:22", "ingress", "n2-eth0", "forward", "Deny TCP", "denies it"}, // which forwarded traffic has not
		{gateHost("gate", "role == 'edge'", preDNAT), "shop/web", "shop/db:5432", "ingress", "n2-eth0", "preDNAT", "Deny TCP", "host endpoint n2-eth0, preDNAT: ingress rule 0"},
		{gateHost("gate", "role == 'edge'", preDNAT), "n1", "n2:5432", "ingress", "n2-eth0", "preDNAT", "Deny TCP", "denies it"},
		{gateHost("gate", "role == 'edge'", untracked), "shop/web", "shop/db:5432", "ingress", "n2-eth0", "untracked", "Deny TCP", "host endpoint n2-eth0, untracked: ingress rule 0"},
		{gateHost("gate", "role == 'any'", untracked), "shop/db", "shop/web:5432", "", "", "", "", ""}, // takes no part for any interface
		{gateHost("gate", "role == 'any'", egress), "shop/web", "shop/db:5432", "egress", "n1-any", "forward", "", "host endpoint n1-any, forward: isolated for egress by GlobalNetworkPolicy gate"},
		{gateHost("gate", "role == 'any'", egress), "shop/web", "shop/db:80", "", "", "", "", ""},
		{gateHost("gate", "role == 'any'", egress), "198.51.100.1", "shop/web:5432", "ingress", "n1-any", "forward", "", "isolated for egress by"}, // out to the pod
	} {
		u := newUser(t)
		file := u.file("hosts.yaml", crossedHosts+tc.policy)
		out, errOut, code := u.run("", "why", "--offline", "-f", file, tc.src, tc.dst, "-o", "json")
		var got struct {
			Verdict         string
			Egress, Ingress struct{ Verdict, Tier, Policy, Rule, Reason, HostEndpoint, Hook string }
			Changes         []struct{ Object json.RawMessage }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s %s: exit %d: %v\n%s%s", tc.src, tc.dst, code, err, out, errOut)
		}
		end, other := got.Ingress, got.Egress
		if tc.end == "egress" {
			end, other = other, end
		}
		if tc.end == "" {
			if code != 0 || got.Verdict != "allow" || end.HostEndpoint != "" && end.Verdict != "allow" {
				t.Errorf("%s %s: exit %d\n%s", tc.src, tc.dst, code, out)
			}
			continue
		}
		if code != ExitVerdict || got.Verdict != "deny" || end.Verdict != "deny" || other.Verdict != "allow" || end.HostEndpoint != tc.host || end.Hook != tc.hook ||
			end.Tier != "default" || end.Policy != "GlobalNetworkPolicy gate" || !strings.HasPrefix(end.Rule, tc.rule) || !strings.Contains(end.Reason, tc.reason) {
			t.Errorf("%s %s: exit %d, want a denial at %s %s %s\n%s", tc.src, tc.dst, code, tc.end, tc.host, tc.hook, out)
		}
		if len(got.Changes) != 1 {
			t.Errorf("%s %s: %d changes proposed", tc.src, tc.dst, len(got.Changes))
			continue
		}
		pods := u.file("pods.yaml", crossedHosts)
		u.must("", "why", "--offline", "-f", u.file("changed.json", string(got.Changes[0].Object)), "-f", pods, tc.src, tc.dst)
		table, _, _ := u.run("", "why", "--offline", "-f", file, tc.src, tc.dst)
		for _, want := range []string{tc.reason, "GlobalNetworkPolicy gate", "hosts    ", tc.hook + " "} {
			if !strings.Contains(table, want) {
				t.Errorf("%s %s: no %q in\n%s", tc.src, tc.dst, want, table)
			}
		}
	}
}

// TestWhyFailsafe names the failsafe port, and says of untracked flows that their answers are judged by themselves.
func TestWhyFailsafe(t *testing.T) {
	u := newUser(t)
	shut := gateHost("shut", "role == 'edge'", "types: [Ingress], ingress: [{action: Deny}]")
	out := u.must("", "why", "--offline", "-f", u.file("hosts.yaml", crossedHosts+shut), "198.51.100.1", "n2:22")
	if !strings.Contains(out, "because  host endpoint n2-eth0, normal: failsafe port TCP 22\n") {
		t.Errorf("%s", out)
	}
	out, _, _ = u.run("", "why", "--offline", "-f", u.file("hosts.yaml", crossedHosts+shut), "198.51.100.1", "n2")
	if !strings.Contains(out, "  22            allow\n") {
		t.Errorf("%s", out)
	}
	raw := gateHost("raw", "role == 'edge'", "doNotTrack: true, applyOnForward: true, types: [Ingress], ingress: [{action: Allow}]")
	out = u.must("", "why", "--offline", "-f", u.file("raw.yaml", crossedHosts+raw), "198.51.100.1", "n2:80")
	if !strings.Contains(out, "not tracked at host endpoint n2-eth0 (doNotTrack): its answers are judged by themselves") {
		t.Errorf("%s", out)
	}
}

// TestDiffAcrossHostEndpoints: what changes on the way through a node changes for that node's pods alone.
func TestDiffAcrossHostEndpoints(t *testing.T) {
	u := newUser(t)
	base := u.file("base.yaml", crossedHosts)
	closing := gateHost("gate", "role == 'edge'", "applyOnForward: true, types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: [5432]}}, {action: Allow}]")
	out, errOut, code := u.run("", "policy", "diff", "--base", base, "-f", u.file("gate.yaml", closing), "--all")
	rows := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"shop/web shop/db TCP 5432", "shop/web shop/web2 TCP 5432", "outside shop/db TCP 5432", "host endpoint n2-eth0, forward: ingress rule 0 of GlobalNetworkPolicy gate: Deny TCP to port 5432",
	} {
		if !strings.Contains(rows, want) {
			t.Errorf("exit %d, no %q in\n%s%s", code, want, out, errOut)
		}
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 3 && (fields[3] == "shop/web" || fields[2] == "shop/web2" || fields[2] == "shop/db") {
			t.Errorf("this does not cross the host endpoint: %s", line)
		}
	}
	if code != ExitVerdict {
		t.Errorf("exit %d", code)
	}
	harmless := strings.Replace(closing, "action: Deny", "action: Allow", 1)
	if out, errOut, code := u.run("", "policy", "diff", "--base", base, "-f", u.file("open.yaml", harmless)); code != 0 {
		t.Errorf("a policy that allows everything: exit %d\n%s%s", code, out, errOut)
	}
}
